"""Where codesign keeps what it can make again, and how a file gets there safely beside other processes."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def folder(name: str) -> Path:
    """The cache folder of a kind of thing, made if missing: under CODESIGN_CACHE, else ~/.cache/codesign."""
    root = os.environ.get("CODESIGN_CACHE") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/codesign"
    path = Path(root).expanduser() / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, then put it in place at once.

    A reader sees the old file, the new one or none, never a half; of two writers the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
