"""What a model is made of: its parameters by part, and its layers in groups of identical ones.

Conventions of the counts. `total` holds every weight of the released model without its multi-token-prediction
layers, tables included. `active_per_token` follows the publishers: Meta, Mistral and Qwen count the input
embedding, DeepSeek and the Engram paper do not (arXiv 2412.19437, README_WEIGHTS: "0.9B for the output head";
arXiv 2601.07372, table 1: Dense-4B has 4.1e9 parameters of which 3.8e9 are active). The 6e9 of Qwen3.8 hold neither
end, unlike the active counts of Qwen3.
"""

from dataclasses import dataclass
from functools import lru_cache

from cost_models import csa, tables
from cost_models.design import Attention, Engram, Model

# Families that leave the input embedding out of the active parameters, and those that leave the output head out too.
_EMBEDDING_IS_NOT_ACTIVE = ("deepseek", "engram", "qwen4_exp")
_HEAD_IS_NOT_ACTIVE = ("qwen4_exp",)


@dataclass(frozen=True)
class Parameters:
    """Counts of weights. by_part adds up to total."""

    total: int
    active_per_token: int
    tables: int
    experts: int  # routed experts only
    by_part: dict[str, int]


@dataclass(frozen=True)
class LayerGroup:
    """Layers that are built alike, counted from 0."""

    name: str
    layers: tuple[int, ...]
    experts: bool  # mixture of experts instead of a dense feed-forward block
    engram: bool  # an Engram module stands in front of attention
    window: int  # sliding window in tokens; 0: full attention
    attention: str = ""  # "": as the model has it; "linear"; or the mode of csa.py
    ratio: int = 0  # tokens per cached entry ("csa")
    prefill: bool = True  # the tokens of a prompt run through these layers

    def before(self, layer: int) -> int:
        """How many layers of this group run before the given layer."""
        return sum(1 for own in self.layers if own < layer)


@lru_cache(maxsize=256)
def layer_groups(model: Model) -> tuple[LayerGroup, ...]:
    """Layers of a model, grouped by what they hold, in the order of their first layer."""
    engram_layers = _engram_layers(model)
    members: dict[tuple[bool, bool, int, str, int, bool], list[int]] = {}
    for layer in range(model.layers):
        key = (
            is_expert_layer(model, layer),
            layer in engram_layers,
            window(model.attention, layer),
            attention_kind(model.attention, layer),
            csa.ratio(model.attention, layer),
            layer < (model.prefill_layers or model.layers),
        )
        members.setdefault(key, []).append(layer)
    return tuple(
        LayerGroup(_group_name(*key, tuple(layers)), tuple(layers), *key) for key, layers in members.items()
    )


def is_expert_layer(model: Model, layer: int) -> bool:
    """Whether a layer routes its tokens to experts."""
    if model.moe is None or layer < model.moe.leading_dense_layers:
        return False
    return (layer - model.moe.leading_dense_layers + 1) % model.moe.layer_step == 0


def window(attention: Attention, layer: int) -> int:
    """Tokens that a layer looks back; 0 for all of them."""
    if attention.linear_value_heads:
        return 0
    if attention.sliding_window and layer not in attention.full_attention_layers:
        return attention.sliding_window
    return 0


def shared_width(model: Model) -> int:
    """Inner width of all shared experts of a layer together."""
    if model.moe is None:
        return 0
    return model.moe.shared_experts * (model.moe.shared_expert_width or model.moe.expert_width)


def engram_width(engram: Engram) -> int:
    """d_mem: values that one layer's rows of one token have together."""
    return (engram.max_order - 1) * engram.heads * engram.head_dim


def attention_kind(attention: Attention, layer: int) -> str:
    """What `LayerGroup.attention` says of a layer."""
    if attention.kind == "csa":
        return csa.mode(attention, layer)
    linear = attention.linear_value_heads > 0 and layer not in attention.full_attention_layers
    return "linear" if linear else ""


@dataclass(frozen=True)
class AttentionWeights:
    """Weights of one layer's attention, norms and biases included, by how tensor parallelism divides them."""

    split: int  # over heads
    keys: int  # over KV heads, never finer than one
    whole: int  # a copy on every rank

    @property
    def total(self) -> int:
        """All of them."""
        return self.split + self.keys + self.whole


