"""Published laws as a prior of a model's loss, relative to a reference without tables.

Effects are differences of log loss, so they carry over between tokenizers and scales as ratios. The
reference is the mixture of experts (or dense model) of equal sparse and active parameters. Figures:
prior.yaml.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cost_models import architecture, tables, yamlfile
from cost_models.design import Model


@dataclass(frozen=True)
class Effect:
    """What the prior says of a model.

    log_ratio: log of its loss over the reference's; negative: better. deviation: its standard deviation.
    statements: what it rests on, in words.
    """

    log_ratio: float
    deviation: float
    statements: tuple[str, ...]


@lru_cache(maxsize=1)
def _figures() -> dict[str, dict[str, float]]:
    data = yamlfile.read(Path(__file__).with_name("prior.yaml")).data
    return {
        group: {name: float(entry["value"]) for name, entry in each.items()} for group, each in data.items()
    }


def share(model: Model) -> float:
    """Part of the sparse (inactive) parameters that lies in tables."""
    in_tables, in_experts = _sparse(model)
    return in_tables / (in_tables + in_experts) if in_tables else 0.0


def _sparse(model: Model) -> tuple[float, float]:
    in_tables = float(tables.rows(model).sum()) * model.engram.head_dim if model.engram else 0.0
    if model.moe is None:
        return in_tables, 0.0
    idle = model.moe.routed_experts - model.moe.active_experts
    layers = sum(architecture.is_expert_layer(model, layer) for layer in range(model.layers))
    return in_tables, float(layers * idle * 3 * model.hidden * model.moe.expert_width)


def reference_of(model: Model) -> Model:
    """The same model with its tables turned into routed experts; without experts, just without tables."""
    if model.engram is None or model.moe is None:
        return replace(model, engram=None)
    in_tables, in_experts = _sparse(model)
    idle = model.moe.routed_experts - model.moe.active_experts
    more = round(idle * in_tables / in_experts) if in_experts else 0
    return replace(model, engram=None, moe=replace(model.moe, routed_experts=model.moe.routed_experts + more))


def allocation(part: float) -> float:
    """Log of the loss at this share over that at share 0, at equal parameters: two half-parabolas.

    They meet in the published optimum, pass the published losses at 0, 0.2 and 0.6, and are continued beyond
    0.6.
    """
    law = _figures()["allocation"]
    best, even, none = law["best_share"], law["break_even_share"], law["without_tables"]
    near = ((best - 0.2) / best) ** 2
    depth = (none - law["at_share_0.2"]) / (1 - near)
    side = best if part < best else even - best
    return math.log((none - depth * (1 - ((part - best) / side) ** 2)) / none)


def placement(layer_ids: tuple[int, ...], layers: int) -> float:
    """Part of the best placement's gain that tables in these layers (counted from 0) keep, 0 to 1."""
    law = _figures()["placement"]
    best = math.log(law["without_tables"] / law["two_layers"])
    one = math.log(law["without_tables"] / law["second_layer"]) / best

    def alone(layer: int) -> float:
        if layer == 0:
            return one * law["first_layer_part"]
        depth = (layer - 1) / max(1, layers - 2)
        return one * (1 - depth * (1 - law["last_layer_part"]))

    parts = sorted((alone(layer) for layer in layer_ids), reverse=True)
    return min(1.0, parts[0] + (1 - one)) if len(parts) > 1 else parts[0]


def effect(model: Model, reference: Model | None = None) -> Effect:
    """The prior of `model` against a reference without tables (default: `reference_of(model)`)."""
    law = _figures()
    base = reference_of(model) if reference is None else reference
    terms: dict[str, float] = {}
    if model.engram is not None:
        part = share(model)
        gain = math.log(law["placement"]["without_tables"] / law["placement"]["two_layers"])
        kept = placement(model.engram.layer_ids or (0,), model.layers)
        terms[f"allocation law at share {part:.2f} (arXiv 2601.07372)"] = (
            allocation(part) if model.moe else -gain
        )
        terms[f"placement keeps {kept:.2f} of the gain (layer ablation; depth is an estimate)"] = (
            (1 - kept) * gain * min(1.0, part / law["allocation"]["best_share"])
        )
        if model.engram.max_order > 3:
            terms["orders beyond 3 (estimate)"] = law["orders"]["beyond_trigrams"] * (
                model.engram.max_order - 3
            )
    sparse, before = sum(_sparse(model)), sum(_sparse(base))
    if sparse and before and abs(sparse / before - 1) > 0.02:
        doublings = math.log2(sparse / before)
        terms[f"{doublings:+.1f} doublings of sparse parameters (estimate)"] = (
            law["size"]["per_doubling"] * doublings
        )
    doubt = law["doubt"]["of_effects"] * math.sqrt(sum(value * value for value in terms.values()))
    deviation = math.hypot(doubt, law["doubt"]["floor"]) if terms else 0.0
    statements = tuple(f"{name}: {value:+.4f}" for name, value in terms.items())
    return Effect(sum(terms.values()), deviation, statements)


def scale_gap() -> float:
    """Standard deviation of how far a proxy's log ratio lies from the full model's."""
    return _figures()["doubt"]["scale_gap"]
