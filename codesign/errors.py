"""The errors of this room, below the two that every room shares (see `cost_models.errors`)."""

from cost_models.errors import CodesignError, InputError

__all__ = ["CodesignError", "ExportError", "InputError", "LostTrainingError", "StudyError", "TrainingError"]


class StudyError(CodesignError):
    """A study or its storage is missing, locked, foreign, full or already there."""


class TrainingError(CodesignError):
    """A proxy training could not be run (data too small, device missing, ...)."""


class LostTrainingError(TrainingError):
    """A training ended with its process or machine; another one may finish it."""


class ExportError(CodesignError):
    """A design could not be written, or what was written could not be read back."""
