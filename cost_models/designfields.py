"""What each field of a design file may hold: the one table that `designfile` reads and writes by.

A key here is a field of the records in design.py; one whose name in the file differs (GiB for bytes) says so.
The upper bounds are far beyond any machine: they are there to refuse slips of the keyboard and hostile files.
"""

import math
from dataclasses import dataclass

from cost_models.design import DTYPE_BYTES, ENGINES, GIB, PROCESSORS, TIERS
from cost_models.replacement import POLICIES

DTYPES = tuple(DTYPE_BYTES)


@dataclass(frozen=True)
class Rule:
    """The values one field may hold.

    kind: "integer", "number", "flag", "text" or "integers" (a list).
    low, high: inclusive bounds of numbers; above: exclusive lower bound.
    null: what an explicit null stands for; the string "refused" where null is not allowed.
    key, scale: the field's name in the file, and the file's unit in the record's unit.
    """

    kind: str
    low: float = 0.0
    high: float = math.inf
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    null: str | None = "refused"
    key: str = ""
    scale: int = 1

    def sentence(self) -> str:
        """What the value must be, for an error message."""
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        if self.kind in ("integer", "number"):
            noun = "a whole number" if self.kind == "integer" else "a number"
            lower = f"above {self.above:g}" if self.above > -math.inf else f">= {self.low:g}"
            return f"must be {noun} {lower}" + (f" and <= {self.high:g}" if self.high < math.inf else "")
        return {
            "flag": "must be true or false",
            "text": "must be a text",
            "integers": "must be a list of whole numbers",
        }[self.kind]


def _integer(low: int = 0, high: float = 1e6) -> Rule:
    return Rule("integer", low, high)


def _gib(key: str) -> Rule:
    return Rule("number", 0, 1e9, key=key, scale=GIB)


_TEXT = Rule("text")
_FLAG = Rule("flag")
_DTYPE = Rule("text", choices=DTYPES)
_DTYPE_OR_NULL = Rule("text", choices=DTYPES, null="")
_LIMIT = Rule("number", 0, 1e18, null=None)

MODEL = {
    "name": _TEXT,
    "layers": _integer(1, 4096),
    "hidden": _integer(1, 1e6),
    "vocab": _integer(1, 1e8),
    "dense_width": _integer(0, 1e7),
    "tied_embeddings": _FLAG,
    "hyper_connections": _integer(1, 64),
    "hyper_connection_rank": _integer(),
    "mtp_layers": _integer(0, 64),
    "mtp_experts": _integer(),
    "mtp_rank": _integer(),
    "mtp_loaded": _FLAG,
    "encoder_parameters": _integer(0, 1e12),
    "prefill_layers": _integer(0, 4096),
    "medusa_heads": _integer(0, 64),
    "family": _TEXT,
    "weights_dtype": _DTYPE,
    "experts_dtype": _DTYPE_OR_NULL,
    "tables_dtype": _DTYPE_OR_NULL,
    "kv_dtype": _DTYPE_OR_NULL,
    "whole_backbone": _FLAG,
    "workspace_bytes_per_token": Rule("number", 0, 1e12),
    "engine_bytes": Rule("number", 0, 1e15),
}

ATTENTION = {
    "kind": Rule("text", choices=("gqa", "mla", "csa")),
    "heads": _integer(1, 65536),
    "kv_heads": _integer(1, 65536),
    "head_dim": _integer(1, 65536),
    "q_lora_rank": _integer(),
    "kv_lora_rank": _integer(),
    "qk_nope_head_dim": _integer(0, 65536),
    "qk_rope_head_dim": _integer(0, 65536),
    "v_head_dim": _integer(0, 65536),
    "qk_norm": _FLAG,
    "bias": _FLAG,
    "sliding_window": _integer(0, 1e9),
    "full_attention_layers": Rule("integers", 0, 4095),
    "output_gate": _FLAG,
    "index_heads": _integer(0, 65536),
    "index_head_dim": _integer(0, 65536),
    "index_topk": _integer(0, 1e9),
    "index_ratio": _integer(1, 1e6),
    "o_lora_rank": _integer(),
    "o_groups": _integer(1, 65536),
    "compress_ratios": Rule("integers", 0, 1e6),
    "kv_source_layers": Rule("integers", 0, 4095),
    "index_source_layers": Rule("integers", 0, 4095),
    "candidate_source_layer": _integer(-1, 4095),
    "candidates": _integer(0, 1e9),
    "linear_key_heads": _integer(0, 65536),
    "linear_value_heads": _integer(0, 65536),
    "linear_key_dim": _integer(0, 65536),
    "linear_value_dim": _integer(0, 65536),
    "linear_kernel": _integer(0, 64),
}

MIXTURE_OF_EXPERTS = {
    "routed_experts": _integer(1, 1e6),
    "active_experts": _integer(1, 1e6),
    "shared_experts": _integer(0, 1e4),
    "expert_width": _integer(1, 1e7),
    "leading_dense_layers": _integer(0, 4096),
    "shared_expert_width": _integer(0, 1e7),
    "layer_step": _integer(1, 4096),
}

