"""What a design costs: `evaluate` runs all models over it, `Evaluation` holds the figures.

Figures are named by their place in the JSON document, `section.key`: "latency.tpot_s", "violations.hbm".
An evaluation holds those that designs are compared by; `document` adds what explains one of them.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models import (
    arrivals,
    carbon,
    composition,
    cost,
    document,
    energy,
    kv_compression,
    latency,
    lookup,
    memory,
    records,
    speculation,
    training_cost,
)
from cost_models.catalogue import Catalogue, load_catalogue
from cost_models.design import Design, Number, System
from cost_models.document import Result
from cost_models.parts import Parts

_DESIGNS_AT_ONCE = 65536  # keeps the columns of a stretch in cache, and a million designs below 2 GiB
# glibc gives blocks back to the system that are larger than the largest it has freed, up to 32 MiB (mallopt(3)):
# one of this size keeps a stretch from getting the pages of its columns anew, which took a fifth of the time.
_KEPT_BYTES = 31 * 2**20


@dataclass(frozen=True)
class Evaluation:
    """The figures of one design or of (designs,).

    columns: figure by name, scalars or (designs,) float64.
    """

    design: Design
    catalogue: Catalogue
    columns: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A figure by its place in the JSON document, e.g. evaluation["latency.tpot_s"]."""
        return self.columns[name]

    def __len__(self) -> int:
        return records.size(self.design) or 1

    @cached_property
    def violations(self) -> dict[str, Any]:
        """Constraint -> signed amount (bytes, seconds, watts, dollars; layout: a count); > 0 where broken."""
        prefix = "violations."
        return {name[len(prefix) :]: v for name, v in self.columns.items() if name.startswith(prefix)}

    @cached_property
    def feasible(self) -> Any:
        """Whether nothing is broken: bool, or (designs,) bool."""
        worst = np.maximum.reduce([np.asarray(amount) for amount in self.violations.values()])
        return worst <= 0 if worst.ndim else bool(worst <= 0)

    def one(self, i: int | None = None) -> Design:
        """The scalar design number i."""
        if records.size(self.design) is None:
            return self.design
        if i is None:
            raise ValueError("an evaluation of several designs needs the number of one")
        place = range(len(self))[i]
        return records.take(self.design, place, place + 1)

    def result(self, i: int | None = None) -> Result:
        """Everything the models said of the scalar design number i, with all of its parts."""
        return _models(self.one(i), self.catalogue)

    def document(self, i: int | None = None, quality: Any = None) -> dict[str, Any]:
        """The JSON of `codesign evaluate` for the scalar design, or for number i of an array.

        quality: {bits_per_byte, standard_error, fidelity}, a record with these attributes, or None.
        """
        design = self.one(i)
        return document.document(design, _models(design, self.catalogue), quality)


def evaluate(design: Design, catalogue: Catalogue | None = None, parts: Parts | None = None) -> Evaluation:
    """What a design costs; one model with scalar or (designs,) fields of system, serving and limits.

    parts: what `catalogue.parts` says of its system, which was checked before: for who costs the same systems
    under one load after another. A design that does not fit is a result with positive violations. Raises InputError
    for values that no design may hold: NaN, negative, unknown names.
    """
    catalogue = catalogue or load_catalogue()
    records.check(design, system=parts is None)
    count = records.size(design)
    if count is None:
        return Evaluation(design, catalogue, document.columns(design, _models(design, catalogue, parts)))
    if count > _DESIGNS_AT_ONCE:
        parts = None  # a stretch has its own
        np.empty(_KEPT_BYTES, dtype=np.uint8)  # freed at once
    columns = _Columns(count)
    for start in range(0, count, _DESIGNS_AT_ONCE):
        stop = min(count, start + _DESIGNS_AT_ONCE)
        # who brings its parts has made numbers of what is the same for all designs
        piece = design if parts is not None else records.take(design, start, stop)
        columns.fill(start, stop, document.columns(piece, _models(piece, catalogue, parts)))
    return Evaluation(design, catalogue, columns.all())


