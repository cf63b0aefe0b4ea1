"""The rows that operators are made of: a matrix product, a pass over activations, an exchange between ranks."""

from typing import Any

from cost_models.design import DTYPE_BYTES

ACTIVATION_BYTES = 2.0  # activations move as bf16 between operators
ROTARY = "rotary embedding, cache write"  # a kernel of its own in vLLM, SGLang and vidur's profiles

# Four-bit integers are weights alone: kernels widen them and multiply in 16 bits (arXiv 2408.11743, Marlin).
COMPUTE_TYPE = {
    "fp32": "bf16", "bf16": "bf16", "fp16": "bf16", "int4": "bf16", "fp8": "fp8", "int8": "fp8",
    "mxfp4": "fp4", "nvfp4": "fp4",
    "q8_0": "fp8", "q4_k_m": "fp4",
}  # fmt: skip

Row = dict[str, Any]


def gemm(
    operator: str,
    inner: float,
    columns: float,
    dtype: str = "bf16",
    shard: str = "",
    batches: int = 1,
    **more: Any,
) -> Row:
    """A matrix product; shard "columns", "inner" or "batches" names what tensor parallelism divides."""
    whole = {"": inner + columns, "columns": inner, "inner": columns, "batches": 0.0}[shard] * batches
    return {
        "operator": operator,
        "kind": "gemm",
        "compute": COMPUTE_TYPE[dtype],
        "sharded": bool(shard),
        "flops": 2.0 * inner * columns * batches,
        "activation_bytes": whole * ACTIVATION_BYTES,
        "sharded_bytes": ((inner + columns) * batches - whole) * ACTIVATION_BYTES,
        "weight_bytes": inner * columns * batches * DTYPE_BYTES[dtype],
        "inner": 0.0 if shard == "inner" else inner,
        "sharded_inner": inner if shard == "inner" else 0.0,
        **more,
    }


def elementwise(operator: str, values: float, sharded_values: float = 0.0, **more: Any) -> Row:
    """A pass over activations that reads and writes so many values per token."""
    return {
        "operator": operator,
        "kind": "elementwise",
        "activation_bytes": values * ACTIVATION_BYTES,
        "sharded_bytes": sharded_values * ACTIVATION_BYTES,
        **more,
    }


def collective(operator: str, values: float, **more: Any) -> Row:
    """An all-reduce of so many values per token (or an all-gather and a reduce-scatter, which move as much)."""
    return {"operator": operator, "kind": "collective", "activation_bytes": values * ACTIVATION_BYTES, **more}
