"""Energy of a served token and power of a system: what moves and computes, and what idles meanwhile.

    J/token = PUE x (FLOPs x core J/FLOP + bytes x J/byte, by memory and link + static W / tokens per second)
Cores are charged without memory (half of board energy at peak), so device memory is counted once, by its
bytes. Static power is what every part draws while it waits: accelerators with their context, processors,
board, network, fans, modules and drives.
"""

from dataclasses import dataclass, field

import numpy as np

from cost_models.catalogue import Catalogue
from cost_models.design import Number, Serving, System
from cost_models.latency import Steps
from cost_models.lookup import Lookup
from cost_models.masks import choose, some
from cost_models.operators import ACTIVATION_BYTES
from cost_models.parts import Parts, Tier

HOST_TIERS = ("dram", "cxl", "ssd", "remote")
_CROSSES_HOST_LINK = ("dram", "cxl", "remote")  # a drive's own link is part of its j_per_byte


@dataclass(frozen=True)
class Work:
    """What one output token of the whole system costs in operations; scalars or (designs,).

    flops: by compute type. memory_bytes: through device memory. link_bytes: sent between accelerators, summed
    over senders. tier_bytes, tier_reads: of table rows, by tier.
    """

    flops: dict[str, Number]
    memory_bytes: Number
    link_bytes: Number = 0.0
    tier_bytes: dict[str, Number] = field(default_factory=dict)
    tier_reads: dict[str, Number] = field(default_factory=dict)
    host: dict[str, Number] = field(default_factory=dict)  # of processors, by host_compute.WORK


@dataclass(frozen=True)
class Energy:
    """Joules per output token by part (its sum is j_per_token), and watts of the whole system.

    average_w: while serving, with the facility's overhead. static_w: the same when nothing is served.
    peak_w: of the IT equipment at full load, as a power limit has to hold it.
    """

    j_per_token: Number
    average_w: Number
    static_w: Number
    peak_w: Number
    by_part: dict[str, Number]


def work_per_token(steps: Steps, lookup: Lookup, accepted_tokens: Number = 1.0) -> Work:
    """Operations per output token: its share of a decode step, and of its request's prefill.

    For phase "prefill" a token is a whole prompt, as in `latency.estimate`.
    """
    s, model = steps.serving, steps.model
    group = s.tensor_parallel * s.pipeline_parallel
    ranks = group * s.data_parallel
    decode: Number
    prefill: Number
    prompt: Number
    if s.phase == "prefill":
        decode, prefill, prompt = 0.0, ranks / steps.batch, s.input_tokens
    else:
        decode = ranks / (steps.batch * accepted_tokens)
        prefill = 0.0 if s.phase == "decode" else group / s.output_tokens
        prompt = 0.0 if s.phase == "decode" else s.input_tokens / s.output_tokens
    decoded = 0.0 if s.phase == "prefill" else steps.tokens_per_sequence / accepted_tokens
    members = s.tensor_parallel * s.data_parallel
    # Two all-reduces a layer; a ring sends each value 2 (n - 1) times in all.
    sent = model.layers * 2 * model.hidden * ACTIVATION_BYTES * 2 * (members - 1)
    return Work(
        flops={
            kind: decode * steps.decode_flops[kind] + prefill * steps.prefill_flops[kind]
            for kind in steps.decode_flops
        },
        memory_bytes=decode * steps.decode_bytes + prefill * steps.prefill_bytes,
        link_bytes=sent * (decoded + prompt),
        tier_bytes=_rows(lookup.decode.tier_bytes, lookup.prefill.tier_bytes, decoded, prompt),
        tier_reads=_rows(lookup.decode.tier_reads, lookup.prefill.tier_reads, decoded, prompt),
        host={
            name: decode * steps.decode_host[name] + prefill * steps.prefill_host[name]
            for name in steps.decode_host
        },
    )


