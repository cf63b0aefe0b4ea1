"""Which field of a Hugging Face config stands for which field of a Model, family by family.

Sources: the configuration classes of huggingface/transformers (llama, qwen3, qwen3_moe, mixtral,
deepseek_v3), the released config.json of DeepSeek-V4.1-Flash (docs.nvidia.com NeMo AutoModel, docs.vllm.ai), of
Qwen3.8-Flash-Next and of meituan-longcat/LongCat-Flash.
"""

from dataclasses import dataclass
from typing import Any

from cost_models import designfields as rules
from cost_models.designfields import Rule

REQUIRED = object()


@dataclass(frozen=True)
class Field:
    """One config field: where its value goes ("attention.heads"), the rule it keeps to, and what absence means."""

    key: str
    target: str
    rule: Rule
    default: Any = REQUIRED


def _field(key: str, target: str, default: Any = REQUIRED) -> Field:
    record, _, name = target.rpartition(".")
    table = {
        "": rules.MODEL,
        "attention": rules.ATTENTION,
        "moe": rules.MIXTURE_OF_EXPERTS,
        "engram": rules.ENGRAM,
    }
    return Field(key, target, table[record][name], default)


_COMMON = (
    _field("hidden_size", "hidden"),
    _field("vocab_size", "vocab"),
    _field("tie_word_embeddings", "tied_embeddings", False),
    # Not of the released configs: what only a study chooses.
    _field("medusa_num_heads", "medusa_heads", 0),
)
_LAYERS = (_field("num_hidden_layers", "layers"),)
_DENSE = (_field("intermediate_size", "dense_width"),)
_GQA = (
    _field("num_attention_heads", "attention.heads"),
    _field("num_key_value_heads", "attention.kv_heads", None),  # None: as many as heads
    _field("head_dim", "attention.head_dim", None),  # None: hidden_size / heads
    _field("attention_bias", "attention.bias", False),
)
_MLA = (
    _field("num_attention_heads", "attention.heads"),
    Field("q_lora_rank", "attention.q_lora_rank", Rule("integer", 0, 1e6, null=0), 0),  # type: ignore[arg-type]
    _field("kv_lora_rank", "attention.kv_lora_rank"),
    _field("qk_nope_head_dim", "attention.qk_nope_head_dim"),
    _field("qk_rope_head_dim", "attention.qk_rope_head_dim"),
    _field("v_head_dim", "attention.v_head_dim"),
    _field("attention_bias", "attention.bias", False),
)
_QWEN_MOE = (
    _field("num_experts", "moe.routed_experts"),
    _field("num_experts_per_tok", "moe.active_experts"),
    _field("moe_intermediate_size", "moe.expert_width"),
    _field("decoder_sparse_step", "moe.layer_step", 1),
)
_DEEPSEEK_MOE = (
    _field("n_routed_experts", "moe.routed_experts"),
    _field("num_experts_per_tok", "moe.active_experts"),
    _field("n_shared_experts", "moe.shared_experts", 0),
    _field("moe_intermediate_size", "moe.expert_width"),
    _field("first_k_dense_replace", "moe.leading_dense_layers", 0),
    _field("moe_layer_freq", "moe.layer_step", 1),
    _field("shared_expert_intermediate_size", "moe.shared_expert_width", 0),
)
# DeepSeek-V4.1 (config.json of the release): one latent for all heads, compressed caches shared by layers.
_CSA = (
    _field("num_attention_heads", "attention.heads"),
    _field("num_key_value_heads", "attention.kv_heads", 1),
    _field("head_dim", "attention.head_dim"),
    _field("qk_rope_head_dim", "attention.qk_rope_head_dim"),
    Field("q_lora_rank", "attention.q_lora_rank", Rule("integer", 1, 1e6)),
    Field("o_lora_rank", "attention.o_lora_rank", Rule("integer", 1, 1e6)),
    _field("o_groups", "attention.o_groups"),
    Field("sliding_window", "attention.sliding_window", Rule("integer", 1, 1e9)),
    _field("compress_ratios", "attention.compress_ratios"),
    _field("kv_source_layer_ids", "attention.kv_source_layers"),
    _field("index_source_layer_ids", "attention.index_source_layers"),
    _field("index_n_heads", "attention.index_heads"),
    _field("index_head_dim", "attention.index_head_dim"),
    Field("index_topk", "attention.index_topk", Rule("integer", 1, 1e9)),
    _field("candidate_source_layer_id", "attention.candidate_source_layer", -1),
    _field("candidate_positions", "attention.candidates", 0),
)
# Qwen3.8: linear attention in most layers, an indexer in the others.
_LINEAR = (
    _field("linear_num_key_heads", "attention.linear_key_heads", 0),
    _field("linear_num_value_heads", "attention.linear_value_heads", 0),
    _field("linear_key_head_dim", "attention.linear_key_dim", 0),
    _field("linear_value_head_dim", "attention.linear_value_dim", 0),
    _field("linear_conv_kernel_dim", "attention.linear_kernel", 0),
    _field("indexer_n_heads", "attention.index_heads", 0),
    _field("indexer_head_dim", "attention.index_head_dim", 0),
    _field("indexer_budget", "attention.index_topk", 0),
    _field("indexer_compress_ratio", "attention.index_ratio", 1),
    _field("attn_output_gate", "attention.output_gate", True),
)
_MTP = (_field("num_nextn_predict_layers", "mtp_layers", 0), _field("mtp_loaded", "mtp_loaded", False))
_DSPARK = (
    _field("dspark_n_routed_experts", "mtp_experts", 0),
    _field("dspark_markov_rank", "mtp_rank", 0),
    _field("encoder_parameters", "encoder_parameters", 0),
    _field("prefill_layers", "prefill_layers", 0),
)
_HYPER = (_field("hc_mult", "hyper_connections", 1),)

