"""The errors of this room, below the two that every room shares (see `cost_models.errors`)."""

from cost_models.errors import CodesignError, InputError

__all__ = ["CodesignError", "ExportError", "InputError", "StudyError", "TrainingError"]


class StudyError(CodesignError):
    """A study or its storage is missing, locked, foreign, full or already there."""


class TrainingError(CodesignError):
    """A proxy training could not be run (data too small, device missing, ...)."""


class ExportError(CodesignError):
    """A design could not be written, or what was written could not be read back."""
