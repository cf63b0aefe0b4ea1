"""A training's state on disk now and then, so that a long one goes on where it was killed."""

import time
from pathlib import Path
from typing import Any

import torch

from codesign import cache

EVERY_SECONDS = 60.0  # shorter trainings leave no checkpoint: they are cheaper to repeat


class Checkpoint:
    """The file of one training; its key in the store stands for everything that determines the state."""

    def __init__(self, path: Path, every: float = EVERY_SECONDS) -> None:
        self.path = path
        self._every = every
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self._every

    def write(self, state: dict[str, Any]) -> None:
        """Put a state in place at once. A full disk costs the checkpoint, not the training."""
        self._written = time.monotonic()
        try:
            cache.write_atomically(self.path, lambda path: torch.save(state, path))
        except (OSError, RuntimeError):  # torch says RuntimeError where the disk is full
            self.remove()

    def read(self) -> dict[str, Any] | None:
        """The last state, or None where there is none that can be read (never unpickles code)."""
        try:
            return dict(torch.load(self.path, map_location="cpu", weights_only=True))
        except Exception:
            return None

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
