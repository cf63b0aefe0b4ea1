"""What an inference engine adds to the hardware: reserves, launches, depths (catalogue/serving.yaml)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """Figures `serving.*` of the catalogue in SI units, which the memory and lookup formulas read."""

    memory_share: float  # of accelerator memory that the engine plans with
    kernel_launch: float  # s, fixed part of a short kernel
    copy_launch: float  # s, fixed part of a small copy between host and accelerator
    host_step: float  # s per step in which a host thread serves the rows
    io_queue_depth: float  # reads in flight per node
    synchronous_queue_depth: float  # the same where nothing is prefetched
    host_gather_rate: float  # rows/s that a node's cores copy together
