"""One optimizer step of training or fine-tuning, with its state spread over HBM, DRAM and SSD.

State per parameter (mixed-precision Adam, arXiv 1910.02054): weights 2 B, gradients 2 B, and 12 B of optimizer
state (fp32 copy, mean, variance). Every part lies in one tier, sharded over all accelerators (ZeRO stage 3 and
ZeRO-Infinity, arXiv 2104.07857), or on SSD as aiDAPTIV+ keeps it:

    step = micro steps x max(compute, links, DRAM, SSD) + optimizer
    compute = 4 x forward: backward is twice the forward, and activations are computed again from one
              checkpoint a layer (arXiv 1604.06174)
    links: every accelerator gets the weights once forward and once backward, its own part from their tier and
              the rest from its peers, and gives away the gradients of the others' parts; what comes from other nodes
              enters each node once. Routed experts may stay where they are instead, and tokens travel to them
    tables: their rows lie on all accelerators and travel all to all (arXiv 2601.07372), or in host memory; those
              that were read are updated, others are not
    optimizer = the state read and written once, on drives, in DRAM or in HBM; not hidden behind the next step

Gradients lie with the weights, or in DRAM where the weights are on SSD: they are added to at every micro step.
Reads of the next layer overlap with the computation of this one; how well real software does so is not measured.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cost_models import constants, cost, energy, latency
from cost_models import tables as engram_tables
from cost_models.architecture import layer_groups, parameters
from cost_models.catalogue import Catalogue
from cost_models.design import Design, Number, Serving
from cost_models.errors import InputError

WEIGHT_BYTES, GRADIENT_BYTES, OPTIMIZER_BYTES = 2, 2, 12  # of one parameter
PLACES = ("hbm", "dram", "ssd")
_DAY_S = 86400.0
_LAYERS_AT_HAND = 2  # gathered weights in HBM: the layer that computes and the one that is fetched
_PASSES = 2  # of the weights over the links in a micro step: forward, and backward with its recomputation
_TRIPS = 3  # of table rows, and of tokens to experts and back: forward, backward's recomputation, gradients
_HEAD_PASSES = 3  # of the output head, whose logits are kept: forward, and twice that backward

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """What one optimizer step trains on: `sequences` of `length` tokens in all, `micro` per accelerator at once.

    nodes_per_token: on which a token's experts lie at most; 0: on any.
    """

    sequences: int = 32
    length: int = 4096
    micro: int = 1
    nodes_per_token: int = 0


@dataclass(frozen=True)
class Training:
    """Placements and what they cost, (placements,) each, seconds and bytes.

    weights, optimizer, activations: the tier of each. spare: bytes left by tier, of one accelerator or one node;
    < 0: does not fit. terms: seconds of a micro step by resource. written_per_day: to all drives of a node.
    life_years: of the drives at that rate, inf where nothing is written.
    """

    weights: NDArray[np.str_]
    optimizer: NDArray[np.str_]
    activations: NDArray[np.str_]
    spare: dict[str, Floats]
    terms: dict[str, Floats]
    micro_steps: int
    optimizer_s: Floats
    step_s: Floats
    tokens_per_s: Floats
    written_per_day: Floats
    life_years: Floats
    j_per_token: Floats
    usd_per_mtok: Floats

    @property
    def fits(self) -> NDArray[np.bool_]:
        """(placements,) whether no tier is too small."""
        return np.logical_and.reduce([left >= 0 for left in self.spare.values()])


def train(
    design: Design, batch: Batch, catalogue: Catalogue, tables: str = "hbm", experts: str = "gathered"
) -> Training:
    """Every placement of weights, optimizer state and activations for a scalar design; its serving is not read.

    tables: tier of the Engram tables and their optimizer state, "hbm" or "dram". experts: "gathered" as all weights, or
    "stay": each lies whole on one accelerator. Raises InputError where the sequences do not divide into micro steps.
    """
    model, system = design.model, design.system
    ranks, nodes = int(np.asarray(system.accelerators)), int(np.asarray(system.nodes))
    if batch.sequences % (ranks * batch.micro):
        raise InputError(
            f"sequences: must be a multiple of {ranks} accelerators x {batch.micro} at once, got {batch.sequences}"
        )
    micro_steps = batch.sequences // (ranks * batch.micro)
    parts = catalogue.parts(system)
    host = system.host
    placed = np.array(list(product(PLACES, repeat=3)))
    weights, optimizer, activations = placed.T
    gradients = np.where(weights == "hbm", "hbm", "dram")

    counted = parameters(model)
    count = float(counted.total - counted.tables)
    tokens = batch.micro * batch.length  # of one accelerator in a micro step
    checkpoints = 2.0 * tokens * model.layers * model.hidden * ranks
    state = {"weights": WEIGHT_BYTES * count, "gradients": GRADIENT_BYTES * count,
             "optimizer": OPTIMIZER_BYTES * count, "activations": checkpoints}  # fmt: skip
    where = {"weights": weights, "gradients": gradients, "optimizer": optimizer, "activations": activations}
    held: dict[str, Floats] = {
        tier: np.sum([np.where(where[name] == tier, size, 0.0) for name, size in state.items()], axis=0)
        for tier in PLACES
    }

    rows = _rows(design, batch, tables)
    held[tables] = held[tables] + rows.state
    gathered = count - (counted.by_part["routed_experts"] if experts == "stay" else 0)
    # beside its share of the state an accelerator holds whole layers, their gradients, and one layer's activations
    layer = gathered / model.layers
    inner = max(model.dense_width, model.moe.active_experts * model.moe.expert_width if model.moe else 0)
    working = (
        (_LAYERS_AT_HAND * WEIGHT_BYTES + GRADIENT_BYTES) * layer
        + 2.0 * tokens * (8 * model.hidden + 3 * inner)
        + 6.0 * tokens * model.vocab
    )
    usable = parts.accelerator.memory_bytes * parts.engine.memory_share
    spare: dict[str, Floats] = {
        "hbm": np.asarray(usable - working - held["hbm"] / ranks),
        "dram": np.asarray(host.dram_bytes - held["dram"] / nodes),
        "ssd": np.asarray(host.ssd_bytes - held["ssd"] / nodes),
    }

    steps = _forward(design, batch, catalogue)
    a, dram, ssd = parts.accelerator, parts.tiers["dram"], parts.tiers["ssd"]
    reads, writes = ssd.bandwidth, _write_bandwidth(catalogue, str(host.ssd_tier), host.ssd_drives)
    on = {tier: {name: (tiers == tier).astype(float) for name, tiers in where.items()} for tier in PLACES}
    off = {name: 1.0 - there for name, there in on["hbm"].items()}
    fetched = _PASSES * state["weights"]
    # bytes of all accelerators in a micro step: from and to tiers outside HBM, and between accelerators
    own = (
        fetched * off["weights"]
        + state["gradients"] * off["gradients"]
        + 2 * checkpoints * off["activations"]
    )
    exchanged = (_PASSES * WEIGHT_BYTES + GRADIENT_BYTES) * gathered  # each accelerator's
    sent, sent_far = _to_experts(design, batch) if experts == "stay" else (0.0, 0.0)
    around = sent + (rows.moved if tables == "hbm" else 0.0)
    shared = (exchanged + around) * (ranks - 1)
    entering = (exchanged + (sent_far + rows.moved) * ranks / nodes) * (nodes - 1) / nodes  # of one node
    through_dram = (
        fetched * on["dram"]["weights"]
        + 2 * state["gradients"] * on["dram"]["gradients"]
        + 2 * checkpoints * on["dram"]["activations"]
    )
    if tables == "dram":
        own, through_dram = own + rows.moved * ranks, through_dram + rows.moved * ranks
    read = fetched * on["ssd"]["weights"] + checkpoints * on["ssd"]["activations"]
    spilled = checkpoints * on["ssd"]["activations"]
    terms = {
        "compute": np.broadcast_to(4.0 * steps.prefill_s + _head_s(steps, tokens), own.shape),
        "links": own / ranks / a.host_link_bandwidth
        + shared / ranks / a.scale_up_bandwidth
        + entering / (ranks / nodes * parts.node.network_bandwidth),
        "dram": _seconds(through_dram / nodes, dram.bandwidth),
        "ssd": _seconds(read / nodes, reads) + _seconds(spilled / nodes, writes),
    }
    updated = (2 * OPTIMIZER_BYTES + GRADIENT_BYTES + WEIGHT_BYTES) * count
    state_written = OPTIMIZER_BYTES * count * on["ssd"]["optimizer"] + state["weights"] * on["ssd"]["weights"]
    # the processor updates what lies outside HBM, and is bound by its memory
    update = updated / ranks / a.memory_bandwidth * on["hbm"]["optimizer"]
    update = update + _seconds(updated / nodes * off["optimizer"], dram.bandwidth)
    update = update + (
        rows.updated / ranks / a.memory_bandwidth
        if tables == "hbm"
        else _seconds(np.asarray(rows.updated / nodes), dram.bandwidth)
    )
    drives = _seconds(OPTIMIZER_BYTES * count / nodes * on["ssd"]["optimizer"], reads)
    optimizer_s = np.maximum(update, drives + _seconds(state_written / nodes, writes))
    step = micro_steps * np.maximum.reduce(list(terms.values())) + optimizer_s

    written = (state_written + micro_steps * spilled) / nodes
    per_day = written * _DAY_S / step
    trained = batch.sequences * batch.length
    rate = trained / step
    moved = {
        "dram": (micro_steps * through_dram + updated * off["optimizer"]) / trained,
        "ssd": (micro_steps * (read + spilled) + 2 * OPTIMIZER_BYTES * count * on["ssd"]["optimizer"])
        / trained,
    }
    work = _work(steps, micro_steps * (own + shared) / trained, moved, batch)
    spent = energy.energy(parts, system, work, rate, catalogue)
    money = cost.cost(parts, system, Serving(phase="prefill"), spent, rate, catalogue)
    return Training(
        weights, optimizer, activations, spare, terms, micro_steps, optimizer_s, step, rate, per_day,
        _life(per_day, host.ssd_bytes, ssd.writes_per_day, catalogue), np.asarray(spent.j_per_token),
        np.asarray(money.usd_per_mtok),
    )  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    """Engram tables in training, bytes: state of all, moved by one accelerator in a micro step, updated in a step."""

    state: float
    moved: float
    updated: float


def _rows(design: Design, batch: Batch, tables: str) -> _Rows:
    """As if no two tokens of a step read the same row: an upper bound, which real text stays well below."""
    model = design.model
    if model.engram is None:
        return _Rows(0.0, 0.0, 0.0)
    count, width = parameters(model).tables, model.engram.head_dim
    values = engram_tables.reads_per_token(model) * width
    touched = min(float(count), float(values) * batch.sequences * batch.length)
    return _Rows(
        state=(WEIGHT_BYTES + OPTIMIZER_BYTES) * count,
        moved=_TRIPS * WEIGHT_BYTES * float(values) * batch.micro * batch.length,
        updated=(2 * OPTIMIZER_BYTES + GRADIENT_BYTES + WEIGHT_BYTES) * touched,
    )


def _to_experts(design: Design, batch: Batch) -> tuple[float, float]:
    """Bytes that one accelerator sends to experts and back in a micro step; of these those that could leave its node.

    A token is sent to each of its experts, but to another node at most once (arXiv 2412.19437, section 3.2.2), and to
    no more nodes than routing allows (section 2.1.2).
    """
    model, nodes = design.model, float(np.asarray(design.system.nodes))
    nodes = min(nodes, batch.nodes_per_token or nodes)
    if model.moe is None:
        return 0.0, 0.0
    layers = sum(len(group.layers) for group in layer_groups(model) if group.experts)
    once = 2.0 * _TRIPS * WEIGHT_BYTES * model.hidden * layers * batch.micro * batch.length
    return once * model.moe.active_experts, once * min(model.moe.active_experts, nodes)


def _head_s(steps: latency.Steps, tokens: int) -> float:
    """Seconds of the output head over all tokens; a prefill has computed it for the last of each sequence."""
    a, model = steps.parts.accelerator, steps.model
    share = constants.of(constants.key(str(a.name)))["gemm_bf16"]["compute"]
    return float(_HEAD_PASSES * 2.0 * tokens * model.hidden * model.vocab / (share * a.peak_flops["bf16"]))


def _forward(design: Design, batch: Batch, catalogue: Catalogue) -> latency.Steps:
    """One forward pass of a micro step on one accelerator: the prefill of its sequences, in one piece."""
    serving = Serving(
        phase="prefill",
        input_tokens=batch.length,
        concurrency=batch.micro,
        prefill_chunk=batch.micro * batch.length,
    )
    one = replace(design.system, accelerators=1, nodes=1)
    return latency.steps(design.model, serving, catalogue.parts(one))


def _work(steps: latency.Steps, linked: Floats, tiers: dict[str, Floats], batch: Batch) -> energy.Work:
    """Operations of one trained token; linked, tiers: bytes per token over links and by host tier."""
    tokens = batch.micro * batch.length
    return energy.Work(
        flops={kind: 4.0 * flops / tokens for kind, flops in steps.prefill_flops.items()},
        memory_bytes=4.0 * steps.prefill_bytes / tokens,
        link_bytes=linked,
        tier_bytes=dict(tiers),
        tier_reads={name: 0.0 * moved for name, moved in tiers.items()},
    )


def _write_bandwidth(catalogue: Catalogue, tier: str, drives: Number) -> Number:
    """B/s of all drives of a node; where a drive's entry has none, as fast as it reads."""
    entry = catalogue.entry("memory", tier, "ssd")
    name = "write_bandwidth" if "write_bandwidth" in entry else "bandwidth"
    return drives * catalogue.value("memory", tier, name)


def _seconds(moved: Floats, bandwidth: Number) -> Floats:
    """Time of bytes; a tier that is not there has no bandwidth, and its placements do not fit anyway."""
    return moved / np.maximum(bandwidth, 1.0)


def _life(per_day: Floats, capacity: Number, rated: Number, catalogue: Catalogue) -> Floats:
    years = cost.ssd_life_years(per_day, capacity, rated, catalogue)
    return np.broadcast_to(np.asarray(years, dtype=float), per_day.shape)
