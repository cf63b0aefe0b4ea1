"""From a study to the value that the page shows. The only module here that reads a study."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cost_models
from codesign import results
from codesign.costing import Columns, Costing, Group, with_figures
from codesign.proxy.store import Store
from codesign.results import Designs as Record
from codesign.results import marked
from cost_models import tables
from cost_models.catalogue import Catalogue
from cost_models.design import Design
from cost_models.errors import CodesignError, InputError
from dashboard import phase, whatif
from dashboard.columns import Column, describe
from dashboard.designs import Designs
from dashboard.figures.marks import Reference
from dashboard.phase import Field
from dashboard.recorded_figures import drift, recorded
from dashboard.recoster import Recoster
from dashboard.view import View

QUALITY = "bits_per_byte"
# Published designs worth comparing with: what a reader knows.
PUBLISHED = ("engram-27b", "engram-40b", "deepseek-v4.1-flash", "deepseek-v3", "qwen3-30b-a3b")
SHOWN_STATES = ("COMPLETE", "PRUNED")


@dataclass
class _State:
    """A study as last read: what the reader gave, its designs, and the same as arrays, costed when first asked."""

    record: Record
    designs: Designs
    costing: Costing
    settled: bool = False
    _before: Designs | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def usual(self) -> Catalogue:
        """The catalogue at the study's own prices."""
        return self.record.catalogue()

    @cached_property
    def figures(self) -> Columns:
        """What this version's cost models say at the study's own prices."""
        return self.costing.costed(self.usual)

    def before(self, designs: Designs) -> Designs:
        """The designs as they are without a what-if: with figures of this version of the cost models, not those that
        another version may have recorded.
        """
        if self._before is None or self._before.version != designs.version:
            table = marked(with_figures(designs.table, self.figures), designs.objectives)
            self._before = replace(designs, table=table)
        return self._before

    @cached_property
    def _recoster(self) -> Recoster:
        return Recoster(self.costing, self.figures)

    @property
    def recoster(self) -> Recoster:
        """The designs under one what-if after another; several callbacks may ask at once."""
        with self._lock:
            return self._recoster


