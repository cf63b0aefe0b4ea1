"""Which device, number type and kernels a training runs with, and the reason of each choice.

Expert products on CUDA: `grouped_mm` needs compute capability 8.0 and bf16; from 9.0 on it is one kernel, before
that a loop inside torch (pytorch/pytorch pull requests 161407 and 161717). Its shape rules, which compiling
applies, know bf16 alone.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from codesign.proxy import moe
from cost_models.errors import InputError

_COMPILE_FROM_STEPS = (
    1000  # an estimate: compiling takes a minute or two, a step on a GPU about a tenth of a second
)
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Device:
    """Where and how the products are computed.

    type: "cpu", "cuda" or "mps". dtype: of the matrix products (weights stay fp32). experts: kernel of
    `moe.KERNELS`. compiled: whether torch.compile is used. reason: for people.
    """

    type: str
    dtype: torch.dtype
    experts: str
    compiled: bool
    reason: str


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch on so many threads.

    Another number adds in another order: the last digits differ at once, and after some steps the whole training.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose(device: str, dtype: str, experts: str = "auto", compiled: str = "auto", steps: int = 0) -> Device:
    """Resolve what is "auto". Raises InputError for a device that is not there or a word that is not known.

    compiled: "auto", "yes" or "no". steps: of the training; compiling must be earned back.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    _known("device", device, tuple(available))
    _known("dtype", dtype, tuple(_DTYPES))
    _known("expert_kernel", experts, tuple(moe.KERNELS))
    _known("compile", compiled, ("yes", "no"))
    if device != "auto" and not available[device]:
        raise InputError(f"device {device} is not available on this machine; use device: auto")
    reasons = []
    if device == "auto":
        device = next(name for name, there in available.items() if there)
        reasons.append(f"auto-detected: {device}{_gpu_name(device)}")
    else:
        reasons.append(f"{device}{_gpu_name(device)}: asked for")
    if dtype == "auto":
        dtype, why = _dtype(device)
        reasons.append(f"{dtype}: {why}")
    if experts == "auto":
        experts, why = _experts(device, dtype)
        reasons.append(f"experts {experts}: {why}")
    if compiled == "auto":
        compiled, why = _compiled(device, dtype, experts, steps)
        reasons.append(f"compiled {compiled}: {why}")
    return Device(device, _DTYPES[dtype], experts, compiled == "yes", "; ".join(reasons))


def _known(field: str, value: str, words: tuple[str, ...]) -> None:
    if value not in ("auto", *words):
        raise InputError(f"{field} must be auto, {', '.join(words)}, got {value!r}")


def _gpu_name(device: str) -> str:
    if device != "cuda":
        return ""
    major, minor = torch.cuda.get_device_capability()
    return f" ({torch.cuda.get_device_name()}, SM {major}.{minor})"


def _dtype(device: str) -> tuple[str, str]:
    if device != "cuda":
        return "fp32", "small products gain nothing from less"
    if torch.cuda.get_device_capability() < (8, 0):
        return "fp32", "bf16 needs SM 8.0"
    return "bf16", "its tensor cores are several times faster"


def _experts(device: str, dtype: str) -> tuple[str, str]:
    if moe.choose_kernel("auto") == "loop":
        return "loop", "this torch has no grouped_mm"
    if device == "cpu":
        return "grouped", "fastest at every width measured"
    if device == "cuda" and torch.cuda.get_device_capability() >= (8, 0) and dtype == "bf16":
        return "grouped", "no padding and, from SM 9.0, one kernel"
    return "loop", "grouped_mm there needs CUDA, SM 8.0 and bf16"


def _compiled(device: str, dtype: str, experts: str, steps: int) -> tuple[str, str]:
    if device != "cuda":
        return "no", "compiling takes longer than it saves"
    if importlib.util.find_spec("triton") is None:
        return "no", "triton is not installed"
    if dtype != "bf16" or experts != "grouped":
        return "no", "only bf16 with grouped experts compiles whole"
    if steps < _COMPILE_FROM_STEPS:
        return "no", f"under {_COMPILE_FROM_STEPS} steps do not earn it back"
    return "yes", f"{steps:,} steps earn it back"
