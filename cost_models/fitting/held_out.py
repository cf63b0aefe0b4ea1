"""How far the fitted constants are off on what they were not fitted to: whole models, and models left out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cost_models import latency
from cost_models.catalogue import load_catalogue
from cost_models.design import Design, Serving, System
from cost_models.fitting import classes
from cost_models.fitting.measured import Rows, h100
from cost_models.fitting.recipe import Entry
from cost_models.hf_config import read_model
from cost_models.parts import Parts

_ONE_CHUNK = 1 << 24  # the measured prefills read the whole batch at once


@dataclass(frozen=True)
class Point:
    """One whole-model latency of the H100 table: measured (sum of measured kernels) and predicted, seconds."""

    model: str
    phase: str
    tensor_parallel: int
    expert_parallel: int
    engine: str
    batch: int
    tokens: int
    measured_s: float
    predicted_s: float

    @property
    def error(self) -> float:
        """Signed relative error."""
        return self.predicted_s / self.measured_s - 1.0


def model_points() -> list[Point]:
    """Every point of kind `model`, predicted with the constants in constants.yaml."""
    rows = h100().where(h100().is_("kind", "model"))
    parts = _h100_parts()
    points = []
    for i in range(len(rows)):
        tp, ep, batch, tokens = (int(rows.numbers[name][i]) for name in ("tp", "ep", "batch", "isl"))
        name, phase = rows.texts["name"][i], rows.texts["phase"][i]
        serving = Serving(
            tensor_parallel=tp, expert_parallel=ep, phase=phase, input_tokens=tokens, concurrency=batch,
            prefill_chunk=_ONE_CHUNK,
        )  # fmt: skip
        steps = latency.steps(read_model(name.lower()), serving, parts)
        predicted = steps.prefill_s if phase == "prefill" else steps.decode_step_s
        points.append(
            Point(
                name,
                phase,
                tp,
                ep,
                rows.texts["backend"][i],
                batch,
                tokens,
                rows.seconds[i],
                float(predicted),
            )
        )
    return points


def leave_one_out(entry: Entry, column: str = "name") -> Iterator[tuple[str, float]]:
    """Fit a class without one model's rows and give the error on them: (model, mean absolute relative error)."""
    if column not in entry.rows.texts:
        return
    for name in sorted(set(entry.rows.texts[column])):
        out = entry.rows.is_(column, name)
        if out.all():
            return
        again = classes.fitted(entry.predict, entry.rows.where(~out), entry.start, entry.fixed)
        yield name, error_on(entry.predict, entry.rows.where(out), again.values)


def error_on(
    predict: Callable[[Rows, dict[str, float]], np.ndarray], rows: Rows, values: dict[str, float]
) -> float:
    """Mean absolute relative error of some constants on some rows."""
    return float(np.mean(np.abs(predict(rows, values) / rows.seconds - 1.0)))


@lru_cache(maxsize=1)
def _h100_parts() -> Parts:
    design = Design(read_model("llama-3.1-8b"), System(accelerator="h100-sxm", accelerators=8))
    return load_catalogue().parts(design.system)