def attention_weights(model: Model, layer: int) -> AttentionWeights:
    """The weights of a layer's attention; layers from `model.layers` upward are prediction layers."""
    a, hidden = model.attention, model.hidden
    kind = attention_kind(a, layer)
    if a.kind == "csa":
        split, whole = csa.parameters(model, layer)
        return AttentionWeights(split, 0, whole)
    if a.kind == "mla":
        head = a.qk_nope_head_dim + a.qk_rope_head_dim
        rank = a.q_lora_rank
        query = rank * a.heads * head if rank else hidden * a.heads * head
        up = a.kv_lora_rank * a.heads * (a.qk_nope_head_dim + a.v_head_dim)
        whole = hidden * (rank + a.kv_lora_rank + a.qk_rope_head_dim) + rank + a.kv_lora_rank
        return AttentionWeights(query + up + a.heads * a.v_head_dim * hidden, 0, whole)
    if (
        kind == "linear"
    ):  # gated delta rule: queries, keys, values, gates; decay and step; short convolution; output
        keys, values = a.linear_key_heads * a.linear_key_dim, a.linear_value_heads * a.linear_value_dim
        products = hidden * (2 * keys + 2 * values + 2 * a.linear_value_heads) + values * hidden
        convolution = (2 * keys + values) * a.linear_kernel
        return AttentionWeights(products + convolution + 2 * a.linear_value_heads, 0, a.linear_value_dim)
    queries, keys = a.heads * a.head_dim, a.kv_heads * a.head_dim
    split = hidden * queries * (3 if a.output_gate else 2)
    split += (queries + 2 * keys if a.bias else 0) + (2 * a.head_dim if a.qk_norm else 0)
    indexer = (a.index_heads + 1) * a.index_head_dim * hidden + 2 * a.index_head_dim if a.index_heads else 0
    return AttentionWeights(split, 2 * hidden * keys, indexer)


def hyper_connection_parameters(model: Model) -> int:
    """Weights that mix the residual branches of one layer, before attention and before the feed-forward block.

    2 (n C (n^2 + 2n) + n^2 + 2n + 3): matrices, biases and scales (arXiv 2512.24880, DeepSeek-V4.1's tensors); or
    gates of low rank (Qwen3.8: transformers, Qwen4ExpTextGatedResidual).
    """
    branches, width = model.hyper_connections, model.hyper_connections * model.hidden
    if branches == 1:
        return 0
    if model.hyper_connection_rank:
        return 2 * width * (1 + 2 * model.hyper_connection_rank + branches)
    mixed = branches * branches + 2 * branches
    return 2 * (width * mixed + mixed + 3)


def engram_projection_parameters(model: Model) -> int:
    """Weights of one Engram module beside its tables: W_V, W_K per residual branch, norms, convolution."""
    engram = model.engram
    if engram is None:
        return 0
    width, hidden = engram_width(engram), model.hidden
    if engram.input_only:
        return width * hidden
    keys = model.hyper_connections if engram.gated else 0
    norms = 2 * hidden * model.hyper_connections if engram.gated else 0
    convolution = (engram.kernel_size + 1) * hidden * model.hyper_connections if engram.kernel_size else 0
    return width * hidden * (1 + keys) + norms + convolution


@lru_cache(maxsize=256)
def parameters(model: Model) -> Parameters:
    """Count the weights of a model by part; see the module's text for the conventions."""
    hidden, layers, moe = model.hidden, model.layers, model.moe
    expert_layers = sum(len(group.layers) for group in layer_groups(model) if group.experts)
    modules = tables.sets(model.engram) if model.engram else 0
    expert = 3 * hidden * moe.expert_width if moe else 0
    part = {
        "embedding": model.vocab * hidden,
        "lm_head": 0 if model.tied_embeddings else model.vocab * hidden,
        "attention": sum(attention_weights(model, layer).total for layer in range(layers)),
        "dense_ffn": (layers - expert_layers) * 3 * hidden * model.dense_width,
        "router": expert_layers * moe.routed_experts * (hidden + _router_bias(model)) if moe else 0,
        "shared_experts": expert_layers * (3 * hidden * shared_width(model) + _shared_gate(model)),
        "routed_experts": expert_layers * moe.routed_experts * expert if moe else 0,
        "norms": (2 * layers + 1) * hidden,
        "hyper_connections": layers * hyper_connection_parameters(model) + _last_mixer(model),
        "engram_projections": modules * engram_projection_parameters(model),
        "medusa": model.medusa_heads * (hidden * hidden + hidden + hidden * model.vocab),
        "encoder": model.encoder_parameters,
        "tables": int(tables.rows(model).sum()) * (model.engram.head_dim if model.engram else 0),
    }
    total = sum(part.values())
    idle = part["tables"] + part["medusa"] + part["encoder"]
    if moe:
        idle += expert_layers * (moe.routed_experts - moe.active_experts) * expert
    if model.family.startswith(_EMBEDDING_IS_NOT_ACTIVE) and not model.tied_embeddings:
        idle += part["embedding"]
    if model.family in _HEAD_IS_NOT_ACTIVE:
        idle += part["lm_head"]
    return Parameters(total, total - idle, part["tables"], part["routed_experts"], part)


