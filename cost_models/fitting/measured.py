"""The measured kernels under data/, as columns in SI units.

h100_silicon_points.csv: NVIDIA aiconfigurator 0.12.0 database (Apache-2.0), H100 SXM, two engines. Rows of kind
`model` are sums of such kernels over whole models; they are never fitted to.
sampled_kernels.csv: a sample of the operator rows of the same database for seven parts (extract.py).
a100_kernels.csv: vidur (MIT) and LLMCompass (BSD-3), A100 80 GB. Only kernel timings are used; LLMCompass and
vidur's collectives are timings of calls, with 20 to 60 us of launch inside.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Rows of one table: number columns as arrays (NaN where empty), text columns as lists, seconds measured."""

    numbers: dict[str, Floats]
    texts: dict[str, list[str]]
    seconds: Floats

    def __len__(self) -> int:
        return len(self.seconds)

    def where(self, chosen: NDArray[np.bool_]) -> "Rows":
        """The rows that a mask chooses."""
        return Rows(
            {name: column[chosen] for name, column in self.numbers.items()},
            {
                name: [t for t, keep in zip(column, chosen, strict=True) if keep]
                for name, column in self.texts.items()
            },
            self.seconds[chosen],
        )

    def joined(self, other: "Rows") -> "Rows":
        """These rows and then others, NaN where either has no such number; with the text columns of both."""
        empty = {id(rows): np.full(len(rows), np.nan) for rows in (self, other)}
        return Rows(
            {
                name: np.concatenate([rows.numbers.get(name, empty[id(rows)]) for rows in (self, other)])
                for name in {**self.numbers, **other.numbers}
            },
            {name: column + other.texts[name] for name, column in self.texts.items() if name in other.texts},
            np.concatenate([self.seconds, other.seconds]),
        )

    def is_(self, column: str, *values: str) -> NDArray[np.bool_]:
        """Mask of the rows whose text is one of the values."""
        return np.isin(self.texts[column], values)


@lru_cache(maxsize=1)
def h100() -> Rows:
    """All H100 rows."""
    with (DATA / "h100_silicon_points.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = ("kind", "name", "backend", "precision", "phase")
    numbers = [name for name in rows[0] if name not in (*texts, "gpu", "version", "source", "latency_ms")]
    return Rows(
        {name: np.array([float(row[name] or "nan") for row in rows]) for name in numbers},
        {name: [row[name] for row in rows] for name in texts},
        np.array([float(row["latency_ms"]) for row in rows]) * 1e-3,
    )


@lru_cache(maxsize=8)
def sampled(part: str) -> Rows:
    """Rows of one accelerator of the sample that extract.py takes: operators only."""
    with (DATA / "sampled_kernels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(line for line in file if line[0] != "#") if row["gpu"] == part]
    texts = ("kind", "backend", "precision")
    numbers = [name for name in rows[0] if name not in (*texts, "gpu", "version", "latency_ms")]
    return Rows(
        {name: np.array([float(row[name] or "nan") for row in rows]) for name in numbers},
        {name: [row[name] for row in rows] for name in texts},
        np.array([float(row["latency_ms"]) for row in rows]) * 1e-3,
    )


# Shapes of the models that vidur profiled: hidden, query heads, KV heads, feed-forward width (their config.json).
_VIDUR_MODELS = {
    "meta-llama/Llama-2-7b-hf": (4096, 32, 32, 11008),
    "meta-llama/Llama-2-70b-hf": (8192, 64, 8, 28672),
    "meta-llama/Meta-Llama-3-8B": (4096, 32, 8, 14336),
}
_HEAD_DIM = 128


@lru_cache(maxsize=1)
def a100() -> Rows:
    """A100 kernel timings with the columns of the H100 rows: kind gemm, attn_prefill, attn_decode, elementwise."""
    with (DATA / "a100_kernels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"].startswith("vidur")]
    kept = [
        (kind, name, numbers, float(row["microseconds"]))
        for row in rows
        for kind, name, numbers in _a100(row)
    ]
    columns = sorted({key for _, _, numbers, _ in kept for key in numbers})
    return Rows(
        {key: np.array([numbers.get(key, np.nan) for _, _, numbers, _ in kept]) for key in columns},
        {"kind": [kind for kind, *_ in kept], "name": [name for _, name, *_ in kept]},
        np.array([microseconds for *_, microseconds in kept]) * 1e-6,
    )


def _a100(row: dict[str, str]) -> list[tuple[str, str, dict[str, float]]]:
    """Kind, model and columns of one row; empty where the row is not a kernel timing of a class."""
    shape = dict(part.split("=") for part in row["shape"].split(";"))
    operator = row["op"]
    if operator == "attn_prefill":
        heads, keys, size = (float(shape[key]) for key in ("q", "kv", "hd"))
        chunk, before = float(shape["chunk"]), float(shape["ctx"])
        flops = 4 * heads * size * chunk * (before + chunk / 2)
        moved = 2 * size * (2 * heads * chunk + 2 * keys * (before + chunk))
        return [("attn_prefill", "", {"isl": before + chunk, "flops": flops, "bytes": moved})]
    if operator == "attn_decode":
        heads, keys, size = (float(shape[key]) for key in ("q", "kv", "hd"))
        batch, context = float(shape["bs"]), float(shape["ctx"])
        moved = 2 * size * batch * (2 * keys * context + 2 * heads)
        numbers = {
            "flops": 4 * heads * size * batch * context,
            "bytes": moved,
            "batch": batch,
            "kv_heads": keys,
        }
        return [("attn_decode", "", numbers)]
    if "model" not in shape or shape["model"] not in _VIDUR_MODELS:
        return []
    hidden, heads, keys, width = _VIDUR_MODELS[shape["model"]]
    tp, tokens = float(shape["tp"]), float(shape["tokens"])
    products = {
        "attn_pre_proj": (hidden, (heads + 2 * keys) * _HEAD_DIM / tp),
        "attn_post_proj": (heads * _HEAD_DIM / tp, hidden),
        "mlp_up_proj": (hidden, 2 * width / tp),
        "mlp_down_proj": (width / tp, hidden),
    }
    if operator in products:
        k, n = products[operator]
        return [
            (
                "gemm",
                shape["model"],
                {"k": k, "flops": 2 * tokens * n * k, "bytes": 2 * (tokens * (n + k) + n * k)},
            )
        ]
    if operator == "add":  # the norms and activations of vidur are several unfused kernels
        return [("elementwise", shape["model"], {"bytes": 2.0 * 3 * tokens * hidden})]
    return []
