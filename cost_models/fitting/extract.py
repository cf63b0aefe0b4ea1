"""Take a sample of measured kernels out of aiconfigurator's database, as data/sampled_kernels.csv.

    PYTHON -m cost_models.fitting.extract        PYTHON: an interpreter with aiconfigurator 0.12.0 and pandas

Operators only, two engines, the newest version of each: every operator class of a part and type gives up to `_ROWS`
rows drawn with a fixed seed from the shapes that language models have.

Eight-bit products are timed there with a dynamic quantisation of their input around them, kernel after kernel, which
served models with stored scales do inside the norm or activation before. The same database times the two passes of it
alone; they are taken off here, so that a row is the product itself.
"""

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parent / "data" / "sampled_kernels.csv"
PARTS = {
    "a100_sxm": "a100-80-sxm", "h100_sxm": "h100-sxm", "h200_sxm": "h200-sxm", "b200_sxm": "b200-sxm",
    "gb200": "gb200", "b300_sxm": "b300-sxm", "rtx_pro_6000_server": "rtx-pro-6000", "l40s": "l40s", "gb300": "gb300",
}  # fmt: skip
ENGINES = ("trtllm", "vllm")
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
_VALUE_BYTES = {"bfloat16": 2.0, "fp8": 1.0, "nvfp4": 0.5625}
_KERNEL_S = 1e-3  # ms: no product of a sampled row is shorter


def _gemm(t: Any, quantisation: Any) -> Any:
    t = t[
        t.gemm_dtype.isin(_VALUE_BYTES) & (t.m <= _TOKENS) & t.n.between(512, 65536) & t.k.between(512, 32768)
    ]
    width = t.gemm_dtype.map(_VALUE_BYTES)
    dynamic = (t.gemm_dtype == "fp8") * quantisation(t.m, t.k)
    t = t.assign(
        precision=t.gemm_dtype,
        latency=t.latency - dynamic,
        flops=2.0 * t.m * t.n * t.k,
        bytes=2.0 * t.m * t.n + width * (t.m * t.k + t.n * t.k),
    )
    return t[t.latency > _KERNEL_S]


def _attention(t: Any) -> Any:
    t = t[(t.attn_dtype == "bfloat16") & (t.kv_cache_dtype == "bfloat16")]
    if "window_size" in t.columns:
        t = t[t.window_size == 0]
    t = t[(t.head_dim == 128) & (t.num_heads <= 64)]
    keys = np.where(t.num_key_value_heads > 0, t.num_key_value_heads, t.num_heads)
    return t.assign(precision="bfloat16", batch=t.batch_size, heads=t.num_heads, kv_heads=keys)


def _prefill(t: Any, _: Any) -> Any:
    t = _attention(t)
    t = t[(t.isl >= 128) & (t.batch * t.isl <= _TOKENS) & (t.step == 0)]
    return t.assign(
        flops=2.0 * t.batch * t.heads * t.isl**2 * t.head_dim,
        bytes=4.0 * t.batch * t.isl * (t.heads + t.kv_heads) * t.head_dim,
    )


def _decode(t: Any, _: Any) -> Any:
    t = _attention(t)
    t = t.assign(isl=t.isl + t.step)
    t = t[(t.isl >= 128) & (t.isl <= 131072)]
    return t.assign(
        flops=4.0 * t.batch * t.heads * t.isl * t.head_dim,
        bytes=4.0 * t.batch * (t.kv_heads * t.isl + t.heads) * t.head_dim,
    )


def _moe(t: Any, _: Any) -> Any:
    t = t[
        t.moe_dtype.isin(["bfloat16", "fp8_block", "nvfp4"])
        & (t.num_tokens <= _TOKENS)
        & (t.moe_ep_size <= 8)
        & (t.moe_tp_size <= 8)
    ]
    alpha = t.distribution.str.extract(r"power_law_([\d.]+)")[0].astype(float).fillna(0.0)
    return t.assign(
        alpha=alpha, m=t.num_tokens, experts=t.num_experts, hidden=t.hidden_size, inter=t.inter_size,
        tp=t.moe_tp_size, ep=t.moe_ep_size, precision=t.moe_dtype.str.removesuffix("_block"),
    )  # fmt: skip


def _allreduce(t: Any, _: Any) -> Any:
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
    for part, accelerator in PARTS.items():
        for kind, (folder, name) in _TABLES.items():
            for engine in ENGINES:
                path = _newest(database / part / folder / engine, name)
                table = pandas.read_parquet(path)
                table = _SELECT[kind](table, _quantisation(database / part / "quantize" / engine, pandas))
                drawn = [
                    rows.sample(min(len(rows), _ROWS), random_state=0)
                    for _, rows in table.groupby("precision")
                ]
                if drawn:
                    table = pandas.concat(drawn).assign(kind=kind, gpu=accelerator, backend=engine)
                    table = table.assign(version=path.parent.name, latency_ms=table.latency)
                    found.append(table.reindex(columns=_COLUMNS))
    rows = pandas.concat(found)
    with OUT.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {_SOURCE}\n")
        rows.to_csv(file, index=False, float_format="%.6g")
    print(f"{len(rows):,} rows in {OUT}")


def _newest(folder: Path, name: str) -> Path:
    """The newest table, but for those with few rows: some versions add single shapes to an older one."""
    sizes = {path: path.stat().st_size for path in folder.glob(f"*/{name}.parquet")}
    full = [path for path, size in sizes.items() if size > max(sizes.values()) / 2]
    return max(full, key=lambda path: [int(digits) for digits in re.findall(r"\d+", path.parent.name)])


def _quantisation(folder: Path, pandas: Any) -> Any:
    """Milliseconds of quantising an (m, k) input: both passes, read off the nearest measured shape."""
    passes = []
    for name in ("computescale_perf", "scale_matrix_perf"):
        for path in folder.glob(f"*/{name}.parquet"):
            passes.append(pandas.read_parquet(path).groupby(["m", "k"]).latency.median().unstack())

    def milliseconds(m: Any, k: Any) -> Any:
        total = np.zeros(len(m))
        for table in passes:
            row = np.abs(np.log(table.index.to_numpy()[None, :] / m.to_numpy()[:, None])).argmin(axis=1)
            column = np.abs(np.log(table.columns.to_numpy()[None, :] / k.to_numpy()[:, None])).argmin(axis=1)
            # between measured shapes the passes grow with their values
            size = (
                m.to_numpy() * k.to_numpy() / (table.index.to_numpy()[row] * table.columns.to_numpy()[column])
            )
            total += table.to_numpy()[row, column] * np.maximum(size, 1.0)
        return total

    return milliseconds


if __name__ == "__main__":
    main()
