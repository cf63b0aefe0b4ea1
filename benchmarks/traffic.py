"""Traffic profiles against exact replay: error, speed and memory.

    python -m benchmarks.traffic                 speed, and error on every corpus; twenty CPU minutes
    python -m benchmarks.traffic code            speed, and error on one corpus
    python -m benchmarks.traffic drift CORPUS... every document held out once: the model's own error, and how much
                                                 documents differ
    python -m benchmarks.traffic stream FILE     a long text: peak memory and time
    python -m benchmarks.traffic libcachesim PY  replay and S3-FIFO against libcachesim; PY is the Python of an
                                                 environment of its own that has it (GPLv3, and it may abort)
    python -m benchmarks.traffic mtkahypar PY    the partitioner against mtkahypar, likewise
    python -m benchmarks.traffic placement       co-access placement: communities, and the bundled text
    python -m benchmarks.traffic admission       Bandana's rule of admission on the bundled text

Prints tables and writes benchmarks/traffic.json. Speeds are per CPU second of one core.
"""

import functools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.traffic import source
from codesign.traffic.check import compare
from codesign.traffic.measure import profile
from codesign.traffic.partition import social_hash
from codesign.traffic.placement import (
    THRESHOLDS,
    best_threshold,
    block_reads,
    places,
    rows_per_block,
    window_reads,
)
from codesign.traffic.replay import s3_fifo_hits, stack_distances
from codesign.traffic.reuse import reuse_times, survival
from codesign.traffic.rows import head_rows, shared_reads
from codesign.traffic.source import Source, read
from codesign.traffic.stream import Stream, join, ngram_keys
from cost_models.design import Engram
from cost_models.traffic import Profile

CORPORA: dict[str, list[list[str]]] = {  # texts of a list are read as one, lists one by one
    "text": [["bundled"]],
    "code": [["stdlib"]],
    "text and code": [["bundled"], ["stdlib"]],
    "more code": [["stdlib", "site-packages"]],
    "most code": [["stdlib", "site-packages"]],
}
MAX_TOKENS = {"most code": 24_000_000}  # of each text; else what a report takes
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
    limit = MAX_TOKENS.get(name, source.MAX_TOKENS)
    parts = [read(texts, max_tokens=limit).stream.held_out(HELD_OUT) for texts in CORPORA[name]]
    past, new = (functools.reduce(join, streams) for streams in zip(*parts, strict=True))
    random = np.random.default_rng(0)
    return past.part(random.permutation(past.requests)), new.part(random.permutation(new.requests))


def accuracy(names: list[str]) -> Iterator[dict[str, Any]]:
    """Predicted against replayed miss ratios of unseen documents; the profile has seen only the others."""
    for name in names:
        past, new = split(name)
        measured = profile(past, (2, 3), SEQUENCES, policies=False)
        print(name, "error by the draw of documents", measured.about["draw_error"])
        for rows in ROWS:
            for sequences in SEQUENCES:
                error = compare(measured, past, new, rows, sequences).error
                found = {
                    "corpus": name, "profile_tokens": past.tokens, "held_out_tokens": new.tokens,
                    "draw_error": max(measured.about["draw_error"]), "rows": rows, "sequences": sequences,
                    "mean": round(float(np.abs(error).mean()), 4), "worst": round(float(np.abs(error).max()), 4),
                    "signed": round(float(error.mean()), 4),
                }  # fmt: skip
                print(*found.values(), sep="\t", flush=True)
                yield found


def drift(name: str, rows: int = 10**7, folds: int = 4) -> list[dict[str, Any]]:
    """Every document held out once, in `folds` parts; errors of the model and of an exact replay of other documents.

    Each part is replayed behind all others, exactly, and predicted from them. `model` is the error of one part's
    prediction; `replay` that of taking the mean exact replay of the other parts for this one, which no model can
    better; `pooled` the error of the mean over all parts, in which the difference between documents cancels.
    """
    limit = MAX_TOKENS.get(name, source.MAX_TOKENS)
    texts = functools.reduce(join, (read(each, max_tokens=limit).stream for each in CORPORA[name]))
    number = np.random.default_rng(0).permutation(texts.documents.max() + 1)
    size = np.bincount(number[texts.documents], weights=np.diff(texts.starts))
    part = (np.cumsum(size) - 0.5 * size) * folds // size.sum()  # whole documents, about as many tokens
    belongs = part[number[texts.documents]]
    random = np.random.default_rng(1)
    found = []
    for sequences in SEQUENCES:
        tried = []
        for fold in range(folds):
            past, new = (
                texts.part(random.permutation(np.flatnonzero(mask)))
                for mask in (belongs != fold, belongs == fold)
            )
            measured = profile(
                past, (2, 3), (sequences,) if sequences == 1 else (1, sequences), policies=False
            )
            tried.append(compare(measured, past, new, rows, sequences))
        replayed, predicted = (
            np.array([getattr(one, kind) for one in tried]) for kind in ("replayed", "predicted")
        )
        others = (replayed.sum(axis=0) - replayed) / (folds - 1)
        errors = {
            "model": predicted - replayed,
            "replay": others - replayed,
            "pooled": predicted.mean(axis=0) - replayed.mean(axis=0),
        }
        row: dict[str, Any] = {"corpus": name, "tokens": texts.tokens, "rows": rows, "sequences": sequences}
        for kind, error in errors.items():
            row |= {
                f"{kind}_mean": round(float(np.abs(error).mean()), 4),
                f"{kind}_worst": round(float(np.abs(error).max()), 4),
            }
        found.append(row)
        print(*row.values(), sep="\t", flush=True)
    return found


