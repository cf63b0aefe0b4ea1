"""Linear attention by the gated delta rule (Qwen3-Next, Qwen3.8): a state of fixed size instead of a cache.

Every value head keeps a matrix of key width x value width in fp32. A new token decays it, takes out what its key
reads, writes its value there, and reads its query: six operations per element of the state. The state is read and
written once a step, which is timed as attention over a window as long as the key width.
Source: transformers, Qwen3NextGatedDeltaNet (torch_recurrent_gated_delta_rule).
"""

from cost_models.design import DTYPE_BYTES, Attention, Model
from cost_models.operator_rows import ACTIVATION_BYTES, Row, elementwise, gemm


def state_bytes(attention: Attention) -> float:
    """Bytes that one sequence keeps in one layer, all heads: the states and the inputs of the short convolution."""
    a = attention
    state = a.linear_value_heads * a.linear_key_dim * a.linear_value_dim * DTYPE_BYTES["fp32"]
    return state + _mixed(a) * max(0, a.linear_kernel - 1) * DTYPE_BYTES["bf16"]


def rows(model: Model) -> list[Row]:
    """The operators of one layer between its norm and its exchange."""
    a, hidden, dtype = model.attention, model.hidden, model.dtype("weights")
    values = a.linear_value_heads * a.linear_value_dim
    state = a.linear_value_heads * a.linear_key_dim * a.linear_value_dim
    return [
        gemm("query, key, value, gate", hidden, _mixed(a) + values, dtype, "columns"),
        gemm("decay and step", hidden, 2 * a.linear_value_heads, shard="columns"),
        elementwise("short convolution", 0, 2 * _mixed(a)),
        {
            "operator": "delta rule", "kind": "attention", "kv_heads": a.linear_value_heads,
            "window": float(a.linear_key_dim), "context_flops": 6.0 * state / a.linear_key_dim,
            "context_bytes": 2.0 * state * DTYPE_BYTES["fp32"] / a.linear_key_dim,
            "sharded_bytes": ACTIVATION_BYTES * (_mixed(a) + values),
        },
        elementwise("gated norm", 0, 3 * values),
        gemm("attention output", values, hidden, dtype, "inner"),
    ]  # fmt: skip


def _mixed(attention: Attention) -> int:
    """Queries, keys and values of one token together, which the short convolution runs over."""
    a = attention
    return 2 * a.linear_key_heads * a.linear_key_dim + a.linear_value_heads * a.linear_value_dim
