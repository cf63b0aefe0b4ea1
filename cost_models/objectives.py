"""What a search may minimise or maximise: figures of an evaluation under their JSON names."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cost_models.architecture import parameters
from cost_models.composition import total_parameters

if TYPE_CHECKING:
    from cost_models.evaluation import Evaluation


@dataclass(frozen=True)
class Objective:
    """One figure. direction: "minimize" or "maximize"; figure: its place in the document; unit may be ""."""

    name: str
    direction: str
    unit: str
    label: str
    figure: str

    def value(self, evaluation: "Evaluation", quality: Any = None) -> Any:
        """The figure of one design or of (designs,); NaN for a quality that is not known."""
        if self.figure == "parameters.total":  # a matter of the model alone
            model, shape = evaluation.design.model, np.shape(evaluation["memory.hbm_bytes"])
            return np.full(shape, total_parameters(model, parameters(model).total), dtype=float)[()]
        if self.figure.startswith("quality."):
            if quality is None:
                return float("nan")
            return quality[self.name] if isinstance(quality, dict) else getattr(quality, self.name)
        return evaluation[self.figure]


def _objective(figure: str, direction: str, unit: str, label: str) -> Objective:
    return Objective(figure.split(".")[-1], direction, unit, label, figure)


_ALL = (
    _objective("quality.bits_per_byte", "minimize", "bits/B", "bits per byte"),
    _objective("parameters.total", "maximize", "", "parameters in all"),
    _objective("latency.tpot_s", "minimize", "s", "time per output token"),
    _objective("latency.ttft_s", "minimize", "s", "time to first token"),
    _objective("latency.output_tokens_per_s", "maximize", "token/s", "output tokens per second"),
    _objective(
        "latency.output_tokens_per_s_per_accelerator",
        "maximize",
        "token/s",
        "output tokens per second, one accelerator",
    ),
    _objective("energy.j_per_token", "minimize", "J", "energy per output token"),
    _objective("energy.average_w", "minimize", "W", "average power"),
    _objective("energy.peak_w", "minimize", "W", "peak power"),
    _objective("cost.usd_per_mtok", "minimize", "USD", "cost per million output tokens"),
    _objective("cost.capex_usd", "minimize", "USD", "capital cost"),
    _objective("cost.opex_usd_per_year", "minimize", "USD", "running cost per year"),
    _objective(
        "carbon.operational_g_per_mtok", "minimize", "g", "operational CO2e per million output tokens"
    ),
    _objective("carbon.embodied_kg", "minimize", "kg", "embodied CO2e"),
    _objective("training.training_usd", "minimize", "USD", "training cost"),
    _objective("training.training_days", "minimize", "days", "training time"),
    _objective("memory.hbm_bytes", "minimize", "B", "accelerator memory in use"),
    _objective("kv_compression.retained_score", "maximize", "", "long-context score kept"),
    _objective("memory.kv_tokens", "maximize", "tokens", "KV tokens per accelerator"),
)

OBJECTIVES: dict[str, Objective] = {objective.name: objective for objective in _ALL}
