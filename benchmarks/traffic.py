"""Traffic profiles against exact replay: error, speed and memory.

    python -m benchmarks.traffic                 speed, and error on every corpus; three CPU minutes
    python -m benchmarks.traffic code            speed, and error on one corpus
    python -m benchmarks.traffic stream FILE     a long text: peak memory and time

Prints tables and writes benchmarks/traffic.json. Speeds are per CPU second of one core.
"""

import functools
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from codesign.traffic.check import compare
from codesign.traffic.measure import profile
from codesign.traffic.replay import stack_distances
from codesign.traffic.reuse import reuse_times, survival
from codesign.traffic.rows import head_rows
from codesign.traffic.source import Source, read
from codesign.traffic.stream import Stream, join, ngram_keys
from cost_models.design import Engram
from cost_models.traffic import Profile

CORPORA: dict[str, list[str]] = {
    "text": ["bundled"],
    "code": ["stdlib"],
    "text and code": ["bundled", "stdlib"],
}
ROWS = (10**5, 10**6, 10**7, 10**8)
SEQUENCES = (1, 16, 256)
HELD_OUT = 0.3
RESULTS = Path(__file__).with_suffix(".json")


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def split(name: str) -> tuple[Stream, Stream]:
    """Past and new documents of a corpus, of each of its texts the same share, in random order."""
    parts = [read([text]).stream.held_out(HELD_OUT) for text in CORPORA[name]]
    past, new = (functools.reduce(join, streams) for streams in zip(*parts, strict=True))
    random = np.random.default_rng(0)
    return past.part(random.permutation(past.requests)), new.part(random.permutation(new.requests))


def accuracy(names: list[str]) -> list[dict[str, Any]]:
    """Predicted against replayed miss ratios of unseen documents; the profile has seen only the others."""
    found = []
    for name in names:
        past, new = split(name)
        measured = profile(past, (2, 3), SEQUENCES)
        for rows in ROWS:
            for sequences in SEQUENCES:
                error = np.abs(compare(measured, past, new, rows, sequences).error)
                found.append(
                    {
                        "corpus": name, "profile_tokens": past.tokens, "held_out_tokens": new.tokens,
                        "rows": rows, "sequences": sequences,
                        "mean": round(float(error.mean()), 4), "worst": round(float(error.max()), 4),
                    }
                )  # fmt: skip
                print(*found[-1].values(), sep="\t", flush=True)
    return found


def speed(source: Source) -> dict[str, float]:
    """Rates of the parts, and the time of one query."""
    stream = source.stream
    engram = Engram((1,), 3, 8, 80, 2_262_400)
    _, keys = next(ngram_keys(stream, (3,)))
    positions = np.arange(stream.tokens)
    times = reuse_times(keys, positions)
    shipped = Profile.load("bundled-text")
    tables = [(2, 2.26e6, 16), (3, 2.26e6, 16)]
    capacities = np.geomspace(1e3, 1e7, 500)
    rows = cpu_seconds(
        lambda: [head_rows(stream, engram, 0, head, source.canonical_vocab) for head in range(8)]
    )
    reuse = cpu_seconds(lambda: reuse_times(keys, positions))
    curve = cpu_seconds(lambda: survival(*times, stream.tokens))
    replay = cpu_seconds(lambda: stack_distances(keys))
    query = cpu_seconds(lambda: [shipped.miss_ratio(tables, float(c), 100) for c in capacities])
    return {
        "row_ids_per_s": stream.tokens * 16 / rows,
        "curve_reads_per_s": stream.tokens / (reuse + curve),
        "exact_replay_reads_per_s": stream.tokens / replay,
        "query_ms": 1e3 * query / capacities.size,
    }


def long_text(path: str) -> dict[str, float]:
    """A text of any size: what one pass costs."""
    start = time.perf_counter(), time.process_time()
    source = read([path], progress=lambda line: print(line, file=sys.stderr))
    profile(source.stream)
    return {
        "bytes": Path(path).stat().st_size, "tokens": source.stream.tokens, "share": source.share,
        "wall_s": time.perf_counter() - start[0], "cpu_s": time.process_time() - start[1],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    """Run and record."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments[:1] == ["stream"]:
        results["long_text"] = long_text(arguments[1])
        print(results["long_text"])
    else:
        names = arguments or list(CORPORA)
        results["speed"] = speed(read())
        print(json.dumps(results["speed"], indent=1))
        print("corpus\tprofile\theld out\trows\tsequences\tmean\tworst")
        others = [row for row in results.get("accuracy", []) if row["corpus"] not in names]
        results["accuracy"] = others + accuracy(names)
        for name in names:
            rows = [row for row in results["accuracy"] if row["corpus"] == name]
            mean, worst = np.mean([row["mean"] for row in rows]), max(row["worst"] for row in rows)
            print(f"{name}: mean {mean:.4f}, worst {worst:.4f}")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