ENGRAM = {
    "layer_ids": Rule("integers", 0, 4095),
    "max_order": _integer(2, 16),
    "heads": _integer(1, 1024),
    "head_dim": _integer(1, 65536),
    "vocab_size": _integer(2, 1e12),
    "compressed_vocab_size": _integer(0, 1e8),
    "kernel_size": _integer(0, 64),
    "gated": _FLAG,
    "hash_layout": Rule("text", choices=("independent", "blocked")),
    "pad_token_id": _integer(0, 1e8),
    "scale_bytes_per_row": Rule("number", 0, 1e6),
    "row_rule": Rule("text", choices=("prime", "base_up", "exact")),
    "rows_multiple_of": _integer(1, 1e9),
    "input_only": _FLAG,
}

COMPOSITION = {
    "experts": _integer(1, 10_000),
    "router_scale": Rule("number", 0, 1e3),
}

HOST = {
    "dram_bytes": _gib("dram_gib"),
    "cxl_bytes": _gib("cxl_gib"),
    "ssd_bytes": _gib("ssd_gib"),
    "remote_bytes": _gib("remote_gib"),
    "ssd_drives": _integer(0, 1e4),
    "sockets": _integer(0, 64),
    "cpu": _TEXT,
    "dram_tier": _TEXT,
    "cxl_tier": _TEXT,
    "ssd_tier": _TEXT,
    "remote_tier": _TEXT,
}

SYSTEM = {
    "accelerator": _TEXT,
    "accelerators": _integer(1, 1e6),
    "nodes": _integer(1, 1e5),
    "hbm_bytes": Rule("number", 0, 1e9, above=0, null=None, key="hbm_gib", scale=GIB),
    "bandwidth_scale": Rule("number", 0, 1e3, above=0),
    "peak_scale": Rule("number", 0, 1e3, above=0),
    "scale_up_scale": Rule("number", 0, 1e3, above=0),
}

SERVING = {
    "tensor_parallel": _integer(1, 1e5),
    "expert_parallel": _integer(1, 1e5),
    "data_parallel": _integer(1, 1e5),
    "pipeline_parallel": _integer(1, 1e4),
    "phase": Rule("text", choices=("prefill", "decode"), null=""),
    "input_tokens": _integer(1, 1e9),
    "output_tokens": _integer(1, 1e9),
    "concurrency": _integer(0, 1e9),  # 0: as many as the KV cache holds
    "request_rate": Rule("number", 0, 1e9),
    "prefill_chunk": _integer(1, 1e9),
    "engine": Rule("text", choices=ENGINES, null=""),
    "output_spread": Rule("number", 0, 10),
    "waves": _FLAG,
    "routed_experts_on": Rule("text", choices=PROCESSORS),
    "attention_on": Rule("text", choices=PROCESSORS),
    "kv_budget": _integer(0, 1e9),
    "kv_window": _integer(1, 1e6),
    "kv_pooling": _integer(1, 1e6),
    "medusa_tree": _integer(0, 1024),
    "medusa_acceptance": _TEXT,
    "composition_tier": Rule("text", choices=TIERS),
    "composition_hot": _integer(),
    "composition_popularity": Rule("number", 0, 10),
    "composition_links": _integer(0, 1e5),
    "composition_prefetch": _FLAG,
    "utilisation": Rule("number", 0, 1, above=0, null=None),
}

TABLES = {
    "tier": Rule("text", choices=TIERS),
    "prefetch": _FLAG,
    "staged": _FLAG,
    "sharing": Rule("text", choices=("rank", "numa", "node")),
    "traffic": _TEXT,
}

CACHE = {
    "cache_tier": Rule("text", choices=TIERS, null="", key="tier"),
    "cache_bytes": _gib("gib"),
    "cache_policy": Rule("text", choices=POLICIES, key="policy"),
}

TRAINING = {
    "tokens": Rule("number", 0, 1e18),
    "tokens_per_parameter": Rule("number", 0, 1e9, above=0),
    "sequences": _integer(1, 1e9),
    "length": _integer(1, 1e9),
    "dtype": Rule("text", choices=("bf16", "fp8")),
    "tables": Rule("text", choices=("hbm", "dram"), null=""),
    "nodes_per_token": _integer(0, 1e6),
}

LIMITS = {
    "ttft_s": _LIMIT,
    "tpot_s": _LIMIT,
    "power_w": _LIMIT,
    "capex_usd": _LIMIT,
    "usd_per_mtok": _LIMIT,
    "bits_per_byte": _LIMIT,
}

QUALITY = {
    "bits_per_byte": Rule("number", 0, 1e6, null=None),
    "model_bits_per_byte": Rule("number", 0, 1e6, null=None),
    "standard_error": Rule("number", 0, 1e6, null=None),
    "fidelity": _TEXT,
}
