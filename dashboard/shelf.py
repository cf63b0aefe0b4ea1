"""The studies of one storage: which there are, and a desk for each that is looked at."""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from codesign.errors import StudyError
from codesign.search import study as studies
from cost_models.errors import InputError
from dashboard.data import Study
from dashboard.desk import Desk, Source

LOCKED_S = 5.0  # how long a page waits for a database that another program holds
MOST_OPEN = 6  # studies in memory at once


@dataclass(frozen=True)
class Listed:
    """A study as the list of studies shows it. space: the name of its space, "" where it is not codesign's."""

    name: str
    trials: int
    objectives: tuple[str, ...]
    space: str


class Shelf:
    """The desks of a storage's studies, each opened when it is first asked for.

    Raises StudyError and InputError where the storage, or a study in it, cannot be read.
    """

    def __init__(
        self, listed: Callable[[], Sequence[Listed]], open: Callable[[str], Source], named: str = ""
    ):
        """listed: the studies, the newest first; named: the one that was asked for, "" where none was."""
        self.listed, self._open, self._named = listed, open, named
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._lock = threading.Lock()

    def chosen(self, study: str) -> str:
        """The study to show: the one that an address names, else the one asked for, else the only one; or ""."""
        if study or self._named:
            return study or self._named
        found = self.listed()
        return found[0].name if len(found) == 1 else ""

    def desk(self, study: str) -> Desk:
        """The desk of a study."""
        name = self.chosen(study)
        with self._lock:
            if name not in self._desks:
                self._desks[name] = Desk(self._open(name))
            self._desks.move_to_end(name)
            while len(self._desks) > MOST_OPEN:
                self._desks.popitem(last=False)
            return self._desks[name]


def of_storage(study: str | None, storage: str | None) -> Shelf:
    """The studies of a storage, one of them asked for."""

    def listed() -> list[Listed]:
        return studies_of(_named(storage))

    def open(name: str) -> Study:
        not_locked(_named(storage))
        return Study(name, _named(storage))

    return Shelf(listed, open, study or "")


def _named(storage: str | None) -> str:
    if storage is None:
        raise InputError("dashboard: name a storage with --storage, or set CODESIGN_STORAGE")
    return storage


def studies_of(storage: str) -> list[Listed]:
    """The studies of a storage, the newest first. Raises StudyError where there is none."""
    not_locked(storage)
    with studies.storage_errors(storage):
        opened = studies.open_storage(storage, create=False)
        found = sorted(opened.get_all_studies(), key=lambda one: -one._study_id)
        listed = [
            Listed(
                one.study_name,
                opened.get_n_trials(one._study_id),
                tuple(one.system_attrs.get("study:metric_names") or ()),
                Path(str(one.user_attrs["space_file"])).stem if "space" in one.user_attrs else "",
            )
            for one in found
        ]
    if not listed:
        raise StudyError(f"{storage}: holds no study yet; start one with `codesign search demo --study NAME`")
    return listed


def not_locked(storage: str) -> None:
    """Say after seconds that a database is locked; a search waits a minute for it, a reader of a page does not."""
    path = storage.removeprefix("sqlite:///")
    if path == storage or not Path(path).is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=LOCKED_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise StudyError(
                f"{storage}: locked by another program; end it, or wait until it is done"
            ) from None
