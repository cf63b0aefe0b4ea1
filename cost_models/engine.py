"""What an inference engine adds to the hardware: reserves, launches, queue depths (catalogue/serving.yaml)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cost_models import yamlfile

_UNITS = {"fraction": 1.0, "us": 1e-6, "ms": 1e-3, "reads": 1.0, "M rows/s": 1e6}


@dataclass(frozen=True)
class Engine:
    """SI numbers that the memory and lookup formulas read; see the YAML for sources."""

    memory_share: float  # of accelerator memory that the engine plans with
    kernel_launch: float  # s, fixed part of a short kernel
    copy_launch: float  # s, fixed part of a small copy between host and accelerator
    host_step: float  # s per step in which a host thread serves the rows
    io_queue_depth: float  # reads in flight per node
    synchronous_queue_depth: float  # the same where nothing is prefetched
    host_gather_rate: float  # rows/s that a node's cores copy together


@lru_cache(maxsize=1)
def shipped() -> Engine:
    """The figures as the catalogue has them."""
    figures = yamlfile.read(Path(__file__).parent / "catalogue" / "serving.yaml").data["serving"]
    return Engine(**{name: figure["value"] * _UNITS[figure["unit"]] for name, figure in figures.items()})
