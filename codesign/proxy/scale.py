"""From a full-size model to a proxy of a fidelity's size, by a written rule.

With capital letters for the full model and small ones for the proxy (D, d hidden widths; A active, E routed
experts, W their width, S total width of the shared experts; L, l layers):

1.  Attention keeps the ratio of key-value heads to heads (latent attention counts as one to one).
2.  a = min(A, what the fidelity allows); w = (A W / D) d / a and s = (S / D) d keep the feed-forward part's
    share of the active parameters (w in steps of 8). Dense layers keep their relative width.
3.  Sparse parameters keep their ratio to the active expert parameters: each layer has (E - A) a / A inactive
    experts, and tables weigh as many experts in the proxy as they do in the full model, times a / A. The
    Engram share of the sparse parameters is therefore kept. (A model without experts keeps tables : other
    parameters.)
4.  Engram: orders, heads, gate, convolution and hash layout are kept; the memory vector keeps its ratio to
    the hidden width as far as whole values per row allow. A table layer I > 0 becomes max(1, I (l-1) /
    (L-1)), rounded; layers that meet are moved to the next free one. Layer 0 stays layer 0.
5.  Equal compute: the FLOPs of W_K, W_V and the router are paid by the width of the shared experts (or of the
    routed ones, or of the dense layers, where there are none), so that FLOPs per token stay what they are
    without tables and with a router of 12 experts per active one (the published 72 : 6).
6.  Equal parameters: what rounding leaves over goes into the rows of the tables.

Over Engram shares 0 to 0.8 of one budget, parameters and FLOPs per token agree within 1 %.
"""

from dataclasses import dataclass, replace

from codesign.proxy.config import ProxyConfig
from codesign.proxy.fidelity import Fidelity
from cost_models import tables
from cost_models.design import Engram, Model
from cost_models.errors import InputError

_ROUTED_PER_ACTIVE = 12  # arXiv 2601.07372: MoE-27B routes among 72 experts and uses 6
_FEWEST_ROWS = 16  # of one table; fewer than this are no N-gram memory


@dataclass(frozen=True)
class _FeedForward:
    """The nominal feed-forward part of the proxy, before compute is made equal; widths are inner widths."""

    layers: int  # with routed experts
    active: int
    expert: int
    shared: int
    dense: int
    inactive: float  # experts of one layer that a token does not use, before rounding
    tables: float  # values in all tables, before rounding


def scale(model: Model, fidelity: Fidelity, compressed_vocab: int = 0) -> ProxyConfig:
    """The proxy of `model` at the size of `fidelity`.

    compressed_vocab: distinct canonical ids of the proxy's own tokenizer, recorded with the tables.
    Raises InputError where the model cannot be scaled: more Engram layers than layers, no room for its
    tables.
    """
    d, heads = fidelity.hidden, fidelity.hidden // fidelity.head_dim
    part = _feed_forward(model, fidelity)
    leading = fidelity.layers - part.layers
    config = ProxyConfig(
        vocab=fidelity.vocab,
        layers=fidelity.layers,
        hidden=d,
        heads=heads,
        kv_heads=_kv_heads(model, heads),
        head_dim=fidelity.head_dim,
        dense_width=(part.dense,) * leading + (0,) * part.layers,
        experts=(0,) * leading + _spread(round((part.active + part.inactive) * part.layers), part.layers),
        active_experts=part.active,
        expert_width=part.expert,
        shared_width=(0,) * leading + (part.shared,) * part.layers,
        engram=_engram(model, fidelity, compressed_vocab),
        branches=model.hyper_connections,
        tied_embeddings=model.tied_embeddings,
    )
    config = _equal_compute(model, config, part)
    return config if config.engram is None else _equal_parameters(model, config, part)


def _feed_forward(model: Model, fidelity: Fidelity) -> _FeedForward:
    d, D, moe = fidelity.hidden, model.hidden, model.moe
    full_tables = int(tables.rows(model).sum()) * model.engram.head_dim if model.engram else 0
    dense = max(1, round(model.dense_width / D * d))
    if moe is None:
        per_value = fidelity.layers * d * dense / (model.layers * D * model.dense_width)
        return _FeedForward(0, 0, 0, 0, dense, 0.0, full_tables * per_value)
    leading = min(fidelity.layers - 1, round(moe.leading_dense_layers / model.layers * fidelity.layers))
    layers = fidelity.layers - leading
    active = min(moe.active_experts, fidelity.active_experts)
    # whole groups of eight: matrix kernels want aligned rows
    expert = 8 * max(1, round(moe.active_experts * moe.expert_width / D * d / active / 8))
    shared = round(moe.shared_experts * (moe.shared_expert_width or moe.expert_width) / D * d)
    kept = active / moe.active_experts
    per_value = layers * d * expert * kept / (
        (model.layers - moe.leading_dense_layers) * D * moe.expert_width
    )  # fmt: skip
    inactive = (moe.routed_experts - moe.active_experts) * kept
    return _FeedForward(layers, active, expert, shared, dense, inactive, full_tables * per_value)


def _kv_heads(model: Model, heads: int) -> int:
    if model.attention.kind != "gqa":
        return heads
    wanted = heads * model.attention.kv_heads / model.attention.heads
    return min((n for n in range(1, heads + 1) if heads % n == 0), key=lambda n: abs(n - wanted))


