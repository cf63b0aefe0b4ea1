"""Speed of proxy trainings: tokens per CPU-second against the GEMM rate and a dense transformer of equal
FLOPs.

    python benchmarks/training.py [--shapes demo] [--json benchmarks/training.json]

All figures come from one run on one thread, in CPU seconds, medians of interleaved rounds, so a busy machine
shifts them together. A step is forward, backward, clipping and optimizer, in the order of real trainings.
FLOPs are three times the forward ones; the GEMM rate is that of a 1024 x 1024 x 1024 product in fp32. Bars:
MoE + Engram at 75 % or more of the dense model's rate; 40 % or more of the GEMM rate from hidden width 128.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from codesign import tokenizer
from codesign.proxy import batches, device, fidelity
from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.learner import Learner
from codesign.proxy.scale import scale
from codesign.proxy.transformer import initialise
from cost_models.design import Attention, Engram, MixtureOfExperts, Model

WARM_STEPS = 30  # experts are unevenly loaded at first
SHAPES = {"demo": 64, "short": 64, "short at 128": 128, "short at 256": 256}


def engram_27b() -> Model:
    """The shape of Engram-27B (arXiv 2601.07372), with grouped-query attention."""
    moe = MixtureOfExperts(55, 6, 2, 1536, leading_dense_layers=1)
    tables = Engram((1, 14), 3, 8, 80, 2_262_400)
    return Model("engram-27b", 30, 2560, 129280, Attention("gqa", 32, 32, 128), 6912, moe, tables)


def dense_of_equal_flops(config: ProxyConfig) -> ProxyConfig:
    """The same transformer without experts and tables, its feed-forward part as wide as FLOPs allow."""
    bare = replace(
        config, engram=None, experts=(0,) * config.layers, shared_width=(0,) * config.layers,
        dense_width=(0,) * config.layers, branches=1,
    )  # fmt: skip
    missing = config.active_parameters() - bare.active_parameters()
    return replace(bare, dense_width=(round(missing / (3 * config.hidden * config.layers)),) * config.layers)


class Trainer:
    """One model in the middle of its training."""

    def __init__(self, config: ProxyConfig, recipe: Fidelity, tokens: tokenizer.Tokens, steps: int) -> None:
        self.learner = Learner(config, recipe, device.choose("cpu", "fp32"))
        initialise(self.learner.model, 0)
        split = batches.split(tokens)
        addresses = Addresses(config, tokens.canonical, tokens.canonical_vocab)
        windows = batches.Windows(split.train, split.train_positions, recipe.sequence, addresses)
        self.batches = windows.epoch(recipe.batch, WARM_STEPS + steps, 0)
        self.steps(WARM_STEPS)

    def steps(self, count: int) -> float:
        """CPU seconds of one step, as the mean of `count`."""
        started = time.process_time()
        for _ in range(count):
            self.learner.step(next(self.batches))
        return (time.process_time() - started) / count


def gemm_rate() -> float:
    """FLOP/s of one thread in a large fp32 product."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    a @ b
    started = time.process_time()
    for _ in range(8):
        a @ b
    return 8 * 2 * 1024**3 / (time.process_time() - started)


def measure(name: str, hidden: int, rounds: int, steps: int, tokens: tokenizer.Tokens) -> dict[str, Any]:
    """One row of the table: the shape at this width, MoE + Engram and dense in turns."""
    base = fidelity.load(name.split()[0])
    recipe = replace(base, hidden=hidden, head_dim=base.head_dim if hidden < 128 else 32)
    sparse = scale(engram_27b(), recipe, tokens.canonical_vocab)
    dense = dense_of_equal_flops(sparse)
    flops = 3 * sparse.flops_per_token(recipe.sequence / 2)
    size = recipe.batch * recipe.sequence
    one, other = (Trainer(config, recipe, tokens, rounds * steps) for config in (sparse, dense))
    samples = [(one.steps(steps), other.steps(steps), gemm_rate()) for _ in range(rounds)]
    sparse_s, dense_s, gemm = (statistics.median(column) for column in zip(*samples, strict=True))
    return {
        "shape": name,
        "hidden": hidden,
        "forward_flops_per_token": flops / 3,
        "dense_forward_flops_per_token": dense.flops_per_token(recipe.sequence / 2),
        "tokens_per_cpu_s": size / sparse_s,
        "dense_tokens_per_cpu_s": size / dense_s,
        "of_dense": statistics.median(d / s for s, d, _ in samples),
        "gemm_flops_per_s": gemm,
        "of_gemm": statistics.median(flops * size / s / g for s, _, g in samples),
        "dense_of_gemm": statistics.median(flops * size / d / g for _, d, g in samples),
    }


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps of one round")
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokens = tokenizer.encode(None, 2048)
    rows = []
    print("shape           tokens/CPU-s   dense   of dense   of GEMM   dense of GEMM   GEMM GFLOP/s")
    for name in options.shapes:
        row = measure(name, SHAPES[name], options.rounds, options.steps, tokens)
        rows.append(row)
        print(
            f"{name:14}  {row['tokens_per_cpu_s']:12,.0f} {row['dense_tokens_per_cpu_s']:7,.0f} "
            f"{row['of_dense']:10.2f} {row['of_gemm']:9.2f} {row['dense_of_gemm']:15.2f} "
            f"{row['gemm_flops_per_s'] / 1e9:14.0f}",
            flush=True,
        )
    options.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
