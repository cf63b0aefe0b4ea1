"""What was measured as a hardware file of the catalogue's form (cost_models/catalogue/userfile.py)."""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from codesign.calibration.device import Device
from codesign.calibration.drive import Drive
from codesign.calibration.gpu import Gpu
from codesign.calibration.memory import Memory
from codesign.calibration.serving import Serving
from codesign.calibration.timing import Sample


@dataclass(frozen=True)
class Measured:
    """Everything of one run; None: not there, or not steady. load: processes that wanted to run per core.

    seconds: what it took. left_out: figures that are missing, each with its reason.
    """

    device: Device
    memory: Memory | None
    drive: Drive | None
    serving: Serving
    gpu: Gpu | None
    idle_w: float | None
    load: float
    date: str
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()


def text(measured: Measured) -> str:
    """The YAML of the file."""
    m, cores = measured, os.cpu_count() or 1
    lines = [
        f"# {processor()}, {cores} cores, {platform.system()} {platform.release()}",
        f"# Written by `codesign calibrate` on {m.date} in {m.seconds:.0f} s, beside {m.load:.1f} processes per core.",
        *(f"# Left out: {line}" for line in m.left_out),
        "# One core computes; others read the drive. Prices, and what is missing here, come from `based_on` or rules.",
        "accelerator:",
        f"  name: {json.dumps(processor() + ', one core')}",
        *_accelerator(m),
        "memory:",
        *(_dram(m.memory) if m.memory else []),
        *(_ssd(m.drive) if m.drive else []),
        "efficiency:",
        *_efficiency(m),
        "serving:",
        *_serving(m),
        _figure("expected_error", _error(m.device), "ratio", "mean error of the kernels' fits", indent=0),
    ]
    if m.gpu:
        lines += [f"# {m.gpu.name} beside it: a file of its own, `codesign calibrate --gpu FILE`"]
    return "\n".join(lines) + "\n"


def gpu_text(gpu: Gpu) -> str:
    """The YAML of a CUDA device; what is not measured follows the rules of the catalogue."""
    lines = [
        "accelerator:", f"  name: {json.dumps(gpu.name)}", "  kind: gpu", "  memory_type: hbm3",
        _figure("peak_bf16", gpu.peak_flops, "FLOP/s", "product of two 8192 x 8192 matrices, as reached"),
        _figure("memory", gpu.memory_bytes, "B", "as the driver reports"),
        _figure("memory_bandwidth", gpu.memory_bandwidth, "B/s", "a copy, both directions counted"),
        _figure("host_link_copy", gpu.host_to_device, "B/s", "copy engine from pinned memory"),
    ]  # fmt: skip
    if gpu.zero_copy is not None:
        lines.append(_figure("host_link_zero_copy", gpu.zero_copy, "B/s", "kernel reads rows of 128 B"))
    return "\n".join(lines) + "\n"