def energy(parts: Parts, system: System, work: Work, tokens_per_s: Number, catalogue: Catalogue) -> Energy:
    """Energy per output token and power of a system that serves `tokens_per_s` (all replicas together)."""
    a = parts.accelerator
    pue = catalogue.value("facility", "pue")
    host_link, scale_up = (
        catalogue.value("energy", "link", "pcie5"),
        catalogue.value("energy", "link", "nvlink5"),
    )
    by_part: dict[str, Number] = {
        "compute": sum(amount * a.compute_j_per_flop[kind] for kind, amount in work.flops.items()),
        "memory": (work.memory_bytes + work.tier_bytes.get("hbm", 0.0)) * a.memory_j_per_byte,
        "links": work.link_bytes * scale_up,
    }
    for name in HOST_TIERS:
        tier, moved = parts.tiers[name], work.tier_bytes.get(name)
        if moved is None:
            by_part[name] = 0.0
            continue
        crossing = choose(tier.on_package, 0.0, host_link) if name in _CROSSES_HOST_LINK else 0.0
        by_part[name] = moved * (tier.j_per_byte + crossing) + work.tier_reads[name] * tier.j_per_read
    if work.host:
        by_part["host_compute"] = work.host["flops"] * parts.node.cpu_j_per_flop
        by_part["dram"] = by_part["dram"] + work.host["bytes"] * parts.tiers["dram"].j_per_byte
        by_part["host_link"] = work.host["link_bytes"] * host_link
    static = static_power(parts, system)
    for name, watts in static.items():
        by_part[f"{name}_static"] = watts / tokens_per_s
    joules = sum(by_part.values())
    by_part["facility"] = (pue - 1.0) * joules
    return Energy(
        j_per_token=pue * joules,
        average_w=pue * joules * tokens_per_s,
        static_w=pue * sum(static.values()),
        peak_w=peak_power(parts, system),
        by_part=by_part,
    )


def static_power(parts: Parts, system: System) -> dict[str, Number]:
    """Watts of the whole system by kind of part while it waits, before the facility's overhead."""
    memory = sum(_tier_static(tier, system.nodes) for tier in parts.tiers.values())
    return {
        "accelerators": system.accelerators * parts.accelerator.idle_w,
        "host": system.nodes * (parts.node.cpu_idle_w + parts.node.chassis_w),
        "host_memory": memory,
    }


def peak_power(parts: Parts, system: System) -> Number:
    """Watts of the whole system with every part at its limit, before the facility's overhead."""
    host = parts.node.cpu_w + parts.node.chassis_w
    memory: Number = 0.0
    for name, tier in parts.tiers.items():
        moving: Number = 0.0
        if name != "hbm" and some(tier.capacity_bytes > 0):  # device memory at full speed is inside the TDP
            fitted = np.minimum(tier.capacity_bytes, 1.0)
            reads = choose(np.isfinite(tier.reads_per_s), tier.reads_per_s, 0.0)
            moving = fitted * (tier.bandwidth * tier.j_per_byte + reads * tier.j_per_read)
        memory = memory + _tier_static(tier, system.nodes) + system.nodes / tier.nodes_sharing * moving
    return system.accelerators * parts.accelerator.tdp_w + system.nodes * host + memory


def _tier_static(tier: Tier, nodes: Number) -> Number:
    return nodes / tier.nodes_sharing * (tier.static_w_per_byte * tier.capacity_bytes + tier.fixed_w)


def _rows(
    decode: dict[str, Number], prefill: dict[str, Number], decoded: Number, prompt: Number
) -> dict[str, Number]:
    return {
        tier: decoded * decode.get(tier, 0.0) + prompt * prefill.get(tier, 0.0) for tier in decode | prefill
    }


def utilisation(serving: Serving, catalogue: Catalogue) -> Number:
    """Share of hours that a system is busy: the design's own, or the catalogue's convention."""
    own = serving.utilisation
    return catalogue.value("economics", "utilisation") if own is None else own
