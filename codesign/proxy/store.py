"""Results of trainings on disk, shared by studies, workers and (on a shared folder) machines.

One JSON file a result, `KEY.json`, put in place at once; KEY hashes everything that determines the result.
Weights lie beside it as `KEY.safetensors`, for promoted and exported models only. Nothing else opens the
files.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from codesign import cache
from codesign.errors import TrainingError
from codesign.proxy.quality import Quality
from cost_models.errors import InputError

try:
    import fcntl
except ImportError:  # no POSIX locks: two workers may then train the same model, and the last one wins
    fcntl = None  # type: ignore[assignment]


class Store:
    """A folder of results. path None: the environment's CODESIGN_STORE, else the cache folder."""

    def __init__(self, path: str | Path | None = None) -> None:
        chosen = path or os.environ.get("CODESIGN_STORE")
        self.path = Path(chosen).expanduser() if chosen else cache.folder("store")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be the store of proxies: {error.strerror}") from None

    def get(self, key: str) -> Quality | None:
        """The result under a key, or None. A file that cannot be read counts as missing: it is made again."""
        try:
            return Quality.of(json.loads(self._file(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, quality: Quality) -> None:
        """Write a result under its key."""
        text = json.dumps(quality.document())
        try:
            cache.write_atomically(self._file(quality.key), lambda path: _write(path, text))
        except OSError as error:
            raise TrainingError(
                f"{self.path}: the result could not be written: {error.strerror}; free space or set CODESIGN_STORE"
            ) from None

    def all(self) -> list[Quality]:
        """Every result, in the order of the keys."""
        found = (self.get(path.stem) for path in sorted(self.path.glob("*.json")))
        return [quality for quality in found if quality is not None]

    def remove(self, key: str) -> None:
        """Forget a result and its weights; a key that is not there is no error."""
        for path in (
            self._file(key), self.weights(key), self.tokenizer(key), self.checkpoint(key), self._lock(key)
        ):  # fmt: skip
            path.unlink(missing_ok=True)

    def weights(self, key: str) -> Path:
        """Where the weights of a result lie, if they were kept."""
        return self.path / f"{key}.safetensors"

    def tokenizer(self, key: str) -> Path:
        """Where the tokenizer of those weights lies."""
        return self.path / f"{key}.tokenizer"

    def checkpoint(self, key: str) -> Path:
        """Where an unfinished training keeps its state."""
        return self.path / f"{key}.checkpoint"

    @contextmanager
    def training(self, key: str) -> Iterator[None]:
        """Held while a result is made: a second process that wants the same one waits, then finds it.

        The lock falls when the process ends, however it ends.
        """
        if fcntl is None:
            yield
            return
        with self._lock(key).open("w") as handle:
            with suppress(OSError):  # a file system without locks: as without POSIX locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._lock(key).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self.path / f"{key}.json"

    def _lock(self, key: str) -> Path:
        return self.path / f".{key}.lock"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def key_of(determines: dict[str, Any]) -> str:
    """The key of a result: a hash of plain values, whatever their order."""
    text = json.dumps(determines, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
