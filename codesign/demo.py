"""`make demo`: a real search from nothing to an exported specification, in under four minutes on two cores."""

import os
import shutil
import sys
import time
from pathlib import Path

import search_spaces
from codesign import export, results, search
from codesign.errors import CodesignError, StudyError

FOLDER = Path("codesign-demo")
STUDY, SPACE, TRIALS = "demo", "demo", 20
SHOWN = 18  # rows of the front


def main() -> int:
    """Search, print the front, export its knee, and say where to look next."""
    started = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    storage = f"sqlite:///{FOLDER}/codesign.db"
    study = _free_name(storage)
    print(
        f"Searching space {SPACE!r}: {TRIALS} models are trained, each completed with all its hardware.",
        flush=True,
    )
    summary = search.run(
        search_spaces.load(SPACE), study, storage, trials=TRIALS, workers=min(2, os.cpu_count() or 1)
    )
    designs = results.Reader(study, storage).read()
    front = results.front(designs)
    print(f"\nThe Pareto front of {summary['feasible']} designs from {summary['trainings']} trainings:\n")
    print(results.front_table(front, most=SHOWN))
    out = FOLDER / "knee"
    document = export.write(export.from_study(study, storage), out, force=True)
    print(f"\nThe knee as a specification that runs:\n{export.summary(document)}")
    print(f"\nDone in {time.monotonic() - started:.0f} s. Look around:\n")
    command = _command()
    print(f"  {command} dashboard {study} --storage {storage}")
    print(f"  {command} evaluate {out}/design.yaml")
    print(f"  {command} search {SPACE} --study {study} --storage {storage} --trials {2 * TRIALS} --resume")
    return 0


def _command() -> str:
    """`codesign` as the reader of this line can type it: with the folder of an environment that is not active."""
    beside = Path(sys.executable).with_name("codesign")
    if shutil.which("codesign") or not beside.exists():
        return "codesign"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


def _free_name(storage: str) -> str:
    """`demo`, or demo-2, demo-3, ... where earlier demos are kept."""
    for number in range(1, 1000):
        name = STUDY if number == 1 else f"{STUDY}-{number}"
        try:
            results.Reader(name, storage)
        except StudyError:
            return name
    return f"{STUDY}-{time.time():.0f}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CodesignError as error:
        sys.exit(f"codesign: {error}")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; everything that had finished is kept")
