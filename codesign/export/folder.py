"""Writing a folder as a whole: a reader sees all of its files or none; nobody's files are deleted unasked."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from codesign.errors import ExportError


def check(folder: Path, force: bool = False) -> None:
    """Raise ExportError where `folder` may not be written: a file, not empty without `force`, a home."""
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder}: is a file; choose another folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ExportError(
            f"{folder}: is there and not empty; choose another folder, or replace it with --force"
        )
    if force and folder.is_dir() and folder.resolve() in (Path.cwd(), *Path.cwd().parents, Path.home()):
        raise ExportError(
            f"{folder}: holds the working folder or is a home; choose another folder with --out"
        )


def write_folder(folder: Path, files: Mapping[str, str], force: bool = False) -> None:
    """Write text files (UTF-8) into `folder`, which appears only when all of them are on disk.

    A folder that is there and not empty is replaced with `force` only. `*.sh` may be executed.
    Raises ExportError as `check`; OSError where the disk refuses.
    """
    check(folder, force)
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    try:
        for name, text in files.items():
            path = fresh / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755 if name.endswith(".sh") else 0o644)
        fresh.chmod(0o755)
        _swap(fresh, folder.resolve())
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` in the place of `folder`; the old one is removed only when the new one stands."""
    if not folder.exists() or not any(folder.iterdir()):
        fresh.replace(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    folder.replace(old)
    try:
        fresh.replace(folder)
    except OSError:
        old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
