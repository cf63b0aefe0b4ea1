"""One annealed training of one proxy, and its held-out loss."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from codesign.errors import TrainingError
from codesign.proxy.batches import Split, Windows
from codesign.proxy.checkpoint import Checkpoint
from codesign.proxy.config import ProxyConfig
from codesign.proxy.device import Device, threads
from codesign.proxy.engram import Addresses
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.learner import Learner, nats
from codesign.proxy.transformer import Transformer, initialise
from codesign.tokenizer import Tokens

Progress = Callable[[int, int, float], None]  # step, steps, training loss in nats per token

_LEARNT_NOTHING_AT = 0.15  # of the steps: by then the loss must be below the unigram entropy
_BEHIND_AT = 0.5
_CURVE_POINTS = 50


@dataclass(frozen=True)
class Run:
    """What a training left: losses, times, and the model.

    curve: (step, smoothed training loss in nats per token). block_nats, block_bytes: (windows,) sums over
    each held-out window. reason: why it was stopped early, or "".
    """

    curve: tuple[tuple[int, float], ...]
    block_nats: NDArray[np.float64]
    block_bytes: NDArray[np.float64]
    seconds: float
    cpu_seconds: float
    reason: str
    model: Transformer

    @property
    def bits_per_byte(self) -> float:
        """Held-out loss over all windows."""
        return float(self.block_nats.sum() / self.block_bytes.sum() / math.log(2))


def train(
    config: ProxyConfig,
    fidelity: Fidelity,
    tokens: Tokens,
    split: Split,
    seed: int,
    device: Device,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Run:
    """Train `config` as `fidelity` says and measure it on held-out windows.

    The run is a function of its arguments, this machine's kind and the torch version: one thread, streams
    keyed by seed and tensor name, data order by seed. checkpoint: where the state is kept now and
    then, and gone on from, with the same result. Raises TrainingError for too little text.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    with threads(fidelity.threads):
        addresses = Addresses(config, tokens.canonical, tokens.canonical_vocab)
        windows = Windows(split.train, split.train_positions, fidelity.sequence, addresses)
        held_out = Windows(split.held_out, split.held_out_positions, fidelity.sequence, addresses)
        if held_out.count == 0:
            raise TrainingError(
                f"the text has no {fidelity.sequence} held-out tokens to validate on; give a longer text"
            )
        learner = Learner(config, fidelity, device)
        model = learner.model
        initialise(model, seed)
        frequency = token_frequency(split.train, config.vocab)
        model.log_frequency.copy_(torch.from_numpy(np.log(frequency)))
        entropy = float(-(frequency * np.log(frequency)).sum())
        curve, reason = _optimise(learner, fidelity, windows, seed, entropy, progress, checkpoint)
        if reason:
            losses, sizes = _unigram_blocks(held_out, fidelity, split, tokens)
        else:
            losses, sizes = evaluate(model, held_out, fidelity, tokens, device)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Run(curve, losses, sizes, seconds, cpu_seconds, reason, model)


def _optimise(
    learner: Learner,
    fidelity: Fidelity,
    windows: Windows,
    seed: int,
    entropy: float,
    progress: Progress | None,
    checkpoint: Checkpoint | None,
) -> tuple[tuple[tuple[int, float], ...], str]:
    """All steps, or those until there is a reason to stop: (curve, reason)."""
    model, optimizer = learner.model, learner.optimizer
    base = [group["lr"] for group in optimizer.param_groups]
    steps, curve = fidelity.steps, []
    recent: deque[float] = deque(maxlen=max(3, steps // 25))
    model.train()
    done = 0
    if checkpoint and (state := checkpoint.read()):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, curve = state["done"], [tuple(point) for point in state["curve"]]
        recent.extend(state["recent"])
    for step, batch in enumerate(windows.epoch(fidelity.batch, steps, seed, done), done):
        factor = learning_rate_factor(step, steps, fidelity.warmup)
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor
        recent.append(learner.step(batch))
        level = sum(recent) / len(recent)
        if (step + 1) % max(1, steps // _CURVE_POINTS) == 0 or step + 1 == steps:
            curve.append((step + 1, round(level, 5)))
            if progress is not None:
                progress(step + 1, steps, level)
        reason = stop_reason(step + 1, fidelity, level, entropy)
        if reason:
            return tuple(curve), reason
        if checkpoint and checkpoint.due():
            checkpoint.write(
                {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": step + 1,
                 "curve": curve, "recent": list(recent)}
            )  # fmt: skip
    return tuple(curve), ""


def stop_reason(step: int, fidelity: Fidelity, level: float, entropy: float) -> str:
    """Why a training is stopped after `step` steps at a smoothed loss of `level` nats per token, or ""."""
    if not math.isfinite(level):
        return f"the loss was not finite at step {step}"
    if step == math.ceil(_LEARNT_NOTHING_AT * fidelity.steps) and level > entropy:
        return f"loss {level:.2f} above the unigram entropy {entropy:.2f} at step {step}"
    if step == math.ceil(_BEHIND_AT * fidelity.steps) and level > entropy - fidelity.must_learn:
        return (
            f"loss {level:.2f} at half of the steps, not {fidelity.must_learn} below the unigram "
            f"entropy {entropy:.2f}"
        )
    return ""


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Linear rise over the first `warmup` of the steps, then linear fall to zero after the last one."""
    rise = max(1, round(warmup * steps))
    return (step + 1) / rise if step < rise else (steps - step) / (steps - rise)


@torch.no_grad()
def evaluate(
    model: Transformer, held_out: Windows, fidelity: Fidelity, tokens: Tokens, device: Device
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nats and bytes of every held-out window: two (windows,) arrays, the same windows for every model."""
    model.eval()
    losses, sizes = [], []
    numbers = held_out.spread(fidelity.validation_sequences)
    for start in range(0, len(numbers), fidelity.batch):
        for batch in held_out.batch(numbers[start : start + fidelity.batch]).split(fidelity.micro_batch):
            losses.append(nats(model, batch, device).double().sum(1).cpu().numpy())
            sizes.append(tokens.token_bytes[batch.targets.numpy()].sum(1))
    return np.concatenate(losses), np.concatenate(sizes).astype(np.float64)


def token_frequency(ids: NDArray[np.integer], vocab: int) -> NDArray[np.float64]:
    """How often each token occurs, as (vocab,) probabilities; none is zero."""
    counts = np.bincount(ids, minlength=vocab) + 1.0
    return counts / counts.sum()


def _unigram_blocks(
    held_out: Windows, fidelity: Fidelity, split: Split, tokens: Tokens
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    costs = -np.log(token_frequency(split.train, tokens.vocab))
    targets = held_out.batch(held_out.spread(fidelity.validation_sequences)).targets.numpy()
    return costs[targets].sum(1), tokens.token_bytes[targets].sum(1).astype(np.float64)