class Study:
    """A study in its storage, as a source of designs. It is opened at the first read, and kept open."""

    def __init__(self, study: str, storage: str) -> None:
        self.study, self.storage = study, storage
        self._reader: results.Reader | None = None
        self._state: _State | None = None

    def read(self) -> Designs:
        """The designs as they are now. Raises StudyError where the study cannot be read."""
        if self._reader is None:
            self._reader = results.Reader(self.study, self.storage)
        record = self._reader.read()
        last = self._state
        if last is not None and last.record is record:
            # costing thousands of designs takes a second, which the first view does not wait for
            last.designs = _settled(last)
            return last.designs
        table = _shown(record)
        costing = Costing(record.space, table, last.costing if last else None)
        designs = _designs(
            record, table, costing, recorded(record, table), last.designs.version + 1 if last else 1
        )
        self._state = _State(record, designs, costing)
        return designs

    def _now(self) -> _State:
        if self._state is None:
            self.read()
        assert self._state is not None
        return self._state

    def catalogue(self, view: View) -> Catalogue:
        """The study's prices, with the view's on top; a scenario of the view replaces the study's prices."""
        attributes = self._now().record.attributes
        kept = {} if view.scenario else (attributes.get("overrides") or {})
        scenario = view.scenario or attributes.get("scenario")
        return cost_models.load_catalogue(scenario, {**kept, **whatif.overrides(view.change)})

    def recost(self, designs: Designs, view: View) -> Designs:
        """The designs with the view's prices, load and limits: figures, violations, front and knee anew."""
        state = self._now()
        table = with_figures(designs.table, self._figures(state.recoster, view))
        return replace(designs, table=marked(table, designs.objectives), ghost=state.before(designs))

    def _figures(self, recoster: Recoster, view: View) -> Columns:
        prices = None
        if view.scenario or whatif.overrides(view.change) or "utilisation" in view.change:
            prices = self.catalogue(view)
        usual, load = self._now().usual, whatif.load(view.change)
        figures = recoster.figures(load, prices, usual, whatif.altered(view.change))
        if "slo" in view.change:  # a limit changes no time: nothing is costed again for it
            figures = {**figures, "violations.tpot_s": figures["latency.tpot_s"] - view.change["slo"] / 1e3}
        return figures

    def fields(self) -> list[Callable[[], Field]]:
        """For each trained model no worse than the knee's within the noise, cheapest first: all hardware."""
        state = self._now()
        table, good = state.designs.table, phase.good_enough(state.designs)
        usd = table[phase.PRICE].to_numpy(float)
        found = []
        for group in state.costing.groups:
            rows = group.rows[good[group.rows]]
            if len(rows):
                found.append((float(usd[rows].min()), partial(self._on_all_hardware, group, int(rows[0]))))
        return [make for _, make in sorted(found, key=lambda pair: pair[0])]

    def _on_all_hardware(self, group: Group, row: int) -> Field:
        state = self._now()
        values, _ = state.record.space.hardware(group.model)
        count = len(next(iter(values.values()))) if values else 1
        rows = pd.DataFrame({"trial": np.arange(count), "state": "COMPLETE", **values})
        for column in (*(p.name for p in state.record.space.model_parameters), QUALITY, "standard_error"):
            if column in state.designs.table:
                rows[column] = [state.designs.table[column].iloc[row]] * count
        return self.field(rows)

    def field(self, table: pd.DataFrame) -> Field:
        """Designs made of parameters, trained or not, with what each costs under a what-if."""
        state = self._now()
        recoster = Recoster(Costing(state.record.space, table, state.costing))

        def costs(view: View) -> NDArray[np.float64]:
            here = with_figures(table, self._figures(recoster, view))
            known = Designs("", here, {n: c for n, c in state.designs.columns.items() if n in here}, ())
            return np.where(known.feasible & known.kept(view), here[phase.PRICE].to_numpy(float), np.inf)

        return Field(table, costs)

    def design(self, trial: int, view: View) -> Design:
        """The design of a trial at the view's load."""
        return whatif.altered(view.change)(self._now().record.design(trial))

    def document(self, trial: int, view: View) -> dict[str, Any]:
        """The evaluation of a trial; made again where the view has other prices or load."""
        record = self._now().record
        if not view.change and not view.scenario:
            return record.evaluation(trial)
        return cost_models.evaluate(self.design(trial, view), self.catalogue(view)).document(
            quality=record.quality(trial)
        )

    def parts(self, trial: int, view: View) -> dict[str, Any]:
        """Capacities in bytes, roofs and learning curve of a trial."""
        record = self._now().record
        try:
            design = record.design(trial)
            parts = self.catalogue(view).parts(design.system)
        except CodesignError:
            return {}
        host = design.system.host
        return {
            "capacities": {"hbm": float(np.asarray(parts.accelerator.memory_bytes)), "dram": _number(host.dram_bytes),
                           "cxl": _number(host.cxl_bytes), "ssd": _number(host.ssd_bytes)},
            "peak_flops": _number(parts.accelerator.peak_flops["bf16"]),
            "bandwidth": _number(parts.accelerator.memory_bandwidth),
            "curve": _curve(record, trial),
            "measured": (record.attributes.get("measured") or {}).get(str(trial)),
            "confirmed": _confirmed(record, trial),
        }  # fmt: skip

    def confirmed(self) -> dict[str, Any]:
        """Fidelity -> the document of `codesign confirm`."""
        return dict(self._now().record.attributes.get("confirmed") or {})

    def export(self, trial: int, view: View) -> dict[str, str]:
        """The files of `codesign export` for a trial, at the view's prices: name -> text. Raises CodesignError."""
        from codesign.export import from_study
        from codesign.export.files import files

        record = self._now().record
        prices = whatif.overrides(view.change)
        return files(from_study(record.study, record.storage, trial=trial, scenario=view.scenario or None,
                                overrides=prices or None))  # fmt: skip

    def references(self, view: View) -> tuple[Reference, ...]:
        """Published models on the knee's system, served as the knee is: figures without quality."""
        state = self._now()
        if state.designs.knee is None:
            return ()
        knee = self.design(state.designs.knee, view)
        catalogue, found = self.catalogue(view), []
        for name in PUBLISHED:
            try:
                evaluation = cost_models.evaluate(replace(knee, model=_published(name)), catalogue)
            except InputError:
                continue
            figures = {key: _number(evaluation[objective.figure]) for key, objective in cost_models.OBJECTIVES.items()
                       if objective.figure in evaluation.columns}  # fmt: skip
            if evaluation.feasible and np.isfinite(list(figures.values())).all():
                found.append(Reference(name, figures))
        return tuple(found)


_published = lru_cache(cost_models.read_model)


