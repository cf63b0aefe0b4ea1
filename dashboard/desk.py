"""What the server keeps between callbacks: the designs, and those that were costed with other prices."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import pandas as pd

from cost_models.catalogue import Catalogue
from cost_models.design import Design
from cost_models.errors import CodesignError
from dashboard.designs import Designs
from dashboard.figures.marks import Reference
from dashboard.phase import Field
from dashboard.scale import Scale
from dashboard.view import View

T = TypeVar("T")
MOST_KEPT = 24


class Source(Protocol):
    """Where the designs come from: `data.Study`, or a made one in tests."""

    def read(self) -> Designs:
        """The designs as they are now, with another version where they changed. Raises CodesignError."""

    def recost(self, designs: Designs, view: View) -> Designs:
        """The designs with the view's prices and load, and those without as their ghost. Raises CodesignError."""

    def fields(self) -> list[Callable[[], Field]]:
        """For each model good enough to be chosen, cheapest first: its designs on all hardware of the space."""

    def field(self, table: pd.DataFrame) -> Field:
        """Some rows of the tables of fields as a field."""

    def design(self, trial: int, view: View) -> Design:
        """The design of a trial at the view's load. Raises CodesignError."""

    def document(self, trial: int, view: View) -> dict[str, Any]:
        """The evaluation of a trial with the view's prices and load, as `codesign evaluate` prints it."""

    def parts(self, trial: int, view: View) -> dict[str, Any]:
        """Beside the evaluation, as far as known: "capacities", "peak_flops", "bandwidth", "curve", "measured"
        and "confirmed" (`evidence.panel`).
        """

    def confirmed(self) -> dict[str, Any]:
        """Fidelity -> the document of `codesign confirm`; empty where none was made."""

    def catalogue(self, view: View) -> Catalogue:
        """The catalogue at the study's prices, with the view's on top."""

    def export(self, trial: int, view: View) -> dict[str, str]:
        """The files of `codesign export` for a trial: name -> text. Raises CodesignError."""

    def references(self, view: View) -> tuple[Reference, ...]:
        """Published designs, with their figures as far as they can be compared."""


class Desk:
    """One study, read by many callbacks at once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._lock = threading.RLock()
        self._designs: Designs | None = None
        self._kept: OrderedDict[tuple[Any, ...], Future[Any]] = OrderedDict()

    def refresh(self) -> int:
        """Read what is new; the version of the designs. Raises CodesignError."""
        with self._lock:
            self._designs = self.source.read()
            return self._designs.version

    def designs(self, view: View) -> Designs:
        """The designs, costed as the view asks."""
        with self._lock:
            plain = self._designs or self.source.read()
            self._designs = plain
        if not view.change and not view.scenario:
            return plain
        key = (plain.version, "designs", view.part("change", "scenario"))
        return self.keep(key, lambda: self.source.recost(plain, view))

    def keep(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """A value made once for a key, however many ask at once; the least recently used ones are forgotten."""
        with self._lock:
            found: Future[T] | None = self._kept.get(key)
            mine = found is None
            if found is None:
                found = self._kept[key] = Future()
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        if mine:
            try:
                found.set_result(make())
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                found.set_exception(error)
        return found.result()

    def _wide(self, name: str) -> bool:
        """Whether a column wants a logarithmic axis."""
        designs = self.designs(View())
        scale = Scale.of(designs.table[name].to_numpy(float)[designs.feasible])
        return scale is not None and scale.low > 0 and scale.high > 10 * scale.low

    def document(self, trial: int, view: View) -> dict[str, Any]:
        """The evaluation of a trial as the view asks; empty where it was not recorded."""
        key = (self.designs(View()).version, "document", trial, view.part("change", "scenario"))
        try:
            return self.keep(key, lambda: self.source.document(trial, view))
        except CodesignError:
            return {}

    def complete(self, view: View) -> View:
        """The view with axes for what it leaves open or names wrongly: objectives first."""
        designs = self.designs(View())
        axes = [name for name in designs.objectives if name in designs.columns]
        axes += [
            column.name for column in designs.columns.values() if column.numeric and column.name not in axes
        ]
        if not axes:
            return view
        quality, cost = axes[0], axes[1] if len(axes) > 1 else axes[0]
        x = view.x if view.x in designs.columns and designs.columns[view.x].numeric else cost
        y = view.y if view.y in designs.columns and designs.columns[view.y].numeric else quality
        colours = [column.name for column in designs.named("parameter")]
        tier = next((name for name in colours if name.endswith("tier")), colours[0] if colours else "")
        # at the first look, before anybody has chosen axes
        log = (
            tuple(axis for axis, name in (("x", x), ("y", y)) if self._wide(name)) if not view.x else view.log
        )
        return replace(
            view, log=log, x=x, y=y, z=view.z if view.z in designs.columns else "none",
            colour=view.colour if view.colour in designs.columns or view.colour == "none" else tier,
            flip_x=view.flip_x or "dram", flip_y=view.flip_y or "context",
            flip_of=view.flip_of if view.flip_of in designs.columns else tier,
        )  # fmt: skip
