"""Which device and number type a training runs on, with the reason of the choice."""

from dataclasses import dataclass

import torch

from cost_models.errors import InputError


@dataclass(frozen=True)
class Device:
    """type: "cpu", "cuda" or "mps"; dtype: of the matrix products (weights stay fp32); reason: for people."""

    type: str
    dtype: torch.dtype
    reason: str


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose(device: str, dtype: str) -> Device:
    """Resolve "auto". Raises InputError for a device that is not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device not in (*available, "auto"):
        raise InputError(f"device must be auto, {', '.join(available)}, got {device!r}")
    if device == "auto":
        device = next(name for name, there in available.items() if there)
        reason = f"{device}: the first of {', '.join(available)} that is here"
    elif not available[device]:
        raise InputError(f"device {device} is not available on this machine; use device: auto")
    else:
        reason = f"{device}: asked for"
    if dtype not in (*_DTYPES, "auto"):
        raise InputError(f"dtype must be auto, {', '.join(_DTYPES)}, got {dtype!r}")
    if dtype == "auto":
        fast = device == "cuda" and torch.cuda.is_bf16_supported()
        dtype = "bf16" if fast else "fp32"
        reason += f"; {dtype}: " + (
            "its tensor cores are several times faster" if fast else "small products gain none"
        )
    return Device(device, _DTYPES[dtype], reason)
