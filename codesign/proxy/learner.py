"""A proxy that learns: its loss, its optimizer and one step, on the device and in the pieces that a recipe says."""

import ctypes
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from codesign.proxy.batches import Batch
from codesign.proxy.config import ProxyConfig
from codesign.proxy.device import Device
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.transformer import Transformer

Logits = Callable[[Tensor, list[Tensor]], Tensor]  # ids, rows -> (sequences, tokens, vocab)

_ALIGNED = 8  # values; grouped_mm wants rows of whole 16 bytes, which bf16 experts of other widths have not
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of glibc


class Learner:
    """A new model for a recipe on a device, and what a step of it needs."""

    def __init__(self, config: ProxyConfig, fidelity: Fidelity, device: Device) -> None:
        kernel = device.experts
        if device.dtype is torch.bfloat16 and config.expert_width % _ALIGNED:
            kernel = "loop"
        self.device, self.micro_batch = device, fidelity.micro_batch
        self.model = Transformer(config, fidelity.balance_rate, kernel).to(device.type)
        self._parameters = list(self.model.parameters())
        self.optimizer = optimizer_for(self.model, fidelity, device)
        self._logits: Logits = torch.compile(self.model) if device.compiled else self.model
        keep_freed_memory()

    def step(self, batch: Batch) -> float:
        """Learn from one batch; returns its loss in nats per token before the step."""
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in batch.split(self.micro_batch):
            loss = nats(self._logits, part, self.device).mean() * (len(part.ids) / len(batch.ids))
            loss.backward()
            total += loss.item()
        clip(self._parameters)
        self.optimizer.step()
        self.model.rebalance()
        return total


def clip(parameters: Sequence[Tensor]) -> None:
    """Bring gradients of a total norm above 1 down to 1.

    As `torch.nn.utils.clip_grad_norm_`, which multiplies by 1 where the norm is less: a pass over all gradients
    that most steps do without.
    """
    norm = get_total_norm([each.grad for each in parameters if each.grad is not None])
    if not norm + 1e-6 <= 1:  # that is how torch divides; and what is not a number goes on as it does there
        clip_grads_with_norm_(parameters, 1.0, norm)


def nats(logits: Logits, batch: Batch, device: Device) -> Tensor:
    """Nats of every target: (sequences, tokens)."""
    ids, targets = batch.ids.to(device.type), batch.targets.to(device.type)
    with _precision(device):
        predicted = logits(ids, [rows.to(device.type) for rows in batch.rows])
    flat = functional.cross_entropy(predicted.flatten(0, 1).float(), targets.flatten(), reduction="none")
    return flat.view_as(targets)


def _precision(device: Device) -> AbstractContextManager[object]:
    return nullcontext() if device.dtype is torch.float32 else torch.autocast(device.type, dtype=device.dtype)


def optimizer_for(model: Transformer, fidelity: Fidelity, device: Device) -> torch.optim.Optimizer:
    """AdamW over matrices, over what has no weight decay, and over tables."""
    rate, groups = fidelity.learning_rate, {"matrix": [], "plain": [], "table": []}  # type: ignore[var-annotated]
    for name, tensor in model.named_parameters():
        part = name.rsplit(".", 1)[-1]
        matrix = tensor.ndim >= 2 and part not in ("embedding", "conv", "read", "write", "mix")
        matrix = matrix and not part.endswith("norm")
        groups["table" if part == "table" else "matrix" if matrix else "plain"].append(tensor)
    return torch.optim.AdamW(
        [
            {"params": groups["matrix"], "lr": rate, "weight_decay": fidelity.weight_decay},
            {"params": groups["plain"], "lr": rate, "weight_decay": 0.0},
            # arXiv 2601.07372: tables at five times the learning rate, without weight decay
            {"params": groups["table"], "lr": rate * fidelity.table_learning_rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.95),
        fused=device.type in ("cpu", "cuda"),
    )


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next step.

    glibc gives blocks of some MB back to the kernel, and a step of fidelity `demo` then pays up to 2,000 page
    faults for them. Other C libraries have no such switch.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        mallopt(_M_TOP_PAD, 16 << 20)