# Engram fields as DeepSeek-V4.1 names them, next to any backbone; those after the first seven are ours.
ENGRAM = (
    _field("engram_layer_ids", "engram.layer_ids"),
    _field("engram_max_ngram_size", "engram.max_order"),
    _field("engram_vocab_size", "engram.vocab_size"),
    _field("engram_n_heads", "engram.heads"),
    _field("engram_head_dim", "engram.head_dim"),
    _field("engram_pad_token_id", "engram.pad_token_id", 2),
    _field("engram_compressed_vocab_size", "engram.compressed_vocab_size", 0),
    _field("engram_kernel_size", "engram.kernel_size", None),  # None: as the family has it
    _field("engram_gated", "engram.gated", True),
    _field("engram_hash_layout", "engram.hash_layout", "independent"),
    _field("engram_scale_bytes_per_row", "engram.scale_bytes_per_row", 0.0),
    _field("engram_row_rule", "engram.row_rule", "prime"),
    _field("engram_rows_multiple_of", "engram.rows_multiple_of", 1),
    _field("engram_input_only", "engram.input_only", False),
)


@dataclass(frozen=True)
class Family:
    """How the configs of one `model_type` read.

    fields: all of them; constant: fields of the Model that every config of the family has alike.
    prefixes: fields with one of these beginnings that are not known are refused as slips of the keyboard.
    """

    fields: tuple[Field, ...]
    constant: dict[str, Any]
    architecture: str
    prefixes: tuple[str, ...] = ("engram_",)
    engram_kernel_size: int = 4


_GQA_MODEL: dict[str, Any] = {"attention.kind": "gqa"}
_MLA_MODEL: dict[str, Any] = {"attention.kind": "mla"}
_BASE = _COMMON + _LAYERS + _DENSE
LATENT_V41 = "deepseek_v41 with kv_lora_rank"
# Engines split only its experts and tables over ranks, and take memory beside weights and cache: scratch per token of a
# step (SemiAnalysisAI/InferenceX #3320: 32 GiB at 16,384 tokens), and 8.1 GiB in all (vllm #57491, startup at TP 2,
# DP 2: 87.62 GiB of weights and memory outside of tensors, of which 79.5 GiB are weights as counted here).
_DEEPSEEK_V41_SERVED: dict[str, Any] = {
    "whole_backbone": True, "workspace_bytes_per_token": 2.0**21, "engine_bytes": 8.1 * 2.0**30,
}  # fmt: skip