def _curve(record: Record, trial: int) -> Sequence[tuple[int, float]]:
    """The training curve of the proxy that a trial's quality comes from; empty where this machine has none."""
    of = record.table["completes"].iloc[trial]
    number = trial if of is None or of != of else int(of)
    key = (record.trial(number).user_attrs.get("quality") or {}).get("key")
    found = Store().get(str(key)) if key else None
    return found.curve if found else ()


def _confirmed(record: Record, trial: int) -> dict[str, Any]:
    """Fidelity -> what `codesign confirm` found of a trial's model."""
    model, found = record.trial(trial).user_attrs.get("model"), {}
    for fidelity, document in (record.attributes.get("confirmed") or {}).items():
        entries = document.get("models") or []
        for entry in entries:
            if model is not None and entry.get("model") == model:
                found[fidelity] = {**entry, "of": sum(bool(one.get("confirmed")) for one in entries)}
    return found


def _number(value: Any) -> float:
    return float(np.asarray(value))


def _settled(state: _State) -> Designs:
    """The designs once they are costed: with the figures that no trial recorded, and how far the others are off.

    The same value where that says nothing new.
    """
    old = state.designs
    if state.settled:
        return old
    state.settled = True
    state.recoster  # noqa: B018  (costs the study)
    off = drift(old.table, state.figures, old.objectives)
    missing = [objective.figure for name, objective in cost_models.OBJECTIVES.items()
               if objective.figure in state.figures and (name not in old.table or old.table[name].isna().any())
               and name != QUALITY]  # fmt: skip
    gained = any(np.isfinite(state.figures[name]).any() for name in missing)
    if off <= 1e-3 and not gained:
        return replace(old, drift=off) if off else old
    stored = recorded(state.record, old.table)
    filled = {name: np.where(np.isfinite(stored.get(name, values)), stored.get(name, values), values)
              for name, values in state.figures.items()}  # fmt: skip
    table = _shown(state.record)
    return replace(_designs(state.record, table, state.costing, filled, old.version + 1), drift=off)


def _shown(record: Record) -> pd.DataFrame:
    return record.table[record.table["state"].isin(SHOWN_STATES)].reset_index(drop=True)


def _designs(
    record: Record, table: pd.DataFrame, costing: Costing, figures: Columns, version: int
) -> Designs:
    sizes = np.full(len(table), np.nan)
    for group in costing.groups:
        sizes[group.rows] = tables.table_bytes(group.model)
    objectives = record.objectives
    said = table[list(objectives)]
    # recorded figures stay as they are: they are what the study says
    complete = (table["state"] == "COMPLETE").to_numpy(bool)
    table = with_figures(table, figures).assign(table_bytes=sizes)
    for name in objectives:
        table[name] = np.where(complete, said[name], table[name])
    table = marked(table, objectives)
    columns: dict[str, Column] = {}
    for name in [*objectives, *(name for name in cost_models.OBJECTIVES if name not in objectives)]:
        if name in table and table[name].notna().any():
            objective = cost_models.OBJECTIVES[name]
            if name not in objectives and not objective.unit and table[name].nunique() == 1:
                continue  # a ratio that is the same for all tells nothing apart
            role = "objective" if name in objectives else "figure"
            columns[name] = describe(name, table[name], role, objective.label, direction=objective.direction)
    if np.nanmax(sizes, initial=0.0) > 0:
        columns["table_bytes"] = describe("table_bytes", table["table_bytes"], "figure")
    for parameter in record.space.parameters:
        values = table[parameter.name]
        if parameter.kind in ("int", "float") or all(isinstance(v, int | float) and not isinstance(v, bool)
                                                     for v in parameter.choices):  # fmt: skip
            table[parameter.name] = pd.to_numeric(values).astype(float)
        columns[parameter.name] = describe(parameter.name, table[parameter.name], "parameter")
    for name in map(str, table):
        if name.startswith("violation."):
            columns[name] = describe(name, table[name], "violation", unit=_unit(name))
    doubts = {QUALITY: "standard_error"} if QUALITY in columns else {}
    running = int((record.table["state"] == "RUNNING").sum())
    return Designs(record.study, table, columns, tuple(objectives), doubts, version, running)


def _unit(violation: str) -> str:
    """The unit of a violation's amount: that of the figure it limits, bytes where something does not fit."""
    name = violation.removeprefix("violation.")
    if name in cost_models.OBJECTIVES:
        return cost_models.OBJECTIVES[name].unit
    return {"power_w": "W", "layout": ""}.get(name, "bytes")
