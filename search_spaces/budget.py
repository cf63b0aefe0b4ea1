"""Models at an equal budget: Engram tables take parameters from the routed experts.

"Sparse" parameters are those a token does not use: idle routed experts and tables. Giving a share of them to
tables keeps total and active parameters (arXiv 2601.07372, section 3: the allocation ratio rho = 1 - share).
"""

from dataclasses import replace

from cost_models.architecture import parameters
from cost_models.design import Engram, MixtureOfExperts, Model
from cost_models.errors import InputError

# Beyond this relative change of the active parameters (by Engram's projections) experts become narrower.
ACTIVE_TOLERANCE = 0.01
_WIDTH_MULTIPLE = 8  # expert widths stay multiples of this


def at_equal_budget(base: Model, share: float, engram: Engram, total: float | None = None) -> Model:
    """The base with a share of its sparse parameters in tables shaped like `engram`.

    total: parameters in all; another amount than the base's (None) makes the sparse part larger or smaller.
    Routed experts and table rows follow: the total is met within 1 %, the active parameters stay within 1 %
    where that can be had by narrower experts. Raises InputError where the base has too few experts to give.
    """
    experts = base.moe
    if experts is None:
        raise InputError(
            f"model.engram_share needs a base with experts, but {base.name} is dense; "
            "give model.engram_rows instead"
        )
    budget = parameters(base)
    total = budget.total if total is None else round(total)
    bare = replace(base, engram=None)
    sparse = budget.tables + (experts.routed_experts - experts.active_experts) * _expert_size(base)
    sparse += total - budget.total
    if sparse <= 0:
        raise InputError(
            f"model.total_parameters must leave room for sparse parameters beside the {total - sparse:.3g} "
            f"others of {base.name}, got {total:.3g}"
        )
    if share == 0:
        return replace(bare, moe=_with_idle(experts, sparse / _expert_size(base)))
    model = _narrowed(replace(bare, engram=replace(engram, vocab_size=2)), budget.active_per_token)
    assert model.moe is not None
    experts = _with_idle(model.moe, (1 - share) * sparse / _expert_size(model))
    if _room(replace(model, moe=experts), total) <= 0 < experts.routed_experts - experts.active_experts:
        # Rounding to whole experts left nothing for a very small share.
        experts = replace(experts, routed_experts=experts.routed_experts - 1)
    return _filled(replace(model, moe=experts), total)


def with_rows(base: Model, rows: int, engram: Engram) -> Model:
    """The base as it is, with `rows` rows in every table; none for 0."""
    return replace(base, engram=replace(engram, vocab_size=rows) if rows else None)


def share_of(model: Model) -> float:
    """Engram share of the sparse parameters of a model; 0 without tables."""
    count = parameters(model)
    idle = (model.moe.routed_experts - model.moe.active_experts) * _expert_size(model) if model.moe else 0
    return count.tables / (count.tables + idle) if count.tables else 0.0


def _expert_size(model: Model) -> int:
    """Parameters of one routed expert over all layers that have it, its router column included."""
    assert model.moe is not None
    return (model.layers - model.moe.leading_dense_layers) * (3 * model.moe.expert_width + 1) * model.hidden


def _with_idle(moe: MixtureOfExperts, idle: float) -> MixtureOfExperts:
    return replace(moe, routed_experts=moe.active_experts + round(idle))


def _narrowed(model: Model, active: int) -> Model:
    assert model.moe is not None
    excess = parameters(model).active_per_token - active
    if abs(excess) <= ACTIVE_TOLERANCE * active:
        return model
    moe, layers = model.moe, model.layers - model.moe.leading_dense_layers
    shared = moe.shared_experts if not moe.shared_expert_width else 0
    width = moe.expert_width - excess / (3 * model.hidden * layers * (moe.active_experts + shared))
    multiple = _WIDTH_MULTIPLE if moe.expert_width >= 16 * _WIDTH_MULTIPLE else 1
    width = round(width / multiple) * multiple
    if width < 1:
        raise InputError(
            f"model.engram_*: Engram's projections alone exceed the active parameters of {model.name}; "
            "take fewer layers, orders or heads, or a smaller head_dim"
        )
    return replace(model, moe=replace(moe, expert_width=width))


def _room(model: Model, total: int) -> int:
    count = parameters(model)
    return total - (count.total - count.tables)


def _filled(model: Model, total: int) -> Model:
    engram = model.engram
    assert engram is not None
    values_per_row = len(engram.layer_ids) * (engram.max_order - 1) * engram.heads * engram.head_dim
    rows = _room(model, total) // values_per_row
    if rows < 16:
        raise InputError(
            f"model.engram_share: {model.name} has no room for tables of at least 16 rows over layers "
            f"{engram.layer_ids}, orders 2..{engram.max_order}, {engram.heads} heads; "
            "take a larger share or less of these"
        )
    filled = replace(model, engram=replace(engram, vocab_size=rows))
    # Table sizes are primes from vocab_size upward: start lower by as much as they overshoot.
    overshoot = (parameters(filled).total - total) // values_per_row
    return replace(model, engram=replace(engram, vocab_size=max(2, rows - overshoot)))