FAMILIES = {
    "llama": Family(_BASE + _GQA, _GQA_MODEL, "LlamaForCausalLM"),
    "qwen3": Family(_BASE + _GQA, _GQA_MODEL | {"attention.qk_norm": True}, "Qwen3ForCausalLM"),
    "qwen3_moe": Family(
        _BASE + _GQA + _QWEN_MOE, _GQA_MODEL | {"attention.qk_norm": True}, "Qwen3MoeForCausalLM"
    ),
    "mixtral": Family(
        _BASE
        + _GQA
        + (
            _field("num_local_experts", "moe.routed_experts"),
            _field("num_experts_per_tok", "moe.active_experts"),
        ),
        _GQA_MODEL,
        "MixtralForCausalLM",
    ),
    "deepseek_v3": Family(_BASE + _MLA + _DEEPSEEK_MOE + _MTP, _MLA_MODEL, "DeepseekV3ForCausalLM"),
    "deepseek_v41": Family(
        _COMMON
        + _LAYERS
        + (_field("intermediate_size", "dense_width", 0),)
        + _CSA
        + _DEEPSEEK_MOE
        + _MTP
        + _DSPARK
        + _HYPER,
        {"attention.kind": "csa"} | _DEEPSEEK_V41_SERVED,
        "DeepseekV41ForCausalLM",
        engram_kernel_size=0,
    ),
    # The same with the attention of DeepSeek-V3.
    LATENT_V41: Family(
        _BASE + _MLA + _DEEPSEEK_MOE + _MTP + _HYPER,
        _MLA_MODEL | _DEEPSEEK_V41_SERVED,
        "DeepseekV41ForCausalLM",
        engram_kernel_size=0,
    ),
    "qwen4_exp": Family(
        _COMMON
        + _LAYERS
        + (_field("intermediate_size", "dense_width", 0),)  # no layer of the release is dense
        + _GQA
        + _LINEAR
        + _QWEN_MOE
        + (
            _field("shared_expert_intermediate_size", "moe.shared_expert_width", 0),
            _field("hc_count", "hyper_connections", 1),
            _field("hc_lowrank", "hyper_connection_rank", 0),
            _field("mtp_num_hidden_layers", "mtp_layers", 0),
            _field("encoder_parameters", "encoder_parameters", 0),
        ),
        _GQA_MODEL | {"attention.qk_norm": True},
        "Qwen4ExpForCausalLM",
        prefixes=("engram_", "ple_", "ngram_"),
    ),
    "longcat_flash": Family(
        _COMMON
        + _MLA
        + (
            _field("num_layers", "layers"),
            _field("ffn_hidden_size", "dense_width"),
            _field("n_routed_experts", "moe.routed_experts"),
            _field("moe_topk", "moe.active_experts"),
            _field("expert_ffn_hidden_size", "moe.expert_width"),
        ),
        _MLA_MODEL,
        "LongcatFlashForCausalLM",
        prefixes=("engram_", "ngram_", "emb_"),
    ),
    # The models of arXiv 2601.07372 and whatever a study derives from any family: every field of a Model.
    "engram": Family(_BASE + _MLA + _DEEPSEEK_MOE + _MTP + _HYPER, _MLA_MODEL, "EngramForCausalLM"),
    "engram_gqa": Family(
        _BASE + _GQA + (_field("qk_norm", "attention.qk_norm", False),) + _DEEPSEEK_MOE + _MTP + _HYPER,
        _GQA_MODEL,
        "EngramForCausalLM",
    ),
}
ALIASES = {
    "mistral": "llama", "deepseek_v2": "deepseek_v3", "longcat_flash_ngram": "longcat_flash",
    "deepseek_v41_text": "deepseek_v41", "qwen4_exp_text": "qwen4_exp",
}  # fmt: skip
# Families whose configs may leave the experts out: a dense model then.
EXPERTS_ARE_OPTIONAL = ("deepseek_v3", "deepseek_v41", "qwen4_exp", "engram", "engram_gqa")
