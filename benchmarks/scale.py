"""A study of 100,000 trials: does opening, sampling and reporting stay linear, and how long does it take?

    python -m benchmarks.scale            # CPU seconds, written to benchmarks/scale.json

A real search of some seconds is made, then multiplied inside its SQLite file: each copy has its own trial
numbers and values a little worse, so the front stays that of the original. Every step is timed at three
sizes; the last column says by how much its time per trial has grown from the smallest to the largest (1: linear).
"""

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from optuna.storages import RDBStorage

import cost_models
import search_spaces
from codesign import results, search
from codesign.proxy.fidelity import FOLDER
from codesign.search import study as studies
from codesign.search.distributions import suggest
from codesign.search.progress import snapshot
from codesign.search.samplers import by_name

SIZES = (1_000, 10_000, 100_000)
OUT = Path(__file__).with_suffix(".json")
TRAININGS = 40  # as distinct models; the copies are completions of them
# Nothing is learnt in so few steps; the losses of this benchmark mean nothing.
RECIPE = {
    "hidden": 32, "layers": 2, "head_dim": 8, "active_experts": 2, "sequence": 32, "batch": 2, "steps": 4,
    "validation_sequences": 4, "must_learn": -9.0,
}  # fmt: skip
COPIED = (
    ("trial_params", "param_id", "param_name, param_value, distribution_json"),
    ("trial_user_attributes", "trial_user_attribute_id", "key, value_json"),
    ("trial_system_attributes", "trial_system_attribute_id", "key, value_json"),
)


def main() -> None:
    """Make the studies, time them, print and keep the table."""
    with tempfile.TemporaryDirectory() as folder:
        document = measured(Path(folder))
    OUT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(text(document))


def measured(folder: Path) -> dict[str, Any]:
    """CPU seconds of each step at each size."""
    base = _base(folder)
    steps: dict[str, list[float]] = {}
    for size in SIZES:
        path = folder / f"{size}.db"
        shutil.copy(base, path)
        trials = multiply(path, size)
        url = f"sqlite:///{path}"
        for name, seconds in _timed(url, optuna=size <= SIZES[1]).items():
            steps.setdefault(name, []).append(seconds)
        print(f"{trials} trials, {path.stat().st_size / 1e6:.0f} MB: done", flush=True)
    return {"sizes": list(SIZES), "cpu_seconds": steps, "unit": "CPU seconds of one process"}


def multiply(path: Path, size: int) -> int:
    """Copy the completions of a study inside its file until it has `size` trials."""
    with closing(sqlite3.connect(path)) as db, db:
        count, last = db.execute("SELECT count(*), max(trial_id) FROM trials").fetchone()
        chosen = [
            row[0]
            for row in db.execute(
                "SELECT t.trial_id FROM trials t JOIN trial_user_attributes a USING (trial_id) "
                "WHERE a.key = 'completes' AND t.state = 'COMPLETE' ORDER BY t.trial_id"
            )
        ]
        db.execute("CREATE TEMP TABLE copies (old INTEGER, new INTEGER PRIMARY KEY)")
        wanted = size - count
        db.executemany(
            "INSERT INTO copies VALUES (?, ?)",
            ((chosen[i % len(chosen)], last + 1 + i) for i in range(wanted)),
        )
        shift = count - last - 1
        db.execute(
            "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
            f"SELECT new, new + {shift}, study_id, state, datetime_start, datetime_complete "
            "FROM copies JOIN trials ON trial_id = old ORDER BY new"
        )
        for table, key, columns in COPIED:
            db.execute(
                f"INSERT INTO {table} (trial_id, {columns}) SELECT new, {columns} FROM copies "
                f"JOIN {table} ON trial_id = old ORDER BY new, {key}"
            )
        db.execute(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT new, objective, "
            "value * (1.0 + 0.5 * abs(random() % 1000000) / 1e6 + 1e-6), value_type "
            "FROM copies JOIN trial_values ON trial_id = old ORDER BY new, objective"
        )
        return int(db.execute("SELECT count(*) FROM trials").fetchone()[0])


def _base(folder: Path) -> Path:
    recipe = yaml.safe_load((FOLDER / "demo.yaml").read_text(encoding="utf-8"))
    (folder / "benchmark.yaml").write_text(yaml.safe_dump(recipe | RECIPE), encoding="utf-8")
    space = search_spaces.load("demo").with_quality(fidelity=str(folder / "benchmark.yaml"))
    url = f"sqlite:///{folder}/base.db"
    search.run(space, "s", url, trials=TRAININGS, store=str(folder / "store"), progress=False)
    path = folder / "copy.db"
    with closing(sqlite3.connect(folder / "base.db")) as there, closing(sqlite3.connect(path)) as here:
        there.backup(here)
    return path


def _timed(url: str, optuna: bool) -> dict[str, float]:
    taken: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:
        started = time.process_time()
        answer = act()
        taken[name] = time.process_time() - started
        return answer

    study = timed("open, cold", lambda: _opened(url))
    if optuna:
        plain = RDBStorage(url)
        timed("open, cold, Optuna's own read", lambda: plain.get_all_trials(1, deepcopy=False))
    space = studies.space_of(study)
    sampler = by_name("codesign", space, cost_models.load_catalogue(), 0, 8)
    study.sampler = sampler
    timed("first ask (fits the surrogate)", lambda: suggest(study.ask(), space))
    timed("next ask", lambda: suggest(study.ask(), space))
    timed("read again, nothing new", lambda: study.get_trials(deepcopy=False))
    timed("progress: front and hypervolume", lambda: snapshot(study, space))
    reader = results.Reader("s", url)
    designs = timed("table of designs, cold", reader.read)
    timed("table of designs, nothing new", reader.read)
    timed("status", designs.status)
    timed("front", lambda: results.front(designs))
    return taken


def _opened(url: str) -> Any:
    study = studies.load(url, "s")
    study.get_trials(deepcopy=False)
    return study


def text(document: dict[str, Any]) -> str:
    """The table for people."""
    lines = [f"{'':<34}" + "".join(f"{size:>12,}" for size in document["sizes"]) + "   growth per trial"]
    for name, seconds in document["cpu_seconds"].items():
        sizes = document["sizes"][: len(seconds)]
        growth = (seconds[-1] / sizes[-1]) / (seconds[0] / sizes[0]) if seconds[0] else float("nan")
        lines.append(f"{name:<34}" + "".join(f"{s:>12.4f}" for s in seconds).ljust(36) + f"   {growth:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
