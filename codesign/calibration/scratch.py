"""A folder for files that must not outlive the measurement, whatever ends it."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from codesign.errors import CodesignError

PREFIX = "codesign-scratch-"


@contextlib.contextmanager
def scratch(folder: Path, wanted_bytes: float) -> Iterator[Path]:
    """A new folder below `folder`, removed on the way out, on Ctrl-C and on a polite kill.

    What a hard kill of an earlier run left there is removed first. Raises CodesignError where the disk has
    less than twice the room wanted.
    """
    for old in folder.glob(f"{PREFIX}*-*"):
        process = old.name.removeprefix(PREFIX).split("-")[0]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(old, ignore_errors=True)
    free = shutil.disk_usage(folder).free
    if free < 2 * wanted_bytes:
        raise CodesignError(
            f"{folder}: {wanted_bytes / 2**30:.1f} GiB of scratch files need twice the room free, and there are "
            f"{free / 2**30:.1f} GiB; name another folder with --scratch"
        )
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=folder))
    before = None
    with contextlib.suppress(ValueError):  # only a main thread may set handlers
        before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