def _models(design: Design, catalogue: Catalogue, parts: Parts | None = None) -> Result:
    parts = parts or _parts(catalogue, design.system)
    able: Number | None = None  # requests a second that can be answered
    if arrivals.are_open(design.serving):
        design, able = _settled(design, parts)
    model, system, serving = design.model, design.system, design.serving
    held = memory.fit(design, parts)
    composed = None
    if model.composition is not None:
        composed, held = composition.compose(design, parts, held)
    guessed = speculation.speculate(model, serving)
    kept = kv_compression.compress(model, serving, parts)
    batch = held.running if composed is None else composed.group
    steps, rows, served = _serve(design, parts, guessed, kept, batch, held.concurrency)
    if able is not None:
        served = latency.at_rate(served, serving, serving.request_rate)
        held.violations["requests"] = serving.request_rate - able
    work = energy.work_per_token(steps, rows, guessed.accepted_tokens)
    if composed is not None:
        composed, served = composition.delayed(composed, design, held, served)
        work = composition.with_switches(work, composed, serving)
    rate = served.output_tokens_per_s
    spent = energy.energy(parts, system, work, rate, catalogue)
    money = cost.cost(parts, system, serving, spent, rate, catalogue)
    trained = None
    if design.training is not None:
        trained = training_cost.training_cost(model, design.training, catalogue)
    made = carbon.carbon(parts, system, serving, spent, rate, catalogue)
    return Result(parts, held, steps, rows, served, spent, money, made, guessed, kept, composed, trained)


def _serve(
    design: Design,
    parts: Parts,
    guessed: speculation.Speculation,
    kept: kv_compression.Compression,
    batch: Number,
    concurrency: Number,
) -> tuple[latency.Steps, lookup.Lookup, latency.Latency]:
    """Steps, lookups and latency where so many sequences are decoded at once, and so many are in flight."""
    steps = latency.steps(design.model, design.serving, parts, batch, guessed.tokens_per_step)
    if design.model.composition is not None:
        steps = composition.routed(steps)
    rows = lookup.lookup(design, parts, steps)
    served = latency.estimate(
        steps,
        rows.decode.stall_s,
        rows.prefill.stall_s + kept.selection_s,
        memory.replicas(design),
        guessed.accepted_tokens,
        concurrency,
    )
    return steps, rows, served


def _settled(design: Design, parts: Parts) -> tuple[Design, Number]:
    """The design with the requests that its rate of arrivals keeps in flight, and the rate that it can answer, 1/s."""
    arrivals.check(design)
    serving, copies = design.serving, memory.replicas(design)
    most = memory.fit(replace(design, serving=replace(serving, concurrency=0)), parts).running
    guessed = speculation.speculate(design.model, serving)
    kept = kv_compression.compress(design.model, serving, parts)

    def served_s(count: Number) -> Number:
        one = _serve(design, parts, guessed, kept, count, count)[2]
        return one.ttft_s + (np.maximum(serving.output_tokens, 2) - 1.0) * one.tpot_s

    count, able = arrivals.in_flight(serving.request_rate / copies, serving.data_parallel, most, served_s)
    return replace(design, serving=replace(serving, concurrency=count)), able * copies


def _parts(catalogue: Catalogue, system: System) -> Parts:
    """Parts of a system; those of scalar systems are kept, since designs share them."""
    try:
        return _kept_parts(catalogue, system)
    except TypeError:  # an array has no hash
        return catalogue.parts(system)


@lru_cache(maxsize=1024)
def _kept_parts(catalogue: Catalogue, system: System) -> Parts:
    return catalogue.parts(system)


class _Columns:
    """Columns of (designs,) filled stretch by stretch; one that never changes stays a single number."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: dict[str, Any] = {}

    def fill(self, start: int, stop: int, figures: dict[str, Number]) -> None:
        for name, value in figures.items():
            held = self._held.get(name)
            if isinstance(held, np.ndarray):
                held[start:stop] = value
            elif start == 0 and np.ndim(value) == 0:
                self._held[name] = float(value)
            elif np.ndim(value) or float(value) != held:
                column = np.empty(self._count)
                if start:
                    column[:start] = held
                column[start:stop] = value
                self._held[name] = column

    def all(self) -> dict[str, NDArray[np.float64]]:
        """Every column; a single number as a read-only view of the full length."""
        return {
            name: np.broadcast_to(np.float64(v), self._count) if isinstance(v, float) else v
            for name, v in self._held.items()
        }
