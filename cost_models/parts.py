"""The hardware parts of a design as the formulas read them: plain records of SI numbers, scalar or (designs,).

`catalogue.Catalogue.parts(system)` fills them from the YAML entries; nothing else reads the catalogue's figures.
"""

from dataclasses import dataclass, field

from cost_models.design import Flag, Name, Number
from cost_models.engine import Engine


@dataclass(frozen=True)
class Accelerator:
    """One accelerator (or one per design). Peaks are dense, links per direction.

    fitted: True where the efficiencies of latency.py were fitted on this part; else they are a prior.
    """

    name: Name
    peak_flops: dict[str, Number]  # by compute type: "bf16", "fp8", "fp4" (falls back to the next wider type)
    memory_bytes: Number
    memory_bandwidth: Number  # B/s
    host_link_bandwidth: Number  # B/s per direction, copy engine, achievable
    zero_copy_bandwidth: Number  # B/s, kernels reading pinned host memory
    scale_up_bandwidth: Number  # B/s per direction, raw
    scale_up_group: Number  # accelerators that the scale-up link joins
    tdp_w: Number
    idle_w: Number
    price_usd: Number
    compute_j_per_flop: dict[str, Number]  # core only, by compute type; memory energy is separate
    memory_j_per_byte: Number
    embodied_kg: Number
    unified_memory: Flag = False  # host and accelerator share one memory
    is_cpu: Flag = False
    fitted: Flag = False
    host_read_latency_s: Number = (
        0.0  # round trip of a load from pinned host memory, beside the tier's latency
    )


@dataclass(frozen=True)
class Tier:
    """One memory level as a node sees it: aggregate bandwidth and I/O rate of the drives or channels fitted."""

    name: Name
    latency_s: Number  # one dependent read
    bandwidth: Number  # B/s, node aggregate, achievable
    reads_per_s: Number  # random reads/s, node aggregate, at depth; inf where only bytes count
    page_bytes: Number  # smallest unit read
    j_per_byte: Number
    j_per_read: Number  # energy of one I/O beside its bytes
    static_w_per_byte: Number
    usd_per_byte: Number
    fixed_usd: Number  # controllers, switches: per node
    fixed_w: Number
    embodied_kg_per_byte: Number
    capacity_bytes: Number  # per node
    writes_per_day: Number = 0.0  # drive writes per day over the warranty; 0: not limited
    included_bytes: Number = 0.0  # per node, sold with the accelerators and paid in their price
    units: Number = 0.0  # channels, modules, drives or adapters fitted per node
    nodes_sharing: Number = 1.0  # nodes that share this one memory (a pool): its cost is paid once for them
    on_package: Flag = False  # reads do not cross the host link
    stream_bandwidth: Number = 0.0  # B/s of long sequential reads, node aggregate, achievable; of dram only


@dataclass(frozen=True)
class Node:
    """What a node has beside accelerators and memory tiers."""

    cpu_price_usd: Number
    cpu_w: Number
    cpu_idle_w: Number
    chassis_usd: Number  # board, network, power, cooling, assembly
    chassis_w: Number
    network_bandwidth: Number  # B/s per accelerator, between nodes
    embodied_kg: Number
    numa_nodes: Number = 2
    accelerators: Number = 1
    cpu_flops: Number = 0.0  # FLOP/s that expert kernels reach on all processors of the node
    cpu_j_per_flop: Number = 0.0  # core only; memory energy is separate


@dataclass(frozen=True)
class Parts:
    """All parts of a system, and which catalogue entries they came from."""

    accelerator: Accelerator
    tiers: dict[str, Tier]  # keys: TIERS ("hbm" is the accelerators' own memory)
    node: Node
    engine: Engine
    sources: tuple[str, ...] = field(default=())
