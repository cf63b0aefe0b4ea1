"""From a full-size model to a proxy of a fidelity's size, by a written rule.

Capital letters are the full model's and small ones the proxy's: D, d hidden widths; L, l layers; A, a active
routed experts; W, w their inner width; S inner width of the shared experts.

1.  Attention keeps the ratio of key-value heads to heads (latent attention counts as one to one), and the
    part of the layers that have experts is kept.
2.  Active feed-forward width keeps its ratio to the hidden width: (A W + S + what the projections of the
    Engram cost in the full model, as width) d / D in a layer with experts, likewise in a dense one. a is A
    or what the fidelity allows; w = A W d / (D a) in steps of eight; the shared experts get the rest.
3.  Sparse parameters, experts and tables alike, are multiplied by l d^2 / (L D^2). So sparsity and the Engram
    share are kept; experts come in whole numbers, spread over the layers.
4.  Engram: orders, heads, gate, convolution and hash layout are kept; a row keeps its width relative to the
    hidden width as far as whole values allow, and as long as the projections cost at most half of what rule
    5 pays from (few layers make them weigh more than in the full model). A table layer I > 0 becomes max(1,
    I (l-1) / (L-1)), rounded; layers that meet are moved to the next free one; layer 0 stays layer 0. Rows
    beyond `table_values` of the fidelity are left out: more than its run can fill.
5.  Equal compute: the proxy's W_K, W_V and router are paid by the shared experts (or the routed ones, or the
    dense layers, where there are none), so that FLOPs per token are those of rule 2 with a router of 12
    experts per active one (the published 72 : 6).
6.  Equal parameters: what whole experts leave over goes into the rows of the tables.

Over Engram shares 0 to 0.8 of one budget, parameters and FLOPs per token then agree within 1 %.
"""

from dataclasses import dataclass, replace

from codesign.proxy.config import ProxyConfig
from codesign.proxy.fidelity import Fidelity
from cost_models import architecture, tables
from cost_models.design import Engram, Model
from cost_models.errors import InputError

_ROUTED_PER_ACTIVE = 12  # arXiv 2601.07372: MoE-27B routes among 72 experts and uses 6
_MOST_PAID = 0.5  # of the width of rule 5 that the projections of the memory may take
_FEWEST_ROWS = 16  # of one table; fewer than this are no N-gram memory


@dataclass(frozen=True)
class _Target:
    """What rules 2 and 3 ask for, before rounding.

    expert_layers, dense_layers: of the proxy. active: routed experts of a token. routed_width: a w.
    shared_width, dense_width: inner widths of one layer. inactive, tables: values that the proxy's unused
    experts and its tables should have.
    """

    expert_layers: int
    dense_layers: int
    active: int
    routed_width: float
    shared_width: float
    dense_width: float
    inactive: float
    tables: float

    def payers(self) -> float:
        """Summed width of what pays for projections and router."""
        if not self.expert_layers:
            return self.dense_layers * self.dense_width
        return self.expert_layers * (self.shared_width or self.routed_width)


def scale(model: Model, fidelity: Fidelity, compressed_vocab: int = 0) -> ProxyConfig:
    """The proxy of `model` at the size of `fidelity`.

    compressed_vocab: distinct canonical ids of the proxy's own tokenizer, recorded with the tables.
    Raises InputError where the model cannot be scaled: more Engram layers than layers, too few rows.
    """
    target = _target(model, fidelity)
    none, heads = (0,) * fidelity.layers, fidelity.hidden // fidelity.head_dim
    config = ProxyConfig(
        vocab=fidelity.vocab,
        layers=fidelity.layers,
        hidden=fidelity.hidden,
        heads=heads,
        kv_heads=_kv_heads(model, heads),
        head_dim=fidelity.head_dim,
        dense_width=none,
        experts=none,
        active_experts=target.active,
        expert_width=0,
        shared_width=none,
        engram=_engram(model, fidelity, target, compressed_vocab),
        branches=model.hyper_connections,
        tied_embeddings=model.tied_embeddings,
    )
    config = _with_feed_forward(config, target, bool(target.shared_width))
    return config if config.engram is None else _with_rows(model, config, target, fidelity)


