"""Writing a folder as a whole: a reader sees all of its files or none; nobody's files are deleted unasked."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from codesign.errors import ExportError

MARK = "design.yaml"  # every export holds one; a folder without it is somebody's own


def check(folder: Path, force: bool = False) -> None:
    """Raise ExportError where `folder` may not be written: a file, a folder with files (without `force`), a
    folder that no export wrote, a home."""
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder}: is a file; choose another folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ExportError(
            f"{folder}: is there and not empty; choose another folder, or replace it with --force"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise ExportError(
            f"{folder}: holds files and no {MARK}, so no export wrote it; choose another folder, or empty it"
        )
    if force and folder.is_dir() and folder.resolve() in (Path.cwd(), *Path.cwd().parents, Path.home()):
        raise ExportError(
            f"{folder}: holds the working folder or is a home; choose another folder with --out"
        )


def write_folder(folder: Path, files: Mapping[str, str | Path], force: bool = False) -> None:
    """Write files into `folder`, which appears only when all of them are on disk.

    files: relative name -> text (UTF-8), or the path of a file to copy. `*.sh` may be executed.
    An earlier export in the place is replaced with `force` only. Raises ExportError as `check`, and for a name
    that leads out of the folder; OSError where the disk refuses.
    """
    check(folder, force)
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ExportError(f"{name!r}: leads out of the exported folder")
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    try:
        for name, content in files.items():
            path = fresh / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_text(content, encoding="utf-8")
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
