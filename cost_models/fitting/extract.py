"""Take a sample of measured kernels out of aiconfigurator's database, as data/h200_b200_kernels.csv.

    PYTHON -m cost_models.fitting.extract        PYTHON: an interpreter with aiconfigurator 0.12.0 and pandas

Operators only, two engines, the newest version of each: every operator class of a part and type gives up to `_ROWS`
rows drawn with a fixed seed from the shapes that language models have.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parent / "data" / "h200_b200_kernels.csv"
PARTS = ("h200_sxm", "b200_sxm")
_ROWS = 120
_TOKENS = 32768  # most tokens of a step
_SOURCE = "measured kernels, NVIDIA aiconfigurator 0.12.0 database (Apache-2.0)"
_TABLES = {
    "gemm": ("gemm", "gemm_perf"),
    "attn_prefill": ("attention", "context_attention_perf"),
    "attn_decode": ("attention", "generation_attention_perf"),
    "moe": ("moe", "moe_perf"),
    "allreduce": ("comm", "custom_allreduce_perf"),
}
_VALUE_BYTES = {"bfloat16": 2.0, "fp8": 1.0}
_VERSIONS = {"trtllm": "1.3.0rc20", "vllm": "0.24.0"}


def _gemm(t: Any) -> Any:
    t = t[
        t.gemm_dtype.isin(_VALUE_BYTES) & (t.m <= _TOKENS) & t.n.between(512, 65536) & t.k.between(512, 32768)
    ]
    width = t.gemm_dtype.map(_VALUE_BYTES)
    return t.assign(
        precision=t.gemm_dtype,
        flops=2.0 * t.m * t.n * t.k,
        bytes=2.0 * t.m * t.n + width * (t.m * t.k + t.n * t.k),
    )


def _attention(t: Any) -> Any:
    t = t[(t.attn_dtype == "bfloat16") & (t.kv_cache_dtype == "bfloat16") & (t.window_size == 0)]
    t = t[(t.head_dim == 128) & (t.num_heads <= 64)]
    keys = np.where(t.num_key_value_heads > 0, t.num_key_value_heads, t.num_heads)
    return t.assign(precision="bfloat16", batch=t.batch_size, heads=t.num_heads, kv_heads=keys)


def _prefill(t: Any) -> Any:
    t = _attention(t)
    t = t[(t.isl >= 128) & (t.batch * t.isl <= _TOKENS) & (t.step == 0)]
    return t.assign(
        flops=2.0 * t.batch * t.heads * t.isl**2 * t.head_dim,
        bytes=4.0 * t.batch * t.isl * (t.heads + t.kv_heads) * t.head_dim,
    )


def _decode(t: Any) -> Any:
    t = _attention(t)
    t = t.assign(isl=t.isl + t.step)
    t = t[(t.isl >= 128) & (t.isl <= 131072)]
    return t.assign(
        flops=4.0 * t.batch * t.heads * t.isl * t.head_dim,
        bytes=4.0 * t.batch * (t.kv_heads * t.isl + t.heads) * t.head_dim,
    )


def _moe(t: Any) -> Any:
    t = t[
        t.moe_dtype.isin(["bfloat16", "fp8_block"])
        & (t.num_tokens <= _TOKENS)
        & (t.moe_ep_size <= 8)
        & (t.moe_tp_size <= 8)
    ]
    alpha = t.distribution.str.extract(r"power_law_([\d.]+)")[0].astype(float).fillna(0.0)
    return t.assign(
        alpha=alpha, m=t.num_tokens, experts=t.num_experts, hidden=t.hidden_size, inter=t.inter_size,
        tp=t.moe_tp_size, ep=t.moe_ep_size, precision=t.moe_dtype.str.removesuffix("_block"),
    )  # fmt: skip


def _allreduce(t: Any) -> Any:
    t = t[t.allreduce_dtype.isin(["bfloat16", "half"]) & (t.num_gpus <= 8)]
    graph = "backend" in t.columns
    t = t[t.backend.str.endswith("graph")] if graph else t
    return t.assign(precision="bfloat16", bytes=2.0 * t.message_size)  # messages are counted in values


_SELECT = {
    "gemm": _gemm,
    "attn_prefill": _prefill,
    "attn_decode": _decode,
    "moe": _moe,
    "allreduce": _allreduce,
}
_COLUMNS = (
    "kind", "gpu", "backend", "version", "precision", "batch", "isl", "m", "n", "k", "heads", "kv_heads", "head_dim",
    "experts", "topk", "hidden", "inter", "tp", "ep", "alpha", "num_gpus", "bytes", "flops", "latency_ms",
)  # fmt: skip


def main() -> None:
    """Write the sample."""
    pandas = importlib.import_module("pandas")
    database = Path(importlib.import_module("aiconfigurator_core").__file__ or "").parent / "systems" / "data"
    found = []
    for part in PARTS:
        for kind, (folder, name) in _TABLES.items():
            for backend, version in _VERSIONS.items():
                table = pandas.read_parquet(database / part / folder / backend / version / f"{name}.parquet")
                table = _SELECT[kind](table)
                table = pandas.concat(
                    rows.sample(min(len(rows), _ROWS), random_state=0)
                    for _, rows in table.groupby("precision")
                )
                table = table.assign(
                    kind=kind, gpu=part, backend=backend, version=version, latency_ms=table.latency
                )
                found.append(table.reindex(columns=_COLUMNS))
    rows = pandas.concat(found)
    with OUT.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {_SOURCE}\n")
        rows.to_csv(file, index=False, float_format="%.6g")
    print(f"{len(rows):,} rows in {OUT}")


if __name__ == "__main__":
    main()
