"""Text as documents: the bundled corpus or a user's own files, in one door for training and traffic profiles.

`iter_documents(spec)` yields whole documents, since the held-out split, N-gram padding and reuse curves all
need the boundaries. A spec is None or "bundled" (State of the Union addresses and Shakespeare's works, both
public domain), or a path:

    a .txt, .md or source file      one document (documents may be separated by U+001E)
    .jsonl, also .gz, .xz, .bz2     one document a line, its text under "text" (or "content")
    .parquet, .arrow                column "text" or "content"; needs pyarrow
    any of these as .zst            needs zstandard
    a folder with dataset_info.json or dataset_dict.json   a Hugging Face dataset saved with save_to_disk: the .arrow
                                    files that its state.json names, split by split; needs pyarrow
    any other folder                every file above, in the order of their names; a README beside records is left out
"""

import bz2
import codecs
import contextlib
import gzip
import hashlib
import importlib
import io
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from cost_models.errors import InputError

RECORD_SEPARATOR = "\x1e"
BUNDLED = Path(__file__).parent / "proxy" / "data"
BUNDLED_FILES = ("shakespeare.txt.xz", "sotu.txt.xz")
TEXT_FIELDS = ("text", "content")
TEXT_SUFFIXES = (
    ".txt",
    ".md",
    ".rst",
    ".tex",
    ".py",
    ".c",
    ".h",
    ".cpp",
    ".js",
    ".ts",
    ".java",
    ".rs",
    ".go",
)
OPENERS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_CHUNK_BYTES = 4 << 20
_LONGEST = 16 << 20  # characters of one document of a text file
_LONGEST_LINE_BYTES = 256 << 20

Spec = str | Path | None


def iter_documents(spec: Spec = None) -> Iterator[str]:
    """Yield the documents of a corpus in a fixed order, exact duplicates and empty ones left out.

    Raises InputError for a missing path, an unknown kind of file, or a record without text.
    """
    found = False
    for document in drop_duplicates(_raw_documents(spec)):
        found = True
        yield document
    if not found:
        raise InputError(f"{describe(spec)}: no text in it; give a file or folder with documents")


def drop_duplicates(documents: Iterable[str]) -> Iterator[str]:
    """Yield each distinct, non-empty document once, in order of first appearance."""
    seen: set[bytes] = set()
    for document in documents:
        key = hashlib.blake2b(document.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if document.strip() and key not in seen:
            seen.add(key)
            yield document


def describe(spec: Spec) -> str:
    """The corpus in words: "bundled text" or its path."""
    return "bundled text" if _is_bundled(spec) else str(spec)


def fingerprint(spec: Spec = None) -> str:
    """A hash of the corpus's files (names inside the corpus and bytes), in hexadecimal.

    Two corpora with the same fingerprint have the same documents, wherever they lie.
    """
    stamps = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files(spec))
    return _fingerprint(stamps, str(_root(spec)))


