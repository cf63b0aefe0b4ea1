"""What an inference engine adds to the hardware: reserves, launches, depths (catalogue/serving.yaml)."""

from dataclasses import dataclass

from cost_models.design import Number


@dataclass(frozen=True)
class Engine:
    """Figures `serving.*` of the catalogue in SI units, scalars or (designs,), which memory and lookup read."""

    memory_share: Number  # of accelerator memory that the engine plans with
    kernel_launch: Number  # s, fixed part of a short kernel
    copy_launch: Number  # s, fixed part of a small copy between host and accelerator
    stream_token: Number  # s in which the front end of an engine hands one token of one stream to its client
    host_step: Number  # s per step in which a host thread serves the rows
    io_queue_depth: Number  # reads in flight per node
    synchronous_queue_depth: Number  # the same where nothing is prefetched
    host_gather_rate: Number  # rows/s that a node's cores copy together
    host_kernel_memory: (
        Number  # share of DRAM's streaming rate that expert and attention kernels of a processor reach
    )
    host_handover: Number  # s, an operator given to the processors and its result waited for