def _spread(total: int, layers: int) -> tuple[int, ...]:
    """`total` over `layers` as evenly as whole numbers go, the larger ones first."""
    return tuple(total // layers + (layer < total % layers) for layer in range(layers))


def _engram(model: Model, fidelity: Fidelity, compressed_vocab: int) -> Engram | None:
    engram = model.engram
    if engram is None:
        return None
    d, orders = fidelity.hidden, engram.max_order - 1
    full_width = orders * engram.heads * engram.head_dim
    head_dim = max(1, round(full_width / model.hidden * d / (orders * engram.heads)))
    return replace(
        engram,
        layer_ids=()
        if engram.input_only
        else layer_positions(engram.layer_ids, model.layers, fidelity.layers),
        head_dim=head_dim,
        compressed_vocab_size=compressed_vocab,
        row_rule="prime",
        # the blocked layout then has as many slots in a block as the full model
        scale_bytes_per_row=max(0.0, tables.row_bytes(model) - 4.0 * head_dim),
    )


def layer_positions(layer_ids: tuple[int, ...], full_layers: int, layers: int) -> tuple[int, ...]:
    """Engram layers of the proxy by relative depth (rule 4), distinct and ascending."""
    if len(layer_ids) > layers:
        raise InputError(
            f"model.engram_layers: {len(layer_ids)} layers with tables do not fit a proxy of {layers}; "
            "choose fewer, or a fidelity with more layers"
        )
    taken: list[int] = []
    for number, layer in enumerate(sorted(layer_ids)):
        wanted = 0 if layer == 0 else max(1, round(layer * (layers - 1) / max(1, full_layers - 1)))
        last = layers - (len(layer_ids) - number)  # leaves room for those that follow
        taken.append(min(max(wanted, taken[-1] + 1 if taken else 0), last))
    return tuple(taken)


def _nominal_active(config: ProxyConfig, part: _FeedForward) -> float:
    """Active parameters without tables and with the nominal router."""
    bare = replace(config, engram=None)
    return bare.active_parameters() + config.hidden * (
        part.layers * _ROUTED_PER_ACTIVE * part.active - sum(config.experts)
    )


def _equal_compute(model: Model, config: ProxyConfig, part: _FeedForward) -> ProxyConfig:
    """Rule 5: the feed-forward part pays for W_K, W_V and the router."""
    over = config.active_parameters() - _nominal_active(config, part)
    unit = 3 * config.hidden
    if part.layers and not part.shared:
        cut = round(over / (unit * part.active * part.layers))
        changed = replace(config, expert_width=part.expert - cut)
        fits = changed.expert_width > 0
    elif part.layers:
        widths = _spread(part.shared * part.layers - round(over / unit), part.layers)
        changed = replace(config, shared_width=config.shared_width[: -part.layers] + widths)
        fits = min(widths) > 0
    else:
        widths = _spread(sum(config.dense_width) - round(over / unit), config.layers)
        changed = replace(config, dense_width=widths)
        fits = min(widths) > 0
    if not fits:
        raise InputError(
            f"{model.name}: the projections of its Engram cost more than the feed-forward part of a proxy of "
            f"width {config.hidden} can give; choose a narrower memory, fewer Engram layers or a larger one"
        )
    return changed


def _equal_parameters(model: Model, config: ProxyConfig, part: _FeedForward) -> ProxyConfig:
    """Rule 6: the rows take up what is missing from the nominal parameters."""
    expert = 3 * config.hidden * part.expert
    nominal = (
        _nominal_active(config, part) + (0 if config.tied_embeddings else config.vocab * config.hidden)
        + part.layers * part.inactive * expert + part.tables
    )  # fmt: skip
    nominal += 3 * config.hidden * (
        part.shared * part.layers - sum(config.shared_width)
        + (part.dense * config.layers - sum(config.dense_width) if not part.layers else 0)
    ) + part.active * part.layers * (expert - 3 * config.hidden * config.expert_width)  # fmt: skip
    while True:
        values = nominal - replace(config, engram=None).parameters() - config.engram_matrix_parameters()
        if values >= part.tables / 2 or sum(config.experts) <= part.layers * part.active:
            return _with_table_values(model, config, values)
        config = replace(config, experts=_fewer(config.experts))


def _fewer(experts: tuple[int, ...]) -> tuple[int, ...]:
    largest = len(experts) - 1 - experts[::-1].index(max(experts))
    return tuple(count - (layer == largest) for layer, count in enumerate(experts))


def _with_table_values(model: Model, config: ProxyConfig, values: float) -> ProxyConfig:
    engram = config.engram
    assert engram is not None
    count = tables.sets(engram) * (engram.max_order - 1) * engram.heads
    rows = values / engram.head_dim
    if rows < count * _FEWEST_ROWS:
        raise InputError(
            f"{model.name}: its tables leave {max(0, int(rows))} rows in a proxy of width {config.hidden}, "
            f"fewer than {_FEWEST_ROWS} for each of {count} tables; choose fewer heads or orders, or "
            "more rows, or a larger fidelity"
        )
    size = int(rows / count)
    for _ in range(8):  # the primes of a table are a little above its nominal size
        trial = replace(config, engram=replace(engram, vocab_size=max(2, size)))
        missing = values - trial.table_parameters()
        size += int(missing / (engram.head_dim * count))
    return trial