def _target(model: Model, fidelity: Fidelity) -> _Target:
    d, D, moe = fidelity.hidden, model.hidden, model.moe
    sparse = fidelity.layers * d * d / (model.layers * D * D)
    full_tables = int(tables.rows(model).sum()) * model.engram.head_dim if model.engram else 0
    full_expert_layers = sum(architecture.is_expert_layer(model, layer) for layer in range(model.layers))
    # the width that the full model's projections cost, spread over all of its layers
    modules = tables.sets(model.engram) if model.engram else 0
    paid = modules * architecture.engram_projection_parameters(model) / (3 * D * model.layers)
    dense = (model.dense_width + paid) / D * d
    if moe is None or not full_expert_layers:
        return _Target(0, fidelity.layers, 0, 0.0, 0.0, dense, 0.0, full_tables * sparse)
    expert_layers = max(1, round(full_expert_layers / model.layers * fidelity.layers))
    routed, shared = moe.active_experts * moe.expert_width, architecture.shared_width(model)
    back = 1 + paid * model.layers / full_expert_layers / (routed + shared)
    inactive = full_expert_layers * (moe.routed_experts - moe.active_experts) * 3 * D * moe.expert_width
    return _Target(
        expert_layers,
        fidelity.layers - expert_layers,
        min(moe.active_experts, fidelity.active_experts),
        routed * back / D * d,
        shared * back / D * d,
        model.dense_width / D * d,
        inactive * sparse,
        full_tables * sparse,
    )


def _kv_heads(model: Model, heads: int) -> int:
    if model.attention.kind != "gqa":
        return heads
    wanted = heads * model.attention.kv_heads / model.attention.heads
    return min((n for n in range(1, heads + 1) if heads % n == 0), key=lambda n: abs(n - wanted))


def _engram(model: Model, fidelity: Fidelity, target: _Target, compressed_vocab: int) -> Engram | None:
    engram = model.engram
    if engram is None:
        return None
    matrices = 1 + (model.hyper_connections if engram.gated and not engram.input_only else 0)
    rows_read = tables.sets(engram) * (engram.max_order - 1) * engram.heads
    affordable = _MOST_PAID * 3 * target.payers() / (matrices * rows_read)
    head_dim = max(1, min(round(engram.head_dim * fidelity.hidden / model.hidden), int(affordable)))
    places = layer_positions(engram.layer_ids, model.layers, fidelity.layers)
    return replace(
        engram,
        layer_ids=() if engram.input_only else places,
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


def _spread(total: int, layers: int) -> tuple[int, ...]:
    """`total` over `layers` as evenly as whole numbers go, the larger ones first."""
    return tuple(total // layers + (layer < total % layers) for layer in range(layers))


def _nominal_active(config: ProxyConfig, target: _Target) -> float:
    """Active parameters by rule 2, with the nominal router and without tables."""
    none = (0,) * config.layers
    bare = replace(config, engram=None, experts=none, shared_width=none, dense_width=none)
    per_layer = 3 * (target.routed_width + target.shared_width) + _ROUTED_PER_ACTIVE * target.active
    dense = 3 * target.dense_width * target.dense_layers
    return bare.active_parameters() + config.hidden * (target.expert_layers * per_layer + dense)


def _with_feed_forward(config: ProxyConfig, target: _Target, shared: bool) -> ProxyConfig:
    """Rules 2, 3 and 5: experts in whole numbers, and the width that is left after projections and router."""
    unit, layers, leading = 3 * config.hidden, target.expert_layers, (0,) * target.dense_layers
    config = replace(
        config, dense_width=_spread(round(target.dense_width * target.dense_layers), target.dense_layers)
        + (0,) * layers if leading else config.dense_width,
    )  # fmt: skip
    if not layers:
        left = _nominal_active(config, target) - config.active_parameters()
        return replace(
            config, dense_width=_spread(sum(config.dense_width) + round(left / unit), config.layers)
        )
    width = 8 * max(1, round(target.routed_width / target.active / 8))  # matrix kernels want aligned rows
    if not shared:
        spare = config.engram_matrix_parameters() / (unit * layers)
        width = max(1, round((target.routed_width - spare) / target.active))
    unused = round(target.inactive / (unit * width))
    while True:
        counts = leading + _spread(target.active * layers + unused, layers)
        trial = replace(config, experts=counts, expert_width=width)
        left = round((_nominal_active(trial, target) - trial.active_parameters()) / unit)
        rest = target.inactive + target.tables - unused * unit * width
        if config.engram is None or rest >= target.tables / 2 or unused == 0:
            break
        unused -= 1  # rounding up took the room of small tables
    return replace(trial, shared_width=leading + _spread(max(left, layers), layers)) if shared else trial


def _with_rows(model: Model, config: ProxyConfig, target: _Target, fidelity: Fidelity) -> ProxyConfig:
    """Rule 6: as many rows as bring the parameters to those of rules 2 and 3."""
    engram = config.engram
    assert engram is not None
    embedding = 0 if config.tied_embeddings else config.vocab * config.hidden
    wanted = _nominal_active(config, target) + embedding + target.inactive + target.tables
    values = min(wanted - config.parameters() + config.table_parameters(), fidelity.table_values)
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
        size += int((values - trial.table_parameters()) / (engram.head_dim * count))
    return trial
