"""How many whole designs are evaluated per CPU-second on one core: as arrays, and one at a time.

    python -m benchmarks.evaluations [--designs 1000000] [--json FILE] [--peers PYTHON]

Whole means everything `codesign evaluate` prints: memory, lookups, latency, energy, cost, carbon. Arrays are
serving and system choices of one model in random order, the worst case for the reuse of equal columns.
A what-if costs a study of a finished model again at other prices, front included.
"""

import argparse
import json
import os
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core, before NumPy starts its threads

import numpy as np
import pandas as pd

import cost_models
import search_spaces
from codesign import results
from cost_models import Catalogue, Design, Host, Model, Serving, System, TablePlacement, latency

GOALS = {"arrays": 1_000_000, "one at a time": 2_000}
MODELS = ("llama-3.1-8b", "qwen3-30b-a3b", "engram-27b", "deepseek-v4.1-flash")
_REPEATS = 3
_SINGLES = 200
_TRIALS = 3_000  # of the study that is costed again, which may take _WHAT_IF_S
_WHAT_IF_S = 1.0


def choices(model: Model, designs: int, seed: int = 0) -> Design:
    """Random systems and ways of serving of one model as arrays of shape (designs,)."""
    pick = np.random.default_rng(seed).choice
    accelerators = pick([8, 16, 32], designs)
    system = System(
        accelerator=pick(np.array(["h100-sxm", "h200-sxm", "b200-sxm", "mi300x"]), designs),
        accelerators=accelerators,
        nodes=accelerators // 8,
        host=Host(
            dram_bytes=pick([1, 2, 4], designs) * 2.0**40,
            ssd_bytes=2.0**42,
            ssd_drives=pick([1, 2, 4], designs),
        ),
    )
    serving = Serving(
        tensor_parallel=pick([1, 2, 4, 8], designs),
        concurrency=pick([1, 2, 4, 8, 16, 32, 64, 128, 256], designs),
        input_tokens=pick([512, 1024, 2048, 4096, 8192], designs),
        output_tokens=pick([128, 256, 512], designs),
        tables=TablePlacement(
            tier=pick(np.array(["hbm", "dram", "ssd"]), designs), prefetch=pick([True, False], designs)
        ),
    )
    return Design(model, system, serving)


def per_second(work: Callable[[], Any], evaluations: int) -> float:
    """Evaluations per second of CPU time, the best of a few runs."""
    work()
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return evaluations / best


def single(model: Model, catalogue: Catalogue, count: int = _SINGLES) -> Callable[[], None]:
    """Evaluate different designs of a model one after the other."""
    designs = [
        Design(model, System(accelerator="h100-sxm"), Serving(concurrency=i + 1)) for i in range(count)
    ]

    def work() -> None:
        for design in designs:
            cost_models.evaluate(design, catalogue)

    return work


def measure(model: Model, catalogue: Catalogue, designs: int) -> list[dict[str, Any]]:
    """The rows of one model: {model, what, per_cpu_s}."""
    design = choices(model, designs)
    parts = catalogue.parts(design.system)
    works: dict[str, tuple[Callable[[], Any], int]] = {
        "arrays": (lambda: cost_models.evaluate(design, catalogue), designs),
        "latency alone, arrays": (
            lambda: latency.estimate(latency.steps(model, design.serving, parts)),
            designs,
        ),
        "one at a time": (single(model, catalogue), _SINGLES),
    }
    return [
        {"model": model.name, "what": what, "per_cpu_s": per_second(work, count)}
        for what, (work, count) in works.items()
    ]


def finished_study(trials: int = _TRIALS, seed: int = 0) -> results.Designs:
    """A study of DeepSeek-V4.1-Flash with so many different trials, as its reader gives it."""
    space = search_spaces.load("deepseek-v4.1-flash")
    params, design = space.hardware(space.model({}))
    count = len(cost_models.evaluate(design))
    chosen = np.random.default_rng(seed).choice(count, trials, replace=False)
    table = pd.DataFrame({name: np.asarray(values)[chosen] for name, values in params.items()})
    table = table.assign(
        trial=np.arange(trials), state="COMPLETE", standard_error=np.nan, trained=False, model=0
    )
    return results.Designs("made", "", space, table, {}, ())


def what_if_s(designs: results.Designs) -> float:
    """CPU seconds of costing a study again at prices that it has not seen, the best of a few."""
    taken = []
    for repeat in range(_REPEATS + 1):
        catalogue = cost_models.load_catalogue(overrides={"memory.dram.usd_per_gb": 20.0 + repeat})
        start = time.process_time()
        results.recosted(designs, catalogue)
        taken.append(time.process_time() - start)
    return min(taken[1:])  # the first one warms the caches of the model


def measure_peers(python: str) -> dict[str, float | str]:
    """Designs per CPU-second of other tools, in their own environment."""
    script = Path(__file__).with_name("peers.py")
    run = subprocess.run([python, str(script)], capture_output=True, text=True, check=True, timeout=600)
    table: dict[str, float | str] = json.loads(run.stdout.strip().splitlines()[-1])
    return table


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--designs", type=int, default=1_000_000, help="designs of an array (default: a million)"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    parser.add_argument(
        "--peers", metavar="PYTHON", help="interpreter of an environment with the tools of peers.py"
    )
    arguments = parser.parse_args()
    catalogue = cost_models.load_catalogue()
    rows = [
        row for name in MODELS for row in measure(cost_models.read_model(name), catalogue, arguments.designs)
    ]
    print(f"{'model':16} {'what':24} {'per CPU-second':>16} {'goal':>12}")
    for row in rows:
        goal = GOALS.get(str(row["what"]))
        print(f"{row['model']:16} {row['what']:24} {row['per_cpu_s']:16,.0f} {goal or '':>12}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    what_if = what_if_s(finished_study())
    print(
        f"{_TRIALS:,} trials of a finished model at other prices: {what_if:.2f} CPU-seconds (goal {_WHAT_IF_S:g})"
    )
    peers = measure_peers(arguments.peers) if arguments.peers else {}
    for name, figure in peers.items():
        shown = f"{figure:16,.1f}" if isinstance(figure, float) else f"  {figure}"
        print(f"{name:41} {shown}")
    print(f"most memory in use: {memory / 2**30:.2f} GiB for {arguments.designs:,} designs")
    if arguments.json:
        what_ifs = {"trials": _TRIALS, "cpu_s": what_if}
        table = {
            "rows": rows,
            "what_if": what_ifs,
            "peers": peers,
            "designs": arguments.designs,
            "memory_bytes": memory,
        }
        Path(arguments.json).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
