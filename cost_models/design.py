"""The records that a cost model reads: design = model + system + serving (+ limits).

SI units throughout (bytes, seconds, watts, dollars). A field typed `Number` may be a float or a NumPy array of
shape (designs,): the same formulas score one design and a million. A model is always one model.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Number = float | int | NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
Name = str | NDArray[np.str_]
Flag = bool | NDArray[np.bool_]

GIB = 2**30

# Bytes per stored value. Block-scaled formats carry one scale per block: mxfp4 8 bits per 32 values, nvfp4
# 8 bits per 16 values (OCP Microscaling v1.0; NVIDIA NVFP4 format description); llama.cpp's q8_0 16 bits per 32
# values. q4_k_m is a mixture of 4.5 and 6.6 bits, 4.89 on average in Llama 3.1 8B (tools/quantize/README.md).
DTYPE_BYTES = {
    "fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0,
    "mxfp4": 0.5 + 1 / 32, "nvfp4": 0.5 + 1 / 16, "int4": 0.5,
    "q8_0": 1 + 1 / 16, "q4_k_m": 4.89 / 8,
}  # fmt: skip

TIERS = ("hbm", "dram", "cxl", "ssd", "remote")
PROCESSORS = ("accelerator", "host")
ENGINES = ("vllm", "sglang", "tensorrt-llm")


@dataclass(frozen=True)
class Attention:
    """Self-attention of every layer.

    kind "gqa": grouped-query attention (multi-head where kv_heads == heads).
    kind "mla": multi-head latent attention of DeepSeek-V2 (arXiv 2405.04434); the latent ranks are then > 0.
    kind "csa": compressed sparse attention of DeepSeek-V4.1 (csa.py): one latent of head_dim per token serves all
        heads; every layer sees a window of it, and most see `index_topk` entries of a cache that few layers own.
    linear_value_heads > 0: layers outside full_attention_layers have linear attention (gated delta rule).
    """

    kind: str
    heads: int
    kv_heads: int
    head_dim: int
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    qk_norm: bool = False
    bias: bool = False
    sliding_window: int = 0  # tokens; 0: full attention
    # layers without the window or with softmax attention (others have it, or are linear), or empty: all alike
    full_attention_layers: tuple[int, ...] = ()
    output_gate: bool = False  # the query projection also gives a gate of the output, as wide as the heads
    # an indexer picks the cached entries that a query sees: its heads and width, how many, tokens per entry
    index_heads: int = 0
    index_head_dim: int = 0
    index_topk: int = 0
    index_ratio: int = 1
    # "csa": low-rank grouped output; tokens per cached entry by layer (0: the window alone); who owns a cache, who
    # runs an indexer; layers after candidate_source_layer only score its `candidates` best entries
    o_lora_rank: int = 0
    o_groups: int = 1
    compress_ratios: tuple[int, ...] = ()
    kv_source_layers: tuple[int, ...] = ()
    index_source_layers: tuple[int, ...] = ()
    candidate_source_layer: int = -1
    candidates: int = 0
    # linear attention: heads and widths of keys and values, and the short convolution before them
    linear_key_heads: int = 0
    linear_value_heads: int = 0
    linear_key_dim: int = 0
    linear_value_dim: int = 0
    linear_kernel: int = 0


@dataclass(frozen=True)
class MixtureOfExperts:
    """DeepSeek-style mixture of experts; widths are the inner (SwiGLU) widths."""

    routed_experts: int
    active_experts: int
    shared_experts: int
    expert_width: int
    leading_dense_layers: int = 0
    shared_expert_width: int = 0  # 0: as a routed expert
    layer_step: int = (
        1  # after the leading dense layers every layer_step-th layer has experts, the others are dense
    )


@dataclass(frozen=True)
class Engram:
    """Hashed N-gram tables as conditional memory (arXiv 2601.07372).

    For every layer in `layer_ids` (counted from 0), order n = 2..max_order and hash head there is one table of
    rows x head_dim values; the number of rows is a prime (see tables.py). Concatenated over orders and heads the
    rows of one layer form the memory vector of width d_mem = (max_order - 1) * heads * head_dim.
    """

    layer_ids: tuple[int, ...]
    max_order: int
    heads: int
    head_dim: int
    vocab_size: int  # rows of one table before the prime rule
    compressed_vocab_size: int = 0
    kernel_size: int = 4  # short depthwise convolution; 0: none (DeepSeek-V4.1)
    gated: bool = True
    hash_layout: str = "independent"  # or "blocked": all heads of an N-gram lie in one 4 KiB block
    pad_token_id: int = 2
    scale_bytes_per_row: float = 0.0  # block scales stored with a row (DeepSeek-V4.1: 8 B)
    # "prime": the rule of the paper; "base_up": primes upward from vocab_size per order and head (Qwen3.8);
    # "exact": vocab_size + 2 i + 1 rows in table i (LongCat)
    row_rule: str = "prime"
    rows_multiple_of: int = 1  # all tables of a layer together are padded to a multiple of this (Qwen3.8)
    input_only: bool = False  # added to the token embedding instead of to a layer (LongCat)


@dataclass(frozen=True)
class Composition:
    """Many whole models of one shape behind a router, which gives each request to one of them (arXiv 2405.07518).

    experts: how many. router_scale: size of the router, which reads each prompt first, relative to an expert; it
    always lies in accelerator memory. 0: requests say which expert they want.
    """

    experts: int
    router_scale: float = 1.0


@dataclass(frozen=True)
class Model:
    """One language model: all that parameters, FLOPs and bytes follow from; with a composition, each of its experts."""

    name: str
    layers: int
    hidden: int
    vocab: int
    attention: Attention
    dense_width: int  # inner width of the dense (non-expert) feed-forward layers
    moe: MixtureOfExperts | None = None
    engram: Engram | None = None
    composition: Composition | None = None
    tied_embeddings: bool = False
    hyper_connections: int = 1  # residual branches; 1: a plain residual stream
    hyper_connection_rank: int = 0  # > 0: gates of this rank mix the branches (Qwen3.8) instead of matrices
    mtp_layers: int = 0  # multi-token-prediction layers stored with the model (not run in plain decoding)
    mtp_experts: int = 0  # routed experts of each of them; 0: as many as the model's layers
    mtp_rank: int = 0  # rank of the Markov head that follows them (DeepSeek-V4.1's DSpark)
    mtp_loaded: bool = False  # served with them as its drafter: their weights and KV cache take memory
    encoder_parameters: int = 0  # a vision encoder: bf16 on every rank, not run for text
    prefill_layers: int = 0  # layers that the tokens of a prompt run through; 0: all
    medusa_heads: int = 0
    family: str = ""  # the `model_type` of the Hugging Face config this came from
    weights_dtype: str = "bf16"
    experts_dtype: str = ""  # "": as weights_dtype
    tables_dtype: str = ""
    kv_dtype: str = ""
    # Tensor-parallel ranks split only routed experts and tables; everything else stands whole on each of them
    # (DeepSeek-V4.1-Flash: 256 GiB / ranks + 17.2 GiB, SemiAnalysisAI/InferenceX #3337).
    whole_backbone: bool = False
    # Scratch memory per token of a step beside activations (DeepSeek-V4.1-Flash: the indexer of its sparse
    # attention takes 32 GiB at 16,384 tokens, SemiAnalysisAI/InferenceX #3320).
    workspace_bytes_per_token: float = 0.0
    # Memory of the engine beside weights and tensors: communicators, contexts, workspaces of kernels.
    engine_bytes: float = 0.0

    def dtype(self, part: str) -> str:
        """The stored type of a part: "weights", "experts", "tables" or "kv"."""
        return getattr(self, f"{part}_dtype") or ("bf16" if part == "kv" else self.weights_dtype)


@dataclass(frozen=True)
class Host:
    """Memory of one node beside its accelerators, in bytes; `*_tier` names an entry of the tier catalogue."""

    dram_bytes: Number = 0.0
    cxl_bytes: Number = 0.0
    ssd_bytes: Number = 0.0
    ssd_drives: Number = 0
    sockets: Number = 0  # processors of a node; 0: by the number of accelerators (catalogue/node.yaml)
    cpu: Name = "generic-epyc-9755"
    dram_tier: Name = "ddr5-rdimm"
    cxl_tier: Name = "cxl-direct"
    ssd_tier: Name = "nvme-tlc-gen5"
    remote_tier: Name = "rdma-400g"
    # A store on other machines, or a pooled cxl_tier: the bytes are of the whole pool, which all nodes share.
    remote_bytes: Number = 0.0


@dataclass(frozen=True)
class System:
    """Accelerators and hosts. `accelerators` counts all of them, over all nodes.

    hbm_bytes: memory per accelerator; None: as sold. Another amount makes a hypothetical part whose bandwidth,
    power and price follow by the rules of parts.py.
    """

    accelerator: Name = "h100-sxm"
    accelerators: Number = 8
    nodes: Number = 1
    host: Host = field(default_factory=Host)
    hbm_bytes: Number | None = None
    # Over the part as sold (bandwidth: over the part with this amount of memory); catalogue/hypothetical.py.
    bandwidth_scale: Number = 1.0
    peak_scale: Number = 1.0
    scale_up_scale: Number = 1.0


@dataclass(frozen=True)
class TablePlacement:
    """Where the Engram tables lie, and the cache in front of them (cache_tier "": none)."""

    tier: Name = "hbm"
    prefetch: Flag = True
    cache_tier: Name = ""
    cache_bytes: Number = 0.0
    cache_policy: Name = "lru"  # or "s3-fifo": which row the cache gives up (replacement.py)
    sharing: Name = "node"  # copies in host memory: one per "rank", "numa" node or "node"
    traffic: str = "bundled-text"  # the traffic profile that hit rates and unique fractions come from
    staged: Flag = False  # rows of a prompt are read while its request waits, before the prefill starts


@dataclass(frozen=True)
class Serving:
    """How the model is served. One replica = tensor_parallel x data_parallel x pipeline_parallel accelerators.

    phase "": a whole request mix; "prefill" or "decode": one step only.
    input_tokens: prompt length; for phase "decode" the context already in the cache.
    concurrency: sequences in flight per replica.
    request_rate: requests a second that arrive at the whole system, of which `concurrency` then follows; 0: that many.
    engine: "" for none in particular; its host time between steps is then that of no measured one (engines.yaml).
    output_spread: standard deviation of the answers' lengths over their mean. Of requests in flight the long ones are
        more than their share, so that caches are longer than half the mean answer says.
    waves: requests of one length start together and the engine reads all of their prompts before it goes on, as a
        benchmark with a fixed number of equal requests does to an engine that puts prompts first.
    """

    tensor_parallel: Number = 1
    expert_parallel: Number = 1
    data_parallel: Number = 1
    pipeline_parallel: Number = 1
    phase: str = ""
    input_tokens: Number = 4096
    output_tokens: Number = 512
    concurrency: Number = 8
    prefill_chunk: Number = 8192  # tokens; longer prompts are read in chunks
    tables: TablePlacement = field(default_factory=TablePlacement)
    kv_budget: Number = 0  # SnapKV: prompt positions kept per head; 0: all
    kv_window: Number = 32  # SnapKV: last queries of the prompt, whose attention chooses them
    kv_pooling: Number = 7  # SnapKV: neighbours that an attended position keeps beside it (odd); 1: none
    medusa_tree: Number = (
        63  # guesses that a decode step checks beside the certain token; idle without Medusa heads
    )
    medusa_acceptance: str = (
        "published"  # how often the heads are right: or a file that a proxy's were measured to
    )
    # A composition of experts: where all of them lie, beside the hot ones in accelerator memory ("hbm": all are hot)
    composition_tier: Name = "dram"
    composition_hot: Number = 0  # hot experts per replica; 0: as many as the KV cache leaves room for
    composition_popularity: Number = 1.0  # Zipf exponent of how often each is asked for; 0: all alike
    composition_links: Number = 0  # host links that load one expert at once; 0: those of all its accelerators
    composition_prefetch: Flag = False  # the next expert is loaded while requests of another are answered
    # What the processors of the host compute in its DRAM ("host"), beside accelerators that do the rest; a part that
    # is its own host, or shares its memory, ignores both (host_compute.py).
    routed_experts_on: Name = "accelerator"  # routed experts, whose weights then lie in DRAM
    attention_on: Name = "accelerator"  # decode attention, with the KV cache in DRAM
    utilisation: Number | None = None  # share of hours the system is busy; None: the catalogue's convention
    request_rate: Number = 0.0
    output_spread: Number = 0.0
    waves: Flag = False
    engine: Name = ""


def _training_system() -> System:
    return System("h100-sxm", 64, 8, Host(dram_bytes=2048.0 * GIB))


@dataclass(frozen=True)
class TrainingRun:
    """Training a design's model from scratch, on accelerators of its own; what it costs then counts (training_cost.py).

    tokens: of text, 0: tokens_per_parameter for each active parameter. sequences, length: of an optimizer step.
    dtype: of weights and products, "bf16" or "fp8". tables: "hbm", sharded with their rows sent all to all, or "dram",
    in host memory; "": whichever is faster. nodes_per_token: on which a token's experts lie at most, by node-limited
    routing; 0: on any.
    """

    system: System = field(default_factory=_training_system)
    tokens: float = 0.0
    tokens_per_parameter: float = 20.0
    sequences: int = 1024
    length: int = 4096
    dtype: str = "bf16"
    tables: str = ""
    nodes_per_token: int = 0


@dataclass(frozen=True)
class Limits:
    """What a design must keep to; None: no limit. Each gives a signed violation (> 0: broken)."""

    ttft_s: Number | None = None
    tpot_s: Number | None = None
    power_w: Number | None = None
    capex_usd: Number | None = None
    usd_per_mtok: Number | None = None
    bits_per_byte: Number | None = None


@dataclass(frozen=True)
class Design:
    """One model on one system with one way of serving; or one model with arrays of the other two."""

    model: Model
    system: System = field(default_factory=System)
    serving: Serving = field(default_factory=Serving)
    limits: Limits = field(default_factory=Limits)
    training: TrainingRun | None = None  # None: not asked for
