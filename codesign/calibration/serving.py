"""What serving itself costs this host beside kernels: addressing rows, calling a gather, handing rows over."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from codesign.calibration.tables import DriveTables, Shape
from codesign.calibration.timing import Sample, steady
from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from cost_models.design import Engram

Report = Callable[[str], None]

# a table layout and batch of usual size: 2 sets of 2 orders x 8 heads, for 8 sequences
_ENGRAM = Engram((1, 2), 3, 8, 64, 50_000)
_SEQUENCES, _ROW_VALUES = 8, 64


@dataclass(frozen=True)
class Serving:
    """addressing: token ids to rows, one step. gather_call: the fixed part of reading rows from memory.

    handing_over: rows of one step from pages to a tensor, with a cache's bookkeeping; None without a drive.
    """

    addressing: Sample
    gather_call: Sample
    handing_over: Sample | None


@torch.inference_mode()
def measure(report: Report, folder: Path) -> Serving:
    """Raises UnsteadyError."""
    report("addressing and handing over rows")
    config = ProxyConfig(
        32768, 4, 512, 8, 2, 64, (1024,) * 4, (0,) * 4, 0, 0, (0,) * 4, _ENGRAM
    )  # the shape only
    addresses = Addresses(config, np.arange(config.vocab), config.vocab)
    ids = np.random.default_rng(0).integers(0, config.vocab, (_SEQUENCES, 3))
    places = np.broadcast_to(np.arange(100, 103), ids.shape)
    addressing = steady(
        lambda: [each[:, 2:].reshape(-1).numpy() for each in addresses(ids, places)], "addressing"
    )
    table, pick = torch.zeros(1024, _ROW_VALUES, dtype=torch.bfloat16), torch.zeros(1, dtype=torch.int64)
    call = steady(lambda: table.index_select(0, pick), "a gather of one row")
    return Serving(addressing, call, _handing_over(folder))


def _handing_over(folder: Path) -> Sample:
    """Processor time of the serving thread for one step whose rows all come from the drive."""
    shape, random = Shape((100_000, 100_000), _ROW_VALUES), np.random.default_rng(0)
    tables = DriveTables(shape, folder / "rows.bin", prefetch=True)
    try:

        def step() -> None:
            tables.begin([random.integers(0, 100_000, 16 * _SEQUENCES) for _ in shape.rows])
            for number in range(len(shape.rows)):
                tables.take(number)

        return steady(step, "handing over rows", time.thread_time)
    finally:
        tables.close()
