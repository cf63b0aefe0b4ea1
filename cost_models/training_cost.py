"""What it costs to train a candidate from scratch: days and dollars of the fastest way in which it fits.

    days = tokens / tokens per second,  dollars = tokens x dollars per token (training.py)

over sequences at once, placements of the state, tables on the accelerators or in host memory, and routed experts that
are gathered or stay. Without a number of tokens the model sees 20 for each active parameter, which is Chinchilla's
ratio (arXiv 2203.15556) with active for all parameters: a convention to compare candidates by, and less text than
released models have seen.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cost_models.architecture import parameters
from cost_models.catalogue import Catalogue
from cost_models.design import Design, Model, TrainingRun
from cost_models.errors import InputError
from cost_models.training import Batch, train

_AT_ONCE = (1, 2, 4, 8)  # sequences of an accelerator
_DAY_S = 86400.0


@dataclass(frozen=True)
class TrainingCost:
    """The fastest way that fits, or the one that lacks least.

    short_bytes: what its fullest tier lacks, <= 0 where it fits.
    training_usd: with the hours in which the accelerators idle (economics.utilisation). tables: "" without any.
    bound: the resource of a micro step that takes longest.
    """

    training_days: float
    training_usd: float
    tokens: float
    tokens_per_s: float
    short_bytes: float
    micro: int
    weights: str
    optimizer: str
    activations: str
    tables: str
    experts: str
    bound: str


def tokens(model: Model, run: TrainingRun) -> float:
    """Tokens that a model is trained on: as stated, or by the ratio to its active parameters."""
    return float(run.tokens or run.tokens_per_parameter * parameters(model).active_per_token)


@lru_cache(maxsize=1024)  # the same for every hardware that serves a model
def training_cost(model: Model, run: TrainingRun, catalogue: Catalogue) -> TrainingCost:
    """Cost of one training. Raises InputError where sequences do not divide over the accelerators."""
    ranks = int(np.asarray(run.system.accelerators))
    counts = [micro for micro in _AT_ONCE if run.sequences % (ranks * micro) == 0]
    if not counts:
        raise InputError(
            f"training.sequences must be a multiple of training.accelerators ({ranks}), got {run.sequences}"
        )
    # what is served in fewer bits is trained in these
    trained = replace(
        model, weights_dtype=run.dtype, experts_dtype="", tables_dtype="", kv_dtype="", medusa_heads=0
    )
    design = Design(trained, run.system)
    places = ([run.tables] if run.tables else ["hbm", "dram"]) if model.engram is not None else [""]
    kinds = ("gathered", "stay") if model.moe is not None else ("gathered",)
    best: tuple[tuple[float, float], TrainingCost] | None = None
    for micro in counts:
        batch = Batch(run.sequences, run.length, micro, run.nodes_per_token)
        for tables in places:
            for experts in kinds:
                found = train(design, batch, catalogue, tables or "hbm", experts)
                short = -np.minimum.reduce(list(found.spare.values()))
                i = int(np.lexsort((found.step_s, np.maximum(short, 0.0)))[0])
                key = (max(float(short[i]), 0.0), float(found.step_s[i]))
                if best is not None and best[0] <= key:
                    continue
                wanted, rate = tokens(model, run), float(found.tokens_per_s[i])
                best = key, TrainingCost(
                    training_days=wanted / rate / _DAY_S,
                    training_usd=wanted / 1e6 * float(found.usd_per_mtok[i]),
                    tokens=wanted,
                    tokens_per_s=rate,
                    short_bytes=float(short[i]),
                    micro=micro,
                    weights=str(found.weights[i]),
                    optimizer=str(found.optimizer[i]),
                    activations=str(found.activations[i]),
                    tables=tables,
                    experts=experts if model.moe is not None else "",
                    bound=max(found.terms, key=lambda name: float(found.terms[name][i])),
                )  # fmt: skip
    assert best is not None
    return best[1]
