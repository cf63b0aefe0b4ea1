"""A CUDA device: peak and memory bandwidth, copies from the host, and kernels that read host memory themselves.

Written for the catalogue's figures; it could not be run where it was written, for want of a GPU.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from codesign.calibration.timing import steady

_BYTES = 256 << 20
_SIDE = 8192
_ROW_VALUES = 64
_READS = 1 << 18


@dataclass(frozen=True)
class Gpu:
    """Peaks in FLOP/s, bandwidths in B/s. zero_copy: rows of 128 B read by a kernel from pinned memory; None
    where this PyTorch cannot map host memory."""

    name: str
    memory_bytes: float
    peak_flops: float
    memory_bandwidth: float
    host_to_device: float
    zero_copy: float | None


def measure(report: Callable[[str], None]) -> Gpu | None:
    """The first CUDA device, or None without one. Raises UnsteadyError."""
    if not torch.cuda.is_available():
        return None
    device = torch.device("cuda:0")
    about = torch.cuda.get_device_properties(device)
    report(f"{about.name}: matrix product, memory, host link")
    a = torch.randn(_SIDE, _SIDE, device=device, dtype=torch.bfloat16)
    area = torch.zeros(_BYTES // 4, device=device)
    pinned = torch.zeros(_BYTES // 4, pin_memory=True)
    product = _timed(lambda: a @ a, "a matrix product on the GPU")
    copied = _timed(lambda: area.clone(), "a copy in GPU memory")
    moved = _timed(lambda: area.copy_(pinned, non_blocking=True), "a copy to the GPU")
    return Gpu(
        about.name, float(about.total_memory), 2.0 * _SIDE**3 / product, 2.0 * _BYTES / copied, _BYTES / moved,
        _zero_copy(pinned, device),
    )  # fmt: skip


def _timed(run: Callable[[], object], name: str) -> float:
    def whole() -> None:
        run()
        torch.cuda.synchronize()

    return steady(whole, name, time.perf_counter).seconds


def _zero_copy(pinned: torch.Tensor, device: torch.device) -> float | None:
    class Mapped:
        """Pinned memory under its own address, which CUDA's unified addressing lets kernels read."""

        __cuda_array_interface__: dict[str, Any] = {  # noqa: RUF012
            "shape": tuple(pinned.shape), "typestr": "<f4", "data": (pinned.data_ptr(), True), "version": 3,
        }  # fmt: skip

    try:
        rows = torch.as_tensor(Mapped(), device=device).view(-1, _ROW_VALUES // 2)
    except (RuntimeError, TypeError, ValueError):
        return None
    picks = torch.randint(len(rows), (_READS,), device=device)
    return (
        _READS
        * _ROW_VALUES
        * 2
        / _timed(lambda: rows.index_select(0, picks), "rows read across the host link")
    )
