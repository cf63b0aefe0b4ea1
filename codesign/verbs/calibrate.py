"""`codesign calibrate`: measure this host, and write it as a hardware file."""

import argparse
from pathlib import Path
from typing import Any

from codesign.plaintext import number
from codesign.verbs.answer import Answer

SUMMARY = "measure this host (memory, drive, processor, GPU) and write a hardware file for designs and spaces"
EXAMPLE = """
codesign calibrate --out this-host.yaml          # a minute or two, 1 GiB of scratch on the drive
codesign measure design.yaml --hardware this-host.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the file goes, and what may be used meanwhile."""
    parser.add_argument(
        "--out", metavar="FILE", type=Path, default=Path("calibrated.yaml"),
        help="the hardware file to write (default: calibrated.yaml)",
    )  # fmt: skip
    parser.add_argument(
        "--gpu", metavar="FILE", type=Path, default=None, help="another file, for a CUDA device"
    )
    parser.add_argument(
        "--scratch", metavar="DIR", type=Path, default=None,
        help="a folder on the drive to measure (default: the cache folder); emptied of what was written there",
    )  # fmt: skip
    parser.add_argument(
        "--drive-gib",
        metavar="G",
        type=float,
        default=1.0,
        help="size of the file read at random (default: 1)",
    )
    parser.add_argument(
        "--minutes", metavar="M", type=float, default=2.5,
        help="time that it keeps to: figures that no time is left for are left out and named (default: 2.5)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Answer:
    """Measure and write; the answer is the figures."""
    from codesign import cache
    from codesign.calibration import hardwarefile
    from codesign.calibration.calibrate import calibrate
    from codesign.errors import CodesignError, InputError

    if not 0.01 <= options.drive_gib <= 64:
        raise InputError(f"--drive-gib must lie between 0.01 and 64, got {options.drive_gib}")
    if not 0.2 <= options.minutes <= 60:
        raise InputError(f"--minutes must lie between 0.2 and 60, got {options.minutes}")
    folder = options.scratch or cache.folder("scratch")
    measured = calibrate(folder, int(options.drive_gib * 2**30), minutes=options.minutes)
    cache.write_atomically(options.out, lambda path: _write(path, hardwarefile.text(measured)))
    if options.gpu is not None:
        if measured.gpu is None:
            raise CodesignError("--gpu: there is no CUDA device here, or it was not steady; leave --gpu out")
        text = hardwarefile.gpu_text(measured.gpu)
        cache.write_atomically(options.gpu, lambda path: _write(path, text))
    document = _document(measured, options.out)
    return Answer(document, lambda: _text(document))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _document(measured: Any, out: Path) -> dict[str, Any]:
    """The main figures; the file has all of them with their sources."""
    device, memory, drive = measured.device, measured.memory, measured.drive
    return {
        "file": str(out),
        "peak_flops": device.peak_flops,
        "memory_bandwidth_bytes_per_s": device.memory_bandwidth,
        "dram_latency_s": memory and memory.latency_s,
        "dram_rows_per_s": memory and memory.rows_per_s(),
        "ssd_latency_s": drive and drive.single.seconds,
        "ssd_reads_per_s": drive and drive.reads_per_s,
        "ssd_depth": drive and drive.depth,
        "ssd_direct": drive and drive.direct,
        "idle_w": measured.idle_w,
        "gpu": measured.gpu and measured.gpu.name,
        "fit_error": {kind: fit.error for kind, fit in device.constants.items()},
        "load_per_core": measured.load,
        "seconds": measured.seconds,
        "left_out": list(measured.left_out),
    }


def _text(d: dict[str, Any]) -> str:
    def shown(value: Any, factor: float, unit: str) -> str:
        return "not steady, left out" if value is None else f"{number(value * factor)} {unit}"

    return (
        f"processor   {shown(d['peak_flops'], 1e-9, 'GFLOP/s')} bf16 a core, "
        f"{shown(d['memory_bandwidth_bytes_per_s'], 1e-9, 'GB/s')} in order\n"
        f"memory      {shown(d['dram_latency_s'], 1e9, 'ns')}, "
        f"{shown(d['dram_rows_per_s'], 1e-6, 'M rows/s')} of 64 B\n"
        f"drive       {shown(d['ssd_latency_s'], 1e6, 'us')}, {shown(d['ssd_reads_per_s'], 1e-3, 'k reads/s')} of 4 KiB"
        f"{'' if d['ssd_direct'] in (None, True) else ' (page cache: no direct reads here)'}\n"
        f"power       {'no counters to read' if d['idle_w'] is None else shown(d['idle_w'], 1, 'W at rest')}\n"
        f"GPU         {d['gpu'] or 'none'}\n"
        f"{''.join(f'left out    {line}{chr(10)}' for line in d['left_out'])}"
        f"written to {d['file']} in {d['seconds']:.0f} s; kernels are fitted within "
        f"{max(d['fit_error'].values()):.0%} at worst, with {d['load_per_core']:.1f} processes per core about"
    )
