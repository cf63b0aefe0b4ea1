"""From a study to the value that the page shows. The only module here that reads a study."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd

import cost_models
from cost_models.design import Design
from cost_models.errors import CodesignError
from dashboard.columns import Column, describe
from dashboard.designs import Designs


class Source(Protocol):
    """Where the page gets its designs from."""

    def designs(self) -> Designs:
        """The designs as last read. Raises CodesignError where the study cannot be read."""

    def refresh(self) -> int:
        """Read what is new; the version of the designs."""

    def evaluation(self, trial: int) -> dict[str, Any]:
        """The recorded evaluation of a trial, the JSON document of `codesign evaluate`."""
