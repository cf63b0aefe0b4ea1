"""What lies in which memory tier, to the byte: does a design fit, and how many KV tokens are left.

Per accelerator, with t, d, p = tensor, data and pipeline parallel degrees:
    weights     = routed experts / (t d p) + head-wise and width-wise split weights / (t p) + whole copies / p
    tables      = table bytes / (t p)                     (they are split over tensor-parallel ranks only)
    activations = tokens of one step x the widest live set of tensors, or what sampling takes where that is more
    KV cache    = memory x engine share - weights - tables - activations
Source: sharding as in vLLM and SGLang (docs.vllm.ai; SemiAnalysisAI/InferenceX #3337, DeepSeek-V4.1-Flash).
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from cost_models import csa, host_compute, linear_attention, speculation, tables
from cost_models.architecture import (
    attention_weights,
    engram_width,
    layer_groups,
    mtp_dense,
    mtp_experts,
    parameters,
    shared_width,
)
from cost_models.design import DTYPE_BYTES, Design, Flag, Model, Name, Number
from cost_models.masks import by_tier, choose, some
from cost_models.operator_rows import ACTIVATION_BYTES
from cost_models.operators import context_bytes_per_token, index_bytes_per_token
from cost_models.parts import Node, Parts

_LOGIT_BYTES = 4.0  # logits are sampled from in fp32
# Sampling by top-k and top-p sorts them: values in fp32, places in int64, probabilities in fp32 (vLLM,
# v1/sample/ops/topk_topp_sampler.py; the engine plans memory for it by a trial run of as many sequences as it admits,
# v1/worker/gpu_model_runner.py: _dummy_sampler_run).
_SORTING_BYTES = 16.0
_FOUR_BIT_MULTIPLE = 64


@dataclass(frozen=True)
class Memory:
    """Bytes per accelerator, bytes per node on the host side, and what follows from them.

    concurrency: sequences in flight per replica (as asked, or as many as the KV cache holds).
    running: those of them that are decoded at once; the rest of a request mix waits until the KV cache has room
        (all of them where the weights do not fit, so that such designs can still be compared).
    host_tables: bytes of tables and caches per node, by tier. host_experts, host_kv: of routed experts and KV cache in
        the host's DRAM per node, where its processors compute those; kv_* are then of that DRAM, an equal part of it
        for each accelerator.
    models: that weights_bytes holds: of a composition the router and the hot experts, counted as one expert is large.
    violations: signed bytes (layout: a count), > 0 where the design does not fit.
    """

    capacity_bytes: Number
    hbm_bytes: Number
    weights_bytes: Number
    tables_bytes: Number
    cache_bytes: Number
    activations_bytes: Number
    reserve_bytes: Number
    kv_bytes_available: Number
    kv_bytes_per_token: Number
    kv_tokens: Number
    concurrency: Number
    running: Number
    copies_per_node: Number
    models: Number = 1.0
    host_experts: Number = 0.0
    host_kv: Number = 0.0
    host_tables: dict[str, Number] = field(default_factory=dict)
    violations: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightBytes:
    """Weights of a model by how they are divided; bytes of the whole model."""

    experts: float  # over all ranks
    split: float  # over tensor-parallel ranks
    keys: float  # over tensor-parallel ranks, but never finer than one KV head
    whole: float  # a copy on every tensor-parallel rank
    embedding: float  # first pipeline stage, split
    head: float  # last pipeline stage, split


@lru_cache(maxsize=256)
def weight_bytes(model: Model) -> WeightBytes:
    """Bytes of a model's weights without its tables; with its multi-token-prediction layers where it loads them.

    Embedding, output head, router, norms, hyper-connections and a vision encoder stay in bf16 whatever
    `weights_dtype` says.
    """
    part = parameters(model).by_part
    dtype, bf16 = DTYPE_BYTES[model.dtype("weights")], DTYPE_BYTES["bf16"]
    attention = [attention_weights(model, layer) for layer in range(model.layers)]
    split, keys, whole = (
        sum(getattr(layer, name) for layer in attention) * dtype for name in ("split", "keys", "whole")
    )
    split += (part["dense_ffn"] + part["shared_experts"]) * dtype
    small = (part["router"] + part["norms"] + part["hyper_connections"] + part["encoder"]) * bf16
    small += part["engram_projections"] * dtype  # engines replicate them
    if model.mtp_loaded:
        small += mtp_dense(model) * dtype
    routed = part["routed_experts"] + (mtp_experts(model) if model.mtp_loaded else 0)
    experts = routed * DTYPE_BYTES[model.dtype("experts")]
    embedding, head = part["embedding"], part["lm_head"] + part["medusa"]
    if model.whole_backbone:
        return WeightBytes(
            experts, 0.0, 0.0, split + keys + whole + small + (embedding + head) * bf16, 0.0, 0.0
        )
    return WeightBytes(experts, split, keys, whole + small, embedding * bf16, head * bf16)


def kv_bytes_per_token(model: Model) -> float:
    """KV cache of one token in all layers, all heads, before parallelism and where every window still holds it."""
    if model.attention.kind == "csa":
        return csa.cache_bytes_per_token(model) + _windows(model) * csa.slots(model).window
    cached = sum(len(group.layers) for group in layer_groups(model) if group.attention != "linear")
    return (cached + _drafting_layers(model)) * (
        context_bytes_per_token(model) + index_bytes_per_token(model)
    )


@lru_cache(maxsize=256)
def activation_bytes_per_token(model: Model) -> tuple[float, float]:
    """Live tensors of one token in the widest block: (whole on every rank, split over tensor ranks), bytes.

    Whole: the residual branches twice, block input and output, the memory vector, the inputs of all chosen
    experts. Split: the inner tensors of the wider of attention and feed-forward.
    """
    a, moe = model.attention, model.moe
    whole = (2 * model.hyper_connections + 2) * model.hidden
    if model.engram is not None:
        whole += engram_width(model.engram)
    if a.kind == "mla":
        inner = a.heads * (2 * (a.qk_nope_head_dim + a.qk_rope_head_dim) + 2 * a.v_head_dim)
    elif a.kind == "csa":
        inner = 2 * a.heads * a.head_dim + a.o_groups * a.o_lora_rank
    else:
        inner = 2 * (a.heads + a.kv_heads) * a.head_dim
    inner = max(inner, 3 * model.dense_width, 3 * shared_width(model))
    if moe is not None:
        whole += moe.active_experts * model.hidden
        inner = max(inner, 3 * moe.active_experts * moe.expert_width)
    return whole * ACTIVATION_BYTES + model.workspace_bytes_per_token, inner * ACTIVATION_BYTES


def fit(design: Design, parts: Parts) -> Memory:
    """Place a design's bytes; fields have the shape of the design's fields."""
    model, system, serving = design.model, design.system, design.serving
    placement, host, accelerator = serving.tables, system.host, parts.accelerator
    home, cache = by_tier(placement.tier), by_tier(placement.cache_tier)
    t, d, p = serving.tensor_parallel, serving.data_parallel, serving.pipeline_parallel
    per_node = system.accelerators / np.maximum(system.nodes, 1)

    experts_out = model.moe is not None and host_compute.is_moved(serving.routed_experts_on, accelerator)
    kv_out = host_compute.is_moved(serving.attention_on, accelerator)
    weights = _weights_per_accelerator(design, experts_out)
    models: Number = 1.0
    if model.composition is not None:
        models = _models_held(design, accelerator.unified_memory)
        weights = weights * models
    all_tables = tables.table_bytes(model)
    share = t * p  # accelerators that hold one copy of the tables together
    unified = accelerator.unified_memory
    copies = _copies_per_node(placement.sharing, home, per_node, share, parts.node)
    on_accelerator = choose(home["hbm"], all_tables / share, 0.0)
    shared_dram = choose(home["dram"] & unified, copies * all_tables / per_node, 0.0)
    cached = choose(cache["hbm"], placement.cache_bytes, 0.0)

    whole, split = activation_bytes_per_token(model)
    sequences = np.maximum(serving.concurrency, 1) / d
    per_step_token = whole + split / t
    # engines reserve for a full prefill chunk, whatever arrives
    chunk = 0.0 if serving.phase == "decode" else serving.prefill_chunk * per_step_token
    checked = speculation.speculate(model, serving).tokens_per_step  # a step's tokens of one sequence
    sampled = model.vocab * (checked * (1 + model.medusa_heads) * _LOGIT_BYTES + _SORTING_BYTES)
    beside = np.maximum(checked * per_step_token, sampled)  # per sequence beside its cache
    # the tensors of the layers are gone when tokens are sampled
    activations = np.maximum(chunk, sequences * beside) + model.engine_bytes

    replicas_per_node = per_node / (
        t * d * p
    )  # below 1: a replica has its part of the experts on each of its nodes
    host_experts = choose(experts_out, np.minimum(1.0, replicas_per_node) * weight_bytes(model).experts, 0.0)
    host_tables: dict[str, Number] = {}
    rooms = {
        "dram": host.dram_bytes,
        "cxl": host.cxl_bytes,
        "ssd": host.ssd_bytes,
        "remote": host.remote_bytes,
    }
    for tier in rooms:
        held = choose(home[tier], copies * all_tables, 0.0)
        held = held + choose(cache[tier], placement.cache_bytes, 0.0)
        host_tables[tier] = choose(unified & (tier == "dram"), 0.0, held)

    capacity = accelerator.memory_bytes
    reserve = capacity * (1 - parts.engine.memory_share)
    taken = weights + on_accelerator + shared_dram + cached + activations + reserve
    available = np.maximum(0.0, capacity - taken)

    whole_sequence = kv_bytes_per_sequence(design)
    per_sequence = choose(kv_out, whole_sequence / t, _kv_divided(model, t, whole_sequence)) / p
    per_token = per_sequence / cached_positions(design)
    room = np.maximum(0.0, capacity - (taken - activations + model.engine_bytes))
    within_chunk = np.maximum(0.0, room - chunk) / per_sequence
    possible = np.floor(np.minimum(within_chunk, room / (per_sequence + beside))) * d
    if some(kv_out):
        on_host = np.maximum(0.0, host.dram_bytes - host_experts - host_tables["dram"]) / per_node
        available = choose(kv_out, on_host, available)
        possible = choose(kv_out, np.floor(np.minimum(on_host / per_sequence, room / beside)) * d, possible)
    asked = serving.concurrency > 0
    concurrency = choose(asked, serving.concurrency, np.maximum(1, possible))
    running = concurrency
    if not serving.phase:
        running = choose(taken > capacity, concurrency, np.minimum(concurrency, np.maximum(1, possible)))
    needed = choose(asked, concurrency / d, 1) * per_sequence

    violations: dict[str, Number] = {
        "layout": layout_violation(design),
        "hbm": taken - capacity,
        "kv": needed - available,
    }
    for tier, room in rooms.items():
        violations[tier] = host_tables[tier] - room
    violations["dram"] = violations["dram"] + host_experts
    return Memory(
        capacity_bytes=capacity,
        hbm_bytes=taken - reserve + choose(kv_out, 0.0, needed),
        weights_bytes=weights,
        tables_bytes=on_accelerator + shared_dram,
        cache_bytes=cached,
        activations_bytes=activations,
        reserve_bytes=reserve,
        kv_bytes_available=available,
        kv_bytes_per_token=per_token,
        kv_tokens=np.floor(available / per_token),
        concurrency=concurrency,
        running=running,
        copies_per_node=copies,
        models=models,
        host_experts=host_experts,
        host_kv=choose(kv_out, needed * per_node, 0.0),
        host_tables=host_tables,
        violations=violations,
    )


def replicas(design: Design) -> Number:
    """Copies of the model that the accelerators hold, at least one."""
    s = design.serving
    group = s.tensor_parallel * s.data_parallel * s.pipeline_parallel
    return np.maximum(1, design.system.accelerators // group)


def layout_violation(design: Design) -> Number:
    """How far the parallel degrees miss what divides evenly, as a sum of remainders; 0 where they fit.

    A KV budget that its own window fills counts as one.
    """
    model, system, serving = design.model, design.system, design.serving
    t, d, p, e = (
        serving.tensor_parallel,
        serving.data_parallel,
        serving.pipeline_parallel,
        serving.expert_parallel,
    )
    a = model.attention
    broken = system.accelerators % (t * d * p) + system.accelerators % system.nodes
    broken = broken + a.heads % t + np.maximum(0, p - model.layers)
    if a.kind == "gqa":
        broken = broken + np.minimum(a.kv_heads % t, t % a.kv_heads)
    split = (e - 1) if model.moe is None else (t * d) % e + model.moe.routed_experts % e
    broken = broken + split
    if _attention_stays(model):
        broken = broken + np.equal(serving.attention_on, "host")
    # SnapKV's window is part of what it keeps
    return broken + np.logical_and(serving.kv_budget > 0, serving.kv_budget <= serving.kv_window)


def layout_reasons(design: Design) -> list[str]:
    """What of a scalar design does not divide evenly, in words; empty where `layout_violation` is 0."""
    model, system, s = design.model, design.system, design.serving
    t, d, p, e = s.tensor_parallel, s.data_parallel, s.pipeline_parallel, s.expert_parallel
    heads, keys = model.attention.heads, model.attention.kv_heads
    rules = [
        (system.accelerators % (t * d * p), f"{system.accelerators} accelerators are no multiple of "
         f"tensor_parallel x data_parallel x pipeline_parallel = {t * d * p}"),
        (system.accelerators % system.nodes, f"{system.accelerators} accelerators over {system.nodes} nodes"),
        (heads % t, f"tensor_parallel must divide the {heads} attention heads, got {t}"),
        (p > model.layers, f"pipeline_parallel must be at most the {model.layers} layers, got {p}"),
    ]  # fmt: skip
    if model.attention.kind == "gqa":
        rules.append(
            (min(keys % t, t % keys), f"tensor_parallel {t} and {keys} KV heads: one must divide the other")
        )
    if model.moe is None:
        rules.append((e > 1, f"expert_parallel must be 1, since the model has no experts; got {e}"))
    else:
        experts = model.moe.routed_experts
        rules.append(
            ((t * d) % e, f"expert_parallel must divide tensor_parallel x data_parallel = {t * d}, got {e}")
        )
        rules.append((experts % e, f"expert_parallel must divide the {experts} experts, got {e}"))
    if str(s.attention_on) == "host" and _attention_stays(model):
        rules.append((True, "attention_on: host needs a whole cache to read: no indexer, no linear layers"))
    cut = 0 < s.kv_budget <= s.kv_window
    rules.append((cut, f"kv_budget must be above kv_window ({s.kv_window}), got {s.kv_budget}"))
    return [words for broken, words in rules if broken]


def _attention_stays(model: Model) -> bool:
    """Whether a model's decode attention cannot be the processors': only reading whole caches is modelled there."""
    return model.attention.kind == "csa" or bool(
        model.attention.linear_value_heads or model.attention.index_heads
    )


def _models_held(design: Design, unified: Any) -> Number:
    """Models of a composition that accelerator memory must hold: the router, and the hot experts that are asked for.

    Without a number one expert; those that the KV cache leaves room for come on top (composition.py).
    """
    composed, serving = design.model.composition, design.serving
    assert composed is not None
    home = by_tier(serving.composition_tier)
    hot = np.clip(serving.composition_hot, 1, composed.experts)
    return composed.router_scale + choose(home["hbm"] | (home["dram"] & unified), composed.experts, hot)


def _weights_per_accelerator(design: Design, experts_out: Flag = False) -> Number:
    """Bytes of one model without its tables on the fullest accelerator; of a composition, of one expert.

    experts_out: where the routed experts lie in host memory.
    """
    model, s = design.model, design.serving
    t, d, p = s.tensor_parallel, s.data_parallel, s.pipeline_parallel
    w = weight_bytes(model)
    keys = w.keys / np.minimum(t, model.attention.kv_heads) if w.keys else 0.0
    experts = w.experts * expert_padding(design) / (t * d * p) if w.experts else 0.0
    experts = choose(experts_out, 0.0, experts)
    layers = experts + (w.split / t + keys + w.whole) / p
    # the fuller of the two ends where a pipeline has ends of its own
    ends = choose(p > 1, max(w.embedding, w.head), w.embedding + w.head) / t
    return layers + ends


def expert_padding(design: Design) -> Number:
    """Bytes of a four-bit expert on the ranks that share it, over those of its checkpoint.

    Kernels want a rank's width in multiples of 64 at least (vLLM, fused_moe/oracle/mxfp4.py: 64 to 256 by kernel).
    """
    model, s = design.model, design.serving
    if model.moe is None or model.dtype("experts") not in ("mxfp4", "nvfp4"):
        return 1.0
    ranks = np.maximum(s.tensor_parallel * s.data_parallel / s.expert_parallel, 1)
    part = model.moe.expert_width / ranks
    return np.ceil(part / _FOUR_BIT_MULTIPLE) * _FOUR_BIT_MULTIPLE / part


def _copies_per_node(
    sharing: Name, home: dict[str, Any], per_node: Number, share: Number, node: Node
) -> Number:
    """Copies of the tables in a node's host memory.

    "rank": every data-parallel rank has its own, split over its tensor-parallel ranks. "numa", "node": one
    per NUMA node or node. A replica over several nodes keeps its part on each. CXL, disks, remote: one.
    """
    ranks = per_node / share
    wanted = choose(sharing == "rank", ranks, choose(sharing == "numa", node.numa_nodes, 1))
    alone = home["ssd"] | home["cxl"] | home["remote"]
    return choose(ranks < 1, ranks, choose(alone, np.minimum(wanted, 1), wanted))


def kv_bytes_per_sequence(design: Design) -> Number:
    """KV cache that a whole sequence may take, all layers, before parallelism: no sequence has to be evicted.

    A layer with a window holds it, and the chunk of the prompt that is being read (vLLM: SlidingWindowSpec,
    window - 1 + max_num_batched_tokens).
    """
    model, positions = design.model, cached_positions(design)
    size = context_bytes_per_token(model) + index_bytes_per_token(model)
    if model.attention.kind == "csa":
        held = _in_window(design, model.attention.sliding_window)
        return positions * csa.cache_bytes_per_token(model) + held * _windows(model) * csa.slots(model).window
    total: Number = positions * _drafting_layers(model) * size
    for group in layer_groups(model):
        if group.attention == "linear":
            total = total + len(group.layers) * linear_attention.state_bytes(model.attention)
        else:
            kept = _in_window(design, group.window) if group.window else positions
            total = total + len(group.layers) * kept * size
    return total


def cached_positions(design: Design) -> Number:
    """Positions of a sequence at its full length that stay in the cache: prompt, or its SnapKV budget, and output."""
    serving = design.serving
    budget = serving.kv_budget
    prompt = choose(budget > 0, np.minimum(serving.input_tokens, budget), serving.input_tokens)
    return prompt + (0 if serving.phase else serving.output_tokens)


def _in_window(design: Design, window: int) -> Number:
    chunk = 0 if design.serving.phase == "decode" else design.serving.prefill_chunk - 1
    return np.minimum(cached_positions(design), window + chunk)


def _drafting_layers(model: Model) -> int:
    return model.mtp_layers if model.mtp_loaded else 0


def _windows(model: Model) -> int:
    """Layers of "csa" that keep a window: all, and those of a drafter."""
    return model.layers + _drafting_layers(model)


def _kv_divided(model: Model, t: Number, bytes_: Number) -> Number:
    """A tensor rank's part: its own KV heads, at least one; the one latent of MLA whole."""
    if model.attention.kind != "gqa":
        return bytes_
    return bytes_ / np.minimum(t, model.attention.kv_heads)