def speed(text: Source) -> dict[str, float]:
    """Rates of the parts, and the time of one query."""
    stream = text.stream
    engram = Engram((1,), 3, 8, 80, 2_262_400)
    _, keys = next(ngram_keys(stream, (3,)))
    positions = np.arange(stream.tokens)
    times = reuse_times(keys, positions)
    shipped = Profile.load("bundled-text")
    tables = [(2, 2.26e6, 16), (3, 2.26e6, 16)]
    capacities = np.geomspace(1e3, 1e7, 500)
    rows = cpu_seconds(
        lambda: [head_rows(stream, engram, 0, head, text.canonical_vocab) for head in range(8)]
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
    text = read([path], progress=lambda line: print(line, file=sys.stderr))
    profile(text.stream)
    return {
        "bytes": Path(path).stat().st_size, "tokens": text.stream.tokens, "share": text.share,
        "wall_s": time.perf_counter() - start[0], "cpu_s": time.process_time() - start[1],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }  # fmt: skip


_FOREIGN = """
import math, sys, json, numpy as np, libcachesim as L
path, n, sizes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
out = {}
for name in ("LRU", "S3FIFO"):
    for size in sizes:
        reader = L.TraceReader(path, L.TraceType.ORACLE_GENERAL_TRACE, L.ReaderInitParam(ignore_obj_size=True))
        cache = getattr(L, name)(cache_size=int(size), hashpower=math.ceil(math.log2(size)) + 1)
        cache.process_trace(reader, 0, n // 2)
        out[f"{name} {size}"] = cache.process_trace(reader, n // 2, n - n // 2)[0]
print(json.dumps(out))
"""


def against_libcachesim(python: str) -> list[dict[str, Any]]:
    """Misses of the second half of a trace in another simulator, run apart: it aborts on tiny caches."""
    text = read(max_tokens=500_000)
    ids = shared_reads(text.stream, (2, 3), 1_000_003, 1, 16)[0].ravel()
    trace = np.zeros(ids.size, dtype=[("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
    trace["id"], trace["size"], trace["next"] = ids + 1, 1, -1
    sizes = [1000, 10_000, 100_000]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.bin"
        trace.tofile(path)
        command = [python, "-c", _FOREIGN, str(path), str(ids.size), json.dumps(sizes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    distance = stack_distances(ids)
    found = []
    for size in sizes:
        half = ids.size // 2
        own = {
            "LRU": float(((distance == 0) | (distance > size))[half:].mean()),
            "S3FIFO": float(1 - s3_fifo_hits(ids, size)[half:].mean()),
        }
        for name, value in own.items():
            found.append(
                {"policy": name, "cache_rows": size, "own": value, "libcachesim": theirs[f"{name} {size}"]}
            )
            print(found[-1])
    return found


def communities() -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """(window, row) pairs of readers with interests, 36 rows of two communities of 50 and 4 of any; all rows."""
    random = np.random.default_rng(0)
    count = 20_000
    groups = random.permutation(count).reshape(-1, 50)
    windows, rows = [], []
    for window in range(6000):
        one, two = random.choice(len(groups), 2, replace=False)
        drawn = random.choice(groups[one], 20), random.choice(groups[two], 16)
        found = np.unique(np.concatenate([*drawn, random.integers(0, count, 4)]))
        windows.append(np.full(found.size, window))
        rows.append(found)
    return np.concatenate(windows), np.concatenate(rows), count


_PARTITIONER = """
import sys, numpy as np, mtkahypar as k
with np.load(sys.argv[1]) as data:
    windows, rows, count = data["windows"], data["rows"], int(data["count"])
edges = [each.tolist() for each in np.split(rows, np.flatnonzero(np.diff(windows)) + 1)]
make = k.initialize(1)
context = make.context_from_preset(k.PresetType.LARGE_K)
context.set_partitioning_parameters(-(-count // 32), 0.03, k.Objective.KM1)
context.logging = False
parts = make.create_hypergraph(context, count, len(edges), edges).partition(context)
np.save(sys.argv[2], np.array([parts.block_id(row) for row in range(count)]))
"""


def against_mtkahypar(python: str) -> dict[str, float]:
    """Useful rows of a block read on the communities, by our partitioner and by a general one, run apart."""
    w, r, count = communities()
    past = w < 4800
    with tempfile.TemporaryDirectory() as folder:
        pins, out = Path(folder) / "pins.npz", Path(folder) / "blocks.npy"
        np.savez(pins, windows=w[past], rows=r[past], count=count)
        subprocess.run([python, "-c", _PARTITIONER, str(pins), str(out)], check=True, capture_output=True)
        theirs = np.load(out)
    ours = social_hash(w[past], r[past], count, 32)
    found = {
        "social_hash": rows_per_block(w[~past], r[~past], ours, 32),
        "mtkahypar": rows_per_block(w[~past], r[~past], theirs, 1),
    }
    print(found)
    return found


def placement() -> dict[str, Any]:
    """Useful rows of a 32-row block read on held-out windows: communities of readers, then text."""
    w, r, rows_in_all = communities()
    past = w < 4800
    ways = places(w[past], r[past], r[past], rows_in_all, 32)
    found = {
        "communities": {name: rows_per_block(w[~past], r[~past], place, 32) for name, place in ways.items()}
    }
    old, new = read().stream.held_out(0.2)
    for order in (2, 3):
        learnt, tried = (shared_reads(each, (order,), 100_003, 1)[0][:, 0] for each in (old, new))
        count = int(max(learnt.max(), tried.max())) + 1
        ways = places(*window_reads(old, learnt), learnt, count, 32)
        held = window_reads(new, tried)
        found[f"text, order {order}"] = {n: rows_per_block(*held, place, 32) for n, place in ways.items()}
        frequency = np.bincount(learnt, minlength=count)
        hot = frequency >= np.sort(frequency)[-count // 100]
        cold = ~hot[held[1]]
        found[f"text, order {order}, hottest 1 % pinned"] = {
            n: rows_per_block(held[0][cold], held[1][cold], place, 32) for n, place in ways.items()
        }
    print(json.dumps(found, indent=1))
    return found


def admission() -> list[dict[str, Any]]:
    """Block reads per row read on documents not seen, bundled text, order 2, by cache and threshold."""
    old, new = read().stream.head(800_000).held_out(0.25)
    learnt, tried = (shared_reads(each, (2,), 100_003, 1)[0][:, 0] for each in (old, new))
    count = int(max(learnt.max(), tried.max())) + 1
    place = places(*window_reads(old, learnt), learnt, count, 32)["by_co_access"]
    frequency = np.bincount(learnt, minlength=count)
    found = []
    for share in (0.01, 0.05, 0.2):
        size = round(share * count)
        row = {"cache_share": share, "none": block_reads(tried, place, 32, size)}
        row |= {f"t={t}": block_reads(tried, place, 32, size, frequency > t) for t in THRESHOLDS}
        row["chosen"] = best_threshold(tried, place, 32, size, frequency, 0.1)
        found.append(row)
        print({name: round(value, 4) for name, value in row.items()}, flush=True)
    return found


def main(arguments: list[str]) -> None:
    """Run and record."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments[:1] == ["stream"]:
        results["long_text"] = long_text(arguments[1])
        print(results["long_text"])
    elif arguments[:1] == ["libcachesim"]:
        results["libcachesim"] = against_libcachesim(arguments[1])
    elif arguments[:1] == ["mtkahypar"]:
        results["mtkahypar"] = against_mtkahypar(arguments[1])
    elif arguments[:1] == ["admission"]:
        results["admission"] = admission()
    elif arguments[:1] == ["placement"]:
        results["placement"] = placement()
    elif arguments[:1] == ["drift"]:
        others = [row for row in results.get("drift", []) if row["corpus"] not in arguments[1:]]
        results["drift"] = others + [row for name in arguments[1:] for row in drift(name)]
    else:
        names = arguments or list(CORPORA)
        results["speed"] = speed(read())
        print(json.dumps(results["speed"], indent=1))
        print("corpus\tprofile\theld out\tdraw error\trows\tsequences\tmean\tworst")
        others = [row for row in results.get("accuracy", []) if row["corpus"] not in names]
        results["accuracy"] = others + list(accuracy(names))
        for name in names:
            rows = [row for row in results["accuracy"] if row["corpus"] == name]
            mean, worst = np.mean([row["mean"] for row in rows]), max(row["worst"] for row in rows)
            print(f"{name}: mean {mean:.4f}, worst {worst:.4f}")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
