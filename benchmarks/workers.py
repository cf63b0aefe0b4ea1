"""Two workers on two cores: how much sooner does a search end than with one?

    python -m benchmarks.workers            # prints and keeps benchmarks/workers.json

Both searches train the same number of models by `search_recipe.yaml`, each with an empty store of its own, in a space
without two models of one proxy (in `demo` some trainings are found in the store, so that searches do not compare). Wall
time says what the user waits, if the machine is quiet; so the seconds that other programs took from the cores
while each search ran are measured too (/proc/stat), and beside it stands the CPU time of all workers: what
two of them spend more than one is what parallel work costs, whatever else runs.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import search_spaces
from benchmarks.search_table import SPACE
from codesign import results, search

OUT = Path(__file__).with_suffix(".json")


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    runs = {str(workers): measured(workers, options.trials) for workers in (1, 2)}
    one, two = runs["1"], runs["2"]
    document = {
        "cores": os.cpu_count(),
        "runs": runs,
        "speedup_wall": one["wall_s"] / two["wall_s"],
        # as if each worker had had a core of its own
        "speedup_by_cpu": 2 * one["cpu_s"] / two["cpu_s"],
    }
    OUT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


def measured(workers: int, trials: int) -> dict[str, Any]:
    """Wall and CPU seconds of a search with its own store, and what other programs took meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/a.db"
        started, others, own = time.monotonic(), _busy(), _own()
        space = search_spaces.load(SPACE)
        search.run(space, "s", url, trials=trials, workers=workers, store=f"{folder}/store", progress=False)
        wall, cpu = time.monotonic() - started, _own() - own
        table = results.Reader("s", url).read().table
        designs = results.Reader("s", url).read()
        trained = [int(t) for t in table["trial"][table["trained"]]]
        training = sum(designs.trial(t).user_attrs["quality"]["seconds"] for t in trained)
        return {
            "workers": workers,
            "trainings": len(trained),
            "wall_s": wall,
            "cpu_s": cpu,
            "training_wall_s": training,
            "cores_taken_by_others": max(0.0, (_busy() - others - cpu) / wall),
        }


def _own() -> float:
    """CPU seconds of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _busy() -> float:
    """Seconds that all cores have worked since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