@lru_cache(maxsize=32)
def _fingerprint(stamps: tuple[tuple[str, int, int], ...], root: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, _, _ in stamps:
        digest.update(Path(name).relative_to(root).as_posix().encode() + b"\0")
        with Path(name).open("rb") as handle:
            while chunk := handle.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def files(spec: Spec = None) -> list[Path]:
    """The files that a corpus is read from, sorted by name. Raises InputError where there are none."""
    if _is_bundled(spec):
        return [BUNDLED / name for name in BUNDLED_FILES]
    path = Path(str(spec)).expanduser()
    if not path.exists():
        raise InputError(f"{path}: no such text file or folder; give a path, or nothing for the bundled text")
    if path.is_file():
        return [path]
    if _is_saved_dataset(path):
        return _dataset_files(path)
    found = sorted(each for each in path.rglob("*") if each.is_file() and _kind(each) is not None)
    if not found:
        raise InputError(f"{path}: no .txt, .jsonl or .parquet file in this folder")
    if any(_kind(each) != "text" for each in found):  # a downloaded data set with the page that describes it
        found = [each for each in found if each.stem.lower() != "readme"]
    return found


def _is_bundled(spec: Spec) -> bool:
    return spec is None or spec == "bundled"


def _root(spec: Spec) -> Path:
    if _is_bundled(spec):
        return BUNDLED
    path = Path(str(spec)).expanduser()
    return path if path.is_dir() else path.parent


def _dataset_files(path: Path) -> list[Path]:
    """The data files of a saved dataset, or of each split of several, in their order."""
    if (path / "dataset_dict.json").exists():
        splits = sorted(each for each in path.iterdir() if (each / "state.json").exists())
        found = [file for split in splits for file in _dataset_files(split)]
    elif (path / "state.json").exists():  # the folder may also hold caches of earlier versions
        try:
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
            found = [path / entry["filename"] for entry in state["_data_files"]]
        except (OSError, ValueError, TypeError, KeyError):
            raise InputError(f"{path / 'state.json'}: not the state of a saved dataset") from None
    else:
        found = sorted(path.glob("*.arrow"))
    if not found:
        raise InputError(f"{path}: a dataset without .arrow files; save it again with save_to_disk")
    return found


def _is_saved_dataset(path: Path) -> bool:
    return (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists()


def _kind(path: Path) -> str | None:
    suffixes = path.suffixes[-2:] if path.suffix in {*OPENERS, ".zst"} else path.suffixes[-1:]
    kind = suffixes[0] if suffixes else ""
    if kind in (".jsonl", ".ndjson"):
        return "jsonl"
    if kind in (".parquet", ".arrow"):
        return kind[1:]
    return "text" if kind in TEXT_SUFFIXES else None


def _raw_documents(spec: Spec) -> Iterator[str]:
    for path in files(spec):
        kind = _kind(path)
        if kind in ("parquet", "arrow"):
            yield from _columns(path, kind)
        elif kind == "jsonl":
            yield from _jsonl(path)
        else:  # a single file with any other name is taken as plain text
            yield from _text(path)


def _open(path: Path) -> IO[Any]:
    if path.suffix == ".zst":
        return io.BufferedReader(
            _optional("zstandard", path).open(path, "rb")
        )  # whose own reader has no lines
    return OPENERS.get(path.suffix, open)(path, "rb")  # type: ignore[operator]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[Any]]:
    try:
        with _open(path) as handle:
            yield handle
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except Exception as error:  # zstandard has errors of its own
        if type(error).__name__ != "ZstdError":
            raise
        raise InputError(f"{path}: cannot be read: {error}") from None


def _text(path: Path) -> Iterator[str]:
    """Documents of one file, in bounded memory: a very long one comes in pieces that end with a line."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest, offset = "", 0
    with _reading(path) as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                rest += decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise InputError(_not_utf8(path, offset - pending + error.start)) from None
            offset += len(chunk)
            *whole, rest = rest.split(RECORD_SEPARATOR)
            yield from whole
            if len(rest) > _LONGEST:
                cut = rest.rfind("\n") + 1 or len(rest)
                yield rest[:cut]
                rest = rest[cut:]
    if decoder.getstate()[0]:
        raise InputError(_not_utf8(path, offset - len(decoder.getstate()[0])))
    yield rest


def _not_utf8(path: Path, byte: int) -> str:
    return f"{path}: not UTF-8 text (byte {byte}); convert it first"


def _jsonl(path: Path) -> Iterator[str]:
    with _reading(path) as handle:
        number = 0
        while line := handle.readline(_LONGEST_LINE_BYTES):
            number += 1
            if len(line) == _LONGEST_LINE_BYTES:
                raise InputError(
                    f"{path}:{number}: a line of {len(line):,} bytes or more; split it into records"
                )
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}:{number}: not a JSON record: {error}") from None
            yield _field(record, f"{path}:{number}")


def _field(record: Any, place: str) -> str:
    for name in TEXT_FIELDS:
        if isinstance(record, dict) and isinstance(record.get(name), str):
            return record[name]
    raise InputError(f"{place}: a record must have its text under {' or '.join(map(repr, TEXT_FIELDS))}")


def _optional(module: str, place: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.split(".")[0]
        raise InputError(f"{place}: reading it needs the package {package}: pip install {package}") from None


def _columns(path: Path, kind: str) -> Iterator[str]:
    """The text column of a parquet or Arrow file, batch by batch."""
    arrow = _optional("pyarrow", path)
    parquet, ipc = _optional("pyarrow.parquet", path), _optional("pyarrow.ipc", path)
    try:
        with path.open("rb") as file:
            if kind == "parquet":
                table = parquet.ParquetFile(file)
                column = _text_column(path, table.schema_arrow.names)
                batches = table.iter_batches(columns=[column])
            else:  # as `datasets` writes it, or as Feather does, with an index at the end
                indexed = file.read(6) == b"ARROW1"
                file.seek(0)
                table = ipc.open_file(file) if indexed else ipc.open_stream(file)
                column = _text_column(path, table.schema.names)
                batches = (
                    (table.get_batch(number) for number in range(table.num_record_batches))
                    if indexed
                    else table
                )
            for batch in batches:
                for text in batch.column(column).to_pylist():
                    if text is not None and not isinstance(text, str):
                        raise InputError(
                            f"{path}: column {column!r} must hold text, got {type(text).__name__}"
                        )
                    if text:
                        yield text
    except (arrow.ArrowException, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be read: {first}") from None


def _text_column(path: Path, names: list[str]) -> str:
    for name in TEXT_FIELDS:
        if name in names:
            return name
    raise InputError(
        f"{path}: must have a column {' or '.join(map(repr, TEXT_FIELDS))}, has {', '.join(names)}"
    )
