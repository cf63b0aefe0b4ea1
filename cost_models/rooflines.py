"""Time of each operator class from its FLOPs and bytes: a roofline with achievable shares and overheads.

Symbols: F FLOPs and B bytes on one rank, P dense peak, W memory bandwidth. Every class has its own constants,
fitted on measured kernels (constants.py); shapes are (operators, designs), times are seconds of one run.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cost_models.constants import Constants
from cost_models.design import Number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """What one operator class takes: (operators, designs) each, seconds."""

    time_s: Floats
    compute_s: Floats
    memory_s: Floats
    overhead_s: Number


def gemm(compute_s: Floats, memory_s: Floats, inner: Floats, constants: dict[str, float]) -> Term:
    """Matrix product from F/P and B/W at their achievable shares: overhead + walk + sqrt(F^2 + B^2 + 2 x F B).

    inner: length of the sums on this rank. However few blocks a product has, each walks all of it: `step_s` per
    value, which shows in the narrow products of small batches and high tensor parallelism.
    x: `exposed`, how much of the shorter of the two is seen beside the longer: 0 as in a root of squares, 1 all of
    it. Constants without one (of a host) have 0.
    """
    compute = compute_s * (1.0 / constants["compute"])
    memory = memory_s * (1.0 / constants["memory"])
    overhead = constants["overhead_s"] + constants["step_s"] * inner
    beside = compute * memory * (2.0 * constants.get("exposed", 0.0))
    return Term(np.sqrt(compute * compute + memory * memory + beside) + overhead, compute, memory, overhead)


def prefill_attention(
    compute_s: Floats, memory_s: Floats, walked: Floats, chunks: Floats, constants: dict[str, float]
) -> Term:
    """Causal attention of whole prompts: overheads + walk + F/P + B/W at their shares.

    walked: tokens that the last block of queries passes one after the other, over all chunks.
    """
    compute, memory = compute_s / constants["compute"], memory_s / constants["memory"]
    overhead = chunks * constants["overhead_s"] + walked * constants["step_s"]
    return Term(overhead + compute + memory, compute, memory, overhead)


def decode_attention(compute_s: Floats, memory_s: Floats, heads: Floats, constants: dict[str, float]) -> Term:
    """Attention of new tokens over the cache: overhead + max(F/P, B/W, scheduling of so many blocks).

    heads: sequences x KV heads, each of which starts at least one block.
    """
    compute, memory = compute_s / constants["compute"], memory_s / constants["memory"]
    busy = np.maximum(np.maximum(compute, memory), heads * constants["per_head_s"])
    return Term(constants["overhead_s"] + busy, compute, memory, constants["overhead_s"])


def experts(
    compute_s: Floats,
    memory_s: Floats,
    permute_s: Floats,
    constants: dict[str, float],
    awake: Floats | float = 0.0,
) -> Term:
    """Grouped products of the busiest rank: overhead + permutation of the tokens + hypot(F/P, B/W).

    compute_s counts whole tiles. permute_s: bytes over W of gathering and reducing rows, so many per value of
    the rows that this rank computes and of all (token, expert) choices, which some engines sort on every rank.
    awake: experts with at least one token; a host that calls one product for each takes `per_expert_s` of them.
    """
    compute, memory = compute_s / constants["compute"], memory_s / constants["memory"]
    overhead = constants["overhead_s"] + awake * constants.get("per_expert_s", 0.0)
    time = np.sqrt(compute * compute + memory * memory) + (permute_s + overhead)
    return Term(time, compute, memory + permute_s, overhead)


def elementwise(memory_s: Floats, constants: dict[str, float]) -> Term:
    """A pass over activations: overhead + B/W at its share."""
    memory = memory_s * (1.0 / constants["memory"])
    return Term(constants["overhead_s"] + memory, np.zeros_like(memory), memory, constants["overhead_s"])


def all_reduce(
    message: Floats, ranks: Floats, link: Number, group: Number, network: Number, constants: dict[str, float]
) -> Term:
    """All-reduce of `message` bytes over so many ranks; 0 for one rank.

    Inside the scale-up group the better of one shot (every rank reads the n - 1 other messages) and two shots
    (reduce-scatter and all-gather, after a second start). Behind a switch the message passes each port once in each
    direction; with `bridge` among the constants there is none, and a ring passes 2 (n - 1) / n of it (NCCL; vLLM's
    own kernels are off where more than two ranks have only PCIe). Then all that more than two ranks send also
    goes through the host, which moves `bridge` times one link for all of them (NVIDIA/nccl #1639: "on PCI systems
    performance is usually determined by the bandwidth your CPU and memory can deliver").
    Between groups each rank then reduces its own part over its network port, 2 (m-1)/m of it.
    """
    groups = np.ceil(ranks / group)
    inside = ranks / groups
    each = message * (1.0 / link)
    one_shot = each * ((inside - 1.0) / constants["one_shot"])
    two_shots = each / constants["two_shots"]
    if "bridge" in constants:
        two_shots = two_shots * (2.0 * (inside - 1.0) / inside)
        through = each * np.where(inside > 2, (inside - 1.0) / constants["bridge"], 0.0)
        one_shot = np.maximum(one_shot, through * inside)
        two_shots = np.maximum(two_shots, through * 2.0)
    two_shots = two_shots + constants["second_s"]
    between = message * (2.0 * (groups - 1.0) / groups / inside / (constants["two_shots"] * network))
    between = between + np.where(groups > 1, constants["second_s"], 0.0)
    moved = np.where(inside > 1, np.minimum(one_shot, two_shots), 0.0) + between
    overhead = constants["overhead_s"] + constants["per_rank_s"] * (ranks - 1.0)
    several = ranks > 1
    return Term(
        np.where(several, overhead + moved, 0.0),
        np.zeros_like(moved),
        moved,
        np.where(several, overhead, 0.0),
    )


def for_type(constants: Constants, kind: str, compute_type: str) -> dict[str, float]:
    """Constants of a class at a compute type."""
    return constants[f"{kind}_{compute_type}"]
