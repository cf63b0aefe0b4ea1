"""The recorded study that ships with the project, so that the first look is at a meaningful front.

Made by (96 trainings, three to nine minutes on two cores; then its study is packed):
    codesign search demo --study example --trials 96 --seed 1 --workers 2 --storage sqlite:///example.db
    python -m dashboard.recorded example sqlite:///example.db
"""

import gzip
import hashlib
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

from codesign import cache, results
from codesign.errors import StudyError

FILE = Path(__file__).parent / "example" / "study.db.gz"


def storage() -> str:
    """The storage of the recorded study, unpacked into the cache folder. Raises StudyError where none ships."""
    try:
        packed = FILE.read_bytes()
    except OSError:
        raise StudyError(
            f"{FILE}: no recorded study is there; make one as dashboard/recorded.py says"
        ) from None
    path = cache.folder("example") / f"{hashlib.sha256(packed).hexdigest()[:16]}.db"
    if not path.exists():
        cache.write_atomically(path, partial(_unpack, packed))
    return f"sqlite:///{path}"


def _unpack(packed: bytes, target: Path) -> None:
    target.write_bytes(gzip.decompress(packed))


def record(study: str, url: str, file: Path = FILE) -> int:
    """Pack one study of an SQLite storage into a file; its bytes. Raises StudyError where it cannot be read."""
    results.Reader(study, url).read()  # what cannot be read here cannot be shown there
    if not url.startswith("sqlite:///"):
        raise StudyError(f"{url}: only a study in sqlite:///FILE can be recorded")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "study.db"
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
        # no time stamp in the archive: the same study gives the same file
        with copy.open("rb") as plain, gzip.GzipFile(file, "wb", mtime=0) as packed:
            shutil.copyfileobj(plain, packed)
    return file.stat().st_size


if __name__ == "__main__":
    print(f"{FILE}: {record(sys.argv[1], sys.argv[2]):,} bytes")
