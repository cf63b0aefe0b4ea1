"""What a model is made of: its parameters by part, and its layers in groups of identical ones.

Conventions of the counts. `total` holds every weight of the released model without its multi-token-prediction
layers, tables included. `active_per_token` follows the publishers: Meta, Mistral and Qwen count the input
embedding, DeepSeek and the Engram paper do not (arXiv 2412.19437, README_WEIGHTS: "0.9B for the output head";
arXiv 2601.07372, table 1: Dense-4B has 4.1e9 parameters of which 3.8e9 are active).
"""

from dataclasses import dataclass
from functools import lru_cache

from cost_models import tables
from cost_models.design import Attention, Engram, Model

# Families that leave the input embedding out of the active parameters.
_EMBEDDING_IS_NOT_ACTIVE = ("deepseek", "engram")


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

    def before(self, layer: int) -> int:
        """How many layers of this group run before the given layer."""
        return sum(1 for own in self.layers if own < layer)


@lru_cache(maxsize=256)
def layer_groups(model: Model) -> tuple[LayerGroup, ...]:
    """Layers of a model, grouped by what they hold, in the order of their first layer."""
    engram_layers = _engram_layers(model)
    members: dict[tuple[bool, bool, int], list[int]] = {}
    for layer in range(model.layers):
        key = (is_expert_layer(model, layer), layer in engram_layers, window(model.attention, layer))
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


def attention_parameters(model: Model) -> int:
    """Weights of one layer's attention, its own norms and biases included."""
    a, hidden = model.attention, model.hidden
    if a.kind == "mla":
        head = a.qk_nope_head_dim + a.qk_rope_head_dim
        rank = a.q_lora_rank
        query = hidden * rank + rank + rank * a.heads * head if rank else hidden * a.heads * head
        latent = hidden * (a.kv_lora_rank + a.qk_rope_head_dim) + a.kv_lora_rank
        up = a.kv_lora_rank * a.heads * (a.qk_nope_head_dim + a.v_head_dim)
        return query + latent + up + a.heads * a.v_head_dim * hidden
    queries, keys = a.heads * a.head_dim, a.kv_heads * a.head_dim
    weights = hidden * (queries + 2 * keys) + queries * hidden
    return weights + (queries + 2 * keys if a.bias else 0) + (2 * a.head_dim if a.qk_norm else 0)


def hyper_connection_parameters(model: Model) -> int:
    """Weights that mix the residual branches of one layer: 2 n C (n^2 + 2 n) (arXiv 2512.24880)."""
    branches = model.hyper_connections
    return 2 * branches * model.hidden * (branches * branches + 2 * branches) if branches > 1 else 0


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
        "attention": layers * attention_parameters(model),
        "dense_ffn": (layers - expert_layers) * 3 * hidden * model.dense_width,
        "router": expert_layers * moe.routed_experts * (hidden + _router_bias(model)) if moe else 0,
        "shared_experts": expert_layers * 3 * hidden * shared_width(model),
        "routed_experts": expert_layers * moe.routed_experts * expert if moe else 0,
        "norms": (2 * layers + 1) * hidden,
        "hyper_connections": layers * hyper_connection_parameters(model),
        "engram_projections": modules * engram_projection_parameters(model),
        "medusa": model.medusa_heads * (hidden * hidden + hidden + hidden * model.vocab),
        "tables": int(tables.rows(model).sum()) * (model.engram.head_dim if model.engram else 0),
    }
    total = sum(part.values())
    idle = part["tables"] + part["medusa"]
    if moe:
        idle += expert_layers * (moe.routed_experts - moe.active_experts) * expert
    if model.family.startswith(_EMBEDDING_IS_NOT_ACTIVE) and not model.tied_embeddings:
        idle += part["embedding"]
    return Parameters(total, total - idle, part["tables"], part["routed_experts"], part)


def mtp_parameters(model: Model) -> int:
    """Weights of the multi-token-prediction layers, which are stored but not run in plain decoding.

    Each is a layer like the last one with a 2 hidden x hidden projection (arXiv 2412.19437, section 2.2);
    embedding and output head are shared with the model.
    """
    if not model.mtp_layers:
        return 0
    hidden, moe = model.hidden, model.moe
    feed_forward = 3 * hidden * model.dense_width
    if moe:
        experts = moe.routed_experts * moe.expert_width + shared_width(model)
        feed_forward = 3 * hidden * experts + moe.routed_experts * hidden
    return model.mtp_layers * (attention_parameters(model) + feed_forward + 2 * hidden * hidden + 5 * hidden)


def _router_bias(model: Model) -> int:
    """DeepSeek's load balancing without auxiliary loss keeps one bias per expert (arXiv 2412.19437)."""
    return 1 if model.family.startswith("deepseek") else 0


def _engram_layers(model: Model) -> tuple[int, ...]:
    return model.engram.layer_ids if model.engram and not model.engram.input_only else ()


def _group_name(experts: bool, engram: bool, window_tokens: int, layers: tuple[int, ...]) -> str:
    kind = ["moe" if experts else "dense"]
    kind += ["engram"] if engram else []
    kind += [f"window {window_tokens}"] if window_tokens else []
    return f"{'+'.join(kind)} x{len(layers)}"