def mtp_parameters(model: Model) -> int:
    """Weights of the multi-token-prediction layers, which are stored but not run in plain decoding.

    DeepSeek-V3: each is a layer like the last one with a 2 hidden x hidden projection (arXiv 2412.19437, section
    2.2); embedding and output head are shared with the model. DeepSeek-V4.1 (`mtp_rank` > 0): layers with a window
    alone; the first projects as many hidden states as there are layers, the last has a Markov head and a confidence.
    """
    return mtp_experts(model) + mtp_dense(model)


def mtp_experts(model: Model) -> int:
    """Routed experts of the multi-token-prediction layers."""
    moe = model.moe
    return model.mtp_layers * _mtp_routed(model) * 3 * model.hidden * moe.expert_width if moe else 0


def mtp_dense(model: Model) -> int:
    """Everything else of the multi-token-prediction layers."""
    count, hidden, moe = model.mtp_layers, model.hidden, model.moe
    if not count:
        return 0
    layer = attention_weights(model, model.layers).total + 2 * hidden
    layer += 3 * hidden * shared_width(model) if moe else 3 * hidden * model.dense_width
    layer += _mtp_routed(model) * (hidden + _router_bias(model)) if moe and model.mtp_rank else 0
    layer += _mtp_routed(model) * hidden if moe and not model.mtp_rank else 0
    if not model.mtp_rank:
        return count * (layer + 2 * hidden * hidden + 3 * hidden)
    layer += hyper_connection_parameters(model)
    ends = count * hidden * hidden + 2 * hidden  # projection, norms
    return count * layer + ends + 2 * model.vocab * model.mtp_rank + hidden + model.mtp_rank


def _mtp_routed(model: Model) -> int:
    return model.mtp_experts or (model.moe.routed_experts if model.moe else 0)


def _router_bias(model: Model) -> int:
    """DeepSeek's load balancing without auxiliary loss keeps one bias per expert (arXiv 2412.19437).

    DeepSeek-V4.1 keeps another one for the tokens of images.
    """
    if not model.family.startswith("deepseek"):
        return 0
    return 2 if model.attention.kind == "csa" else 1


def _shared_gate(model: Model) -> int:
    """Qwen weighs its shared expert by a gate (transformers: Qwen3NextSparseMoeBlock)."""
    return model.hidden if model.family == "qwen4_exp" and shared_width(model) else 0


def _last_mixer(model: Model) -> int:
    """Gates of low rank also join the branches before the output head."""
    rank, width = model.hyper_connection_rank, model.hyper_connections * model.hidden
    return width * (1 + 2 * rank) if rank else 0


def _engram_layers(model: Model) -> tuple[int, ...]:
    return model.engram.layer_ids if model.engram and not model.engram.input_only else ()


def _group_name(
    experts: bool,
    engram: bool,
    window_tokens: int,
    attention: str,
    ratio: int,
    prefill: bool,
    layers: tuple[int, ...],
) -> str:
    kind = ["moe" if experts else "dense"]
    kind += ["engram"] if engram else []
    if attention:
        kind.append(f"{attention} 1/{ratio}" if ratio > 1 else attention)
    elif window_tokens:
        kind.append(f"window {window_tokens}")
    kind += [] if prefill else ["decoder"]
    return f"{'+'.join(kind)} x{len(layers)}"
