"""Reference cases: what was published, for which design, and how far off still counts as right."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cost_models import yamlfile
from cost_models.catalogue.units import UNITS
from cost_models.design import Design, Model, Serving, System
from cost_models.designfile import design_file
from cost_models.hf_config import read_model

FOLDER = Path(__file__).parent / "references"
_COMPARISONS = ("", "change", "ratio", "inverse_ratio")
_KEYS = (
    "name", "source", "quantity", "arguments", "unit", "times", "compare", "scenario", "published",
    "tolerance", "fitted", "note", "design", "baseline",
)  # fmt: skip


@dataclass(frozen=True)
class Tolerance:
    """How far off counts as right. kind "exact", "relative" (a share), "absolute" (in the case's unit) or
    "factor" (at most that many times too high or too low)."""

    kind: str
    amount: float = 0.0

    def holds(self, published: float, predicted: float) -> bool:
        """Whether a prediction is within the tolerance."""
        if self.kind == "exact":
            return predicted == published
        if self.kind == "factor":
            return published / self.amount <= predicted <= published * self.amount
        width = self.amount * abs(published) if self.kind == "relative" else self.amount
        return abs(predicted - published) <= width

    def __str__(self) -> str:
        shown = {
            "relative": f"{self.amount:.0%}",
            "absolute": f"+-{self.amount:g}",
            "factor": f"x{self.amount:g}",
        }
        return shown.get(self.kind, "exact")


@dataclass(frozen=True)
class Case:
    """One published figure.

    quantity: a place in the document of `evaluate` ("latency.tpot_s"), or "function.NAME" (quantities.py).
    compare: "" the figure itself; "change" q / q(baseline) - 1; "ratio" q / q(baseline); "inverse_ratio".
    unit: of `published`; times: what the model's figure is multiplied by before comparing.
    fitted: whether a constant of the models was chosen with this figure in view.
    """

    name: str
    source: str
    quantity: str
    published: float
    tolerance: Tolerance
    design: Design | None = None
    baseline: Design | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    compare: str = ""
    unit: str = ""
    times: float = 1.0
    scenario: str | None = None
    fitted: bool = False
    note: str = ""
    group: str = ""
    # A point of a server under load, one of many of its group: "development", "opened" (held out once), "held out", or
    # "set aside" (its load is not known: shown, and left out of the means).
    served: str = ""


def read_all() -> list[Case]:
    """All shipped cases, in the order of their files."""
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in read(path)]


def not_modelled() -> list[str]:
    """What was published that no case covers, and why."""
    return list(yamlfile.read(FOLDER / "not_modelled.yaml").data["not_modelled"])


def read(path: Path) -> Iterator[Case]:
    """The cases of one file; files without `cases`, `points` or `served` are models that cases refer to.

    Raises InputError with file, line and field for whatever is wrong.
    """
    document = yamlfile.read(path)
    data = document.data
    if "points" in data:
        yield from _points(document)
    if "served" in data:
        yield from _served(document)
    for index, entry in enumerate(data.get("cases", [])):
        where = ("cases", index)
        for key in entry:
            if key not in _KEYS:
                raise document.error((*where, key), f"is not a field of a case; known are {', '.join(_KEYS)}")
        if entry.get("compare", "") not in _COMPARISONS or entry.get("unit", "") not in ("", *UNITS):
            raise document.error(
                where, f"must have a known unit and compare one of {', '.join(_COMPARISONS)}"
            )
        design = entry.get("design")
        baseline = _merged(design, entry["baseline"]) if "baseline" in entry else None
        yield Case(
            **{key: entry[key] for key in entry if key not in ("design", "baseline", "tolerance", "source")},
            source=entry.get("source", data["source"]),
            tolerance=_tolerance(document, where, entry["tolerance"]),
            design=_design(design, path),
            baseline=_design(baseline, path),
            group=path.stem,
        )


def _design(data: Any, path: Path) -> Design | None:
    return None if data is None else design_file(yamlfile.Document(data, str(path)), path.parent).design


def _merged(design: Any, change: Any) -> Any:
    """A design with some fields changed; a changed model replaces the model."""
    if not isinstance(design, dict) or not isinstance(change, dict):
        return change
    out = dict(design)
    for key, value in change.items():
        out[key] = value if key == "model" else _merged(design.get(key), value)
    return out


def _tolerance(document: yamlfile.Document, where: yamlfile.Path_, data: Any) -> Tolerance:
    if data == "exact":
        return Tolerance("exact")
    if isinstance(data, dict) and len(data) == 1:
        kind, amount = next(iter(data.items()))
        if kind in ("relative", "absolute", "factor") and isinstance(amount, int | float):
            return Tolerance(kind, float(amount))
    raise document.error((*where, "tolerance"), "must be exact, {relative: x}, {absolute: x} or {factor: x}")


def _points(document: yamlfile.Document) -> Iterator[Case]:
    """Cases of the whole-model rows of a CSV of timed steps; its path is relative to the package."""
    data = document.data
    tolerance = _tolerance(document, (), data["tolerance"])
    with (FOLDER.parent / data["points"]).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "model"]
    for row in rows:
        tensor, expert, batch, tokens = (int(float(row[key])) for key in ("tp", "ep", "batch", "isl"))
        phase = row["phase"]
        design = Design(
            model=read_model(row["name"].lower()),
            system=System(accelerator=data["accelerator"], accelerators=tensor),
            serving=Serving(
                tensor_parallel=tensor,
                expert_parallel=expert,
                phase=phase,
                input_tokens=tokens,
                concurrency=batch,
                prefill_chunk=batch * tokens,  # timed as one pass
            ),
        )
        group = f"{row['name']} {phase}, TP {tensor}, {row['backend']}"
        yield Case(
            name=f"{group}: {batch} x {tokens}",
            source=f"{data['source']}, {row['backend']} {row['version']}",
            quantity="latency.prefill_s" if phase == "prefill" else "latency.decode_step_s",
            published=float(row["latency_ms"]),
            unit="ms",
            tolerance=tolerance,
            design=design,
            group=group,
        )


def _served(document: yamlfile.Document) -> Iterator[Case]:
    """Cases of a CSV of times per output token of servers; its path is relative to the package."""
    data = document.data
    tolerance = _tolerance(document, (), data["tolerance"])
    with (FOLDER.parent / data["served"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    models: dict[tuple[str, str, str], Model] = {}
    for number, row in enumerate(rows, start=2):
        types = row["weights_dtype"], row["kv_dtype"]
        if (row["model"], *types) not in models:
            path = FOLDER / f"{row['model']}.yaml"
            model = read_model(str(path) if path.exists() else row["model"])
            models[row["model"], *types] = replace(model, weights_dtype=types[0], kv_dtype=types[1])
        group = f"{row['model']} {types[0]}, {row['accelerator']}, {row['engine']}, {row['set']}"
        rate = float(row.get("request_rate") or 0.0)
        load = f"{rate:g} requests a second" if rate else f"{row['concurrency']} requests"
        serving = Serving(
            tensor_parallel=int(row["tensor_parallel"]),
            input_tokens=int(row["input_tokens"]),
            output_tokens=int(row["output_tokens"]),
            output_spread=float(row.get("output_spread") or 0.0),
            waves=bool(row.get("waves")),
            engine=row["engine"],
            **({"request_rate": rate} if rate else {"concurrency": int(row["concurrency"])}),
        )
        name = (
            f"{group}: TP {row['tensor_parallel']}, {load} of {row['input_tokens']} + {row['output_tokens']}"
        )
        yield Case(
            name=name,
            source=f"{row.get('source') or data['source']}, {row['engine']} {row['version']}, line {number} of "
            f"{data['served']}",
            quantity="latency.tpot_s",
            published=float(row["tpot_ms"]),
            unit="ms",
            tolerance=tolerance,
            fitted=row["set"] in ("development", "opened"),
            design=Design(
                model=models[row["model"], *types],
                system=System(accelerator=row["accelerator"], accelerators=serving.tensor_parallel),
                serving=serving,
            ),
            group=group,
            served=row["set"],
        )