def processor() -> str:
    """The processor's own name for itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _accelerator(m: Measured) -> list[str]:
    d, total = m.device, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = [
        "  kind: cpu",
        "  memory_type: ddr5",
        _figure("peak_bf16", d.peak_flops, "FLOP/s", "best matrix product of one core, bf16"),
        _figure("memory", total, "B", "as the system reports"),
        _figure("memory_bandwidth", d.memory_bandwidth, "B/s", "one core reads in order"),
        _figure("memory_channels", 1, "count", "the memory below is what one core sees of all channels"),
    ]
    if m.idle_w is not None:
        lines.append(
            _figure("idle_power", m.idle_w, "W", "energy counters of the packages, while little ran")
        )
    return lines


def _dram(memory: Memory) -> list[str]:
    rates = ", ".join(f"{size} B {_rows(sample):.3g}" for size, sample in memory.rate.items())
    huge = ", ".join(f"{size} B {_rows(sample):.3g}" for size, sample in memory.huge.items())
    cores = ", ".join(f"{count}: {rate:.3g}" for count, rate in memory.cores.items())
    note = (
        f"rows/s by size: {rates}; with huge pages: {huge or 'not to be had'}; 128 B by cores (wall): {cores}"
    )
    return [
        "  dram:",
        "    based_on: ddr5-rdimm",
        _figure("latency", memory.latency_s, "s", "dependent reads over 64 MiB", indent=4),
        _figure("bandwidth", memory.bandwidth(), "B/s", "random rows of 4 KiB, one core", indent=4),
        _figure("random_efficiency", 1, "fraction", "the bandwidth above is of random rows", indent=4),
        _figure("reads_per_s", memory.rows_per_s(), "IOPS", note, indent=4),
    ]


def _ssd(drive: Drive) -> list[str]:
    depths = ", ".join(f"{depth}: {512 / s.seconds:.3g}" for depth, s in drive.at_depth.items())
    how = "direct reads" if drive.direct else "no direct reads here: the page cache answered"
    note = f"{how} of 4 KiB in a file of {drive.file_bytes / 2**30:.1f} GiB; per s by depth: {depths}"
    return [
        "  ssd:",
        "    based_on: nvme-tlc-gen5",
        _figure("latency", drive.single.seconds, "s", f"one read, {how}{_spread(drive.single)}", indent=4),
        _figure("bandwidth", drive.bandwidth, "B/s", "4 MiB at a time, in order", indent=4),
        _figure("random_efficiency", 1, "fraction", "the rate of reads bounds random pages", indent=4),
        _figure("reads_per_s", drive.reads_per_s, "IOPS", note, indent=4),
        _figure("page", 4096, "B", "what is read at once", indent=4),
    ]


def _efficiency(m: Measured) -> list[str]:
    lines = []
    copies = {"gemm_bf16": ("gemm_fp8", "gemm_fp4"), "experts_bf16": ("experts_fp8", "experts_fp4")}
    for kind, fit in m.device.constants.items():
        for name in (kind, *copies.get(kind, ())):
            how = f"fit of {fit.rows} kernels, mean error {fit.error:.1%}"
            how = how if name == kind else f"as {kind}: narrow types compute at its rate"
            lines.append(f"  {name}:")
            lines += [
                _figure(key, value, "s" if key.endswith("_s") else "ratio", how, indent=4)
                for key, value in fit.values.items()
            ]
    addressing = m.serving.addressing.seconds
    lines += ["  host:", _figure("step_s", addressing, "s", "from token ids to rows, one step", indent=4)]
    return [*lines, _figure("gap_s", 0.0, "s", "part of each kernel's own time", indent=4)]


def _serving(m: Measured) -> list[str]:
    s = m.serving
    lines = [
        _figure("kernel_launch", s.gather_call.seconds, "s", "a gather of one row"),
        _figure("copy_launch", 0.0, "s", "rows need not be copied to the processor"),
        _figure("synchronous_queue_depth", 1, "reads", "one thread waits for its own reads"),
    ]
    if s.handing_over is not None:
        lines.append(
            _figure("host_step", s.handing_over.seconds, "s", "rows of one step from pages to a tensor")
        )
    if m.drive is not None:
        lines.append(
            _figure("io_queue_depth", m.drive.depth, "reads", "least depth within 5 % of the best rate")
        )
    if m.memory is not None:
        lines.append(_figure("host_gather_rate", m.memory.rows_per_s(), "1/s", "rows of 64 B, one core"))
    return lines


def _error(device: Device) -> float:
    errors = [fit.error for fit in device.constants.values()]
    return sum(errors) / len(errors)


def _rows(sample: Sample) -> float:
    return 4096 / sample.seconds


def _spread(sample: Sample) -> str:
    return f", windows within {sample.spread:.1%}"


def _figure(key: str, value: float, unit: str, source: str, indent: int = 2) -> str:
    fields = f"value: {float(value):.5g}, unit: {unit}, source: {json.dumps(source)}, confidence: measured"
    return f"{' ' * indent}{key}: {{{fields}}}"
