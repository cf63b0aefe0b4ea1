"""llama.cpp's kernels on one core: the rows that processors are fitted on (cost_models/fitting/processors.py).

python -m benchmarks.processor_kernels FOLDER [--out ROWS.csv]     # FOLDER: libggml-base.so and libggml-cpu-*.so
npm pack @node-llama-cpp/linux-x64@3.22.1 holds such a folder; the rows in the repository are of its zen4 library.

Weights are random, more of them than caches hold, and repacked as llama.cpp does at loading. Times are processor time
of the thread, the median of several graphs of equal operators.
"""

# ruff: noqa: B023 - every function is called before its loop goes on

import argparse
import csv
import ctypes
import time
from collections.abc import Callable, Iterator
from ctypes import c_bool, c_float, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = (
    "kind", "type", "m", "inputs", "outputs", "heads", "kv_heads", "length", "hidden", "awake", "choices", "flops",
    "bytes", "seconds",
)  # fmt: skip
TYPES = {
    "f32": (0, 4.0),
    "f16": (1, 2.0),
    "q4_0": (2, 18 / 32),
    "q8_0": (8, 34 / 32),
    "q4_k": (12, 144 / 256),
}
TYPES["bf16"] = (30, 2.0)
_INTEGERS = 26
_SECONDS = 0.15
_COLD = 2e8  # bytes of weights that take turns
_NODES = 4096
_REPACKED = "_Z35ggml_backend_cpu_repack_buffer_typev"
Shape = tuple[int, ...]
Inputs = list[tuple[int, np.ndarray]]


class _Parameters(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("buffer", c_void_p), ("no_alloc", c_bool)]


class Ggml:
    """The few functions of the two libraries that are needed."""

    def __init__(self, folder: Path, variant: str) -> None:
        self.base = ctypes.CDLL(str(folder / "libggml-base.so"), mode=ctypes.RTLD_GLOBAL)
        self.cpu = ctypes.CDLL(str(folder / f"libggml-cpu-{variant}.so"), mode=ctypes.RTLD_GLOBAL)
        self.backend = self._call(self.cpu, "ggml_backend_cpu_init", c_void_p)
        self._call(self.cpu, "ggml_backend_cpu_set_n_threads", None, self.backend, c_int(1))
        self.plain = self._call(self.base, "ggml_backend_get_default_buffer_type", c_void_p, self.backend)
        self.repacked = self._call(self.cpu, _REPACKED, c_void_p)
        self.random = np.random.default_rng(0)

    def _call(self, library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
        # plain integers are pointers
        function = getattr(library, name)
        function.restype = result
        return function(*(c_void_p(a) if isinstance(a, int) else a for a in arguments))

    def __call__(self, name: str, *arguments: Any) -> int:
        """A function of the base library that gives a pointer."""
        return int(self._call(self.base, f"ggml_{name}", c_void_p, *arguments) or 0)

    def context(self) -> int:
        """A context of tensors without memory."""
        return self("init", _Parameters(_NODES * 512 + (4 << 20), None, True))

    def tensor(self, context: int, kind: int, shape: Shape) -> int:
        """A new tensor; the first of the shape runs fastest."""
        return self(f"new_tensor_{len(shape)}d", c_void_p(context), c_int(kind), *map(c_int64, shape))

    def write(self, tensor: int, values: np.ndarray) -> None:
        """Fill a tensor; the buffer repacks it where it does that."""
        data = np.ascontiguousarray(values)
        self._call(
            self.base, "ggml_backend_tensor_set", None, tensor, c_void_p(data.ctypes.data), c_size_t(0),
            c_size_t(data.nbytes),
        )  # fmt: skip

    def weights(self, kind: str, shape: Shape, copies: int) -> list[int]:
        """So many tensors of random weights: 64 rows, over and over."""
        number, width = TYPES[kind]
        context = self.context()
        made = [self.tensor(context, number, shape) for _ in range(copies)]
        buffer = self.repacked if kind.startswith("q4") else self.plain
        self("backend_alloc_ctx_tensors_from_buft", c_void_p(context), c_void_p(buffer))
        rows, inputs = int(np.prod(shape[1:])), shape[0]
        some = (self.random.standard_normal((min(64, rows), inputs)) * 0.02).astype(np.float32)
        stored = self._stored(kind, some, int(inputs * width))
        for one in made:
            self.write(one, np.tile(stored, (-(-rows // len(some)), 1))[:rows])
        return made

    def _stored(self, kind: str, values: np.ndarray, row_bytes: int) -> np.ndarray:
        if kind == "bf16":
            return (values.view(np.uint32) >> 16).astype(np.uint16)
        if kind in ("f16", "f32"):
            return values.astype(np.float16) if kind == "f16" else values
        out = np.zeros((len(values), row_bytes), np.uint8)
        self._call(
            self.base, "ggml_quantize_chunk", c_size_t, c_int(TYPES[kind][0]), c_void_p(values.ctypes.data),
            c_void_p(out.ctypes.data), c_int64(0), c_int64(len(values)), c_int64(values.shape[1]), c_void_p(None),
        )  # fmt: skip
        return out

    def seconds(self, build: Callable[[int, int], Inputs]) -> float:
        """Median processor time of the graph that `build(context, graph)` makes; it returns what to fill in."""
        context = self.context()
        graph = self("new_graph_custom", c_void_p(context), c_size_t(_NODES), c_bool(False))
        inputs = build(context, graph)
        allocator = self("gallocr_new", c_void_p(self.plain))
        self._call(self.base, "ggml_gallocr_alloc_graph", c_bool, allocator, graph)
        for tensor, values in inputs:
            self.write(tensor, values)
        times: list[float] = []
        self._call(self.base, "ggml_backend_graph_compute", c_int, self.backend, graph)
        until = time.time() + _SECONDS
        while time.time() < until or len(times) < 3:
            start = time.thread_time()
            self._call(self.base, "ggml_backend_graph_compute", c_int, self.backend, graph)
            times.append(time.thread_time() - start)
        self._call(self.base, "ggml_gallocr_free", None, allocator)
        self._call(self.base, "ggml_free", None, context)
        return float(np.median(times))

    def run(self, graph: int, tensor: int) -> None:
        """Have a tensor computed, whatever else is."""
        self._call(self.base, "ggml_build_forward_expand", None, graph, tensor)

    def given(self, context: int, shape: Shape, values: np.ndarray) -> tuple[int, np.ndarray]:
        """An input that stays as it is between runs."""
        tensor = self.tensor(context, _INTEGERS if values.dtype == np.int32 else 0, shape)
        self._call(self.base, "ggml_set_output", None, tensor)
        return tensor, values


def products(ggml: Ggml) -> Iterator[dict[str, Any]]:
    """Weights of four shapes and types times 1 to 512 rows of activations."""
    for kind in ("bf16", "q8_0", "q4_0", "q4_k"):
        for inputs, outputs in ((4096, 4096), (4096, 14336), (14336, 4096), (2048, 2048)):
            size = inputs * outputs * TYPES[kind][1]
            ring = ggml.weights(kind, (inputs, outputs), max(2, int(-(-_COLD // size))))
            for m in (1, 2, 4, 8, 32, 128, 512):
                used = ring if m <= 8 else ring[: max(1, int(3e10 / (2 * inputs * outputs * m)))]

                def build(context: int, graph: int) -> Inputs:
                    x = ggml.given(context, (inputs, m), ggml.random.random((m, inputs), np.float32))
                    for weight in used:
                        ggml.run(graph, ggml("mul_mat", context, weight, x[0]))
                    return [x]

                yield {
                    "kind": "gemm", "type": kind, "m": m, "inputs": inputs, "outputs": outputs,
                    "flops": 2 * m * inputs * outputs, "bytes": size + 2 * m * (inputs + outputs),
                    "seconds": ggml.seconds(build) / len(used),
                }  # fmt: skip


def attention(ggml: Ggml) -> Iterator[dict[str, Any]]:
    """Flash attention of one query over caches, and of whole prompts."""
    width = 128
    for heads, keys in ((32, 8), (32, 32), (64, 8)):
        for length, prompt in ((512, False), (2048, False), (8192, False), (512, True), (2048, True)):
            cache = 4 * width * length * keys
            copies = 1 if prompt else max(1, min(16, int(-(-1e8 // cache))))
            ring = ggml.weights("f16", (width, length, keys), 2 * copies)
            mask = ggml.weights("f16", (length, length), 1)[0] if prompt else 0
            if mask:
                seen = np.tril(np.ones((length, length), bool))
                ggml.write(mask, np.where(seen, 0, -np.inf).astype(np.float16))
            queries = length if prompt else 1

            def build(context: int, graph: int) -> Inputs:
                values = ggml.random.random((heads, queries, width), np.float32)
                q = ggml.given(context, (width, queries, heads), values)
                for k, v in zip(ring[::2], ring[1::2], strict=True):
                    scale = (c_float(width**-0.5), c_float(0.0), c_float(0.0))
                    ggml.run(
                        graph, ggml("flash_attn_ext", context, q[0], k, v, c_void_p(mask or None), *scale)
                    )
                return [q]

            seconds = ggml.seconds(build) / copies
            flops, moved = 4.0 * heads * width * length, float(cache)
            if prompt:
                flops, moved = 0.5 * flops * length, 4.0 * width * length * (heads + keys)
            yield {
                "kind": "attn_prefill" if prompt else "attn_decode", "heads": heads, "kv_heads": keys, "length": length,
                "flops": flops, "bytes": moved, "seconds": seconds,
            }  # fmt: skip


def experts(ggml: Ggml) -> Iterator[dict[str, Any]]:
    """Three products of each chosen expert with SwiGLU, routed evenly."""
    for count, active, hidden, inner in ((64, 6, 2048, 1408), (128, 8, 2048, 768)):
        for kind in ("q4_k" if inner % 256 == 0 else "q4_0", "q8_0", "bf16"):
            gate, up = ggml.weights(kind, (hidden, inner, count), 2)
            down = ggml.weights(kind, (inner, hidden, count), 1)[0]
            for m in (1, 8, 64, 256):
                chosen = [
                    np.stack([ggml.random.permutation(count)[:active] for _ in range(m)]).astype(np.int32)
                    for _ in range(8 if m == 1 else 1)
                ]

                def build(context: int, graph: int) -> Inputs:
                    inputs: Inputs = []
                    for ids in chosen:
                        x = ggml.given(context, (hidden, 1, m), ggml.random.random((m, hidden), np.float32))
                        which = ggml.given(context, (active, m), ids)
                        halves = [ggml("mul_mat_id", context, one, x[0], which[0]) for one in (gate, up)]
                        inner_ = ggml("swiglu_split", context, *halves)
                        ggml.run(graph, ggml("mul_mat_id", context, down, inner_, which[0]))
                        inputs += [x, which]
                    return inputs

                awake = float(np.mean([len(np.unique(ids)) for ids in chosen]))
                yield {
                    "kind": "moe", "type": kind, "m": m, "hidden": hidden, "awake": awake, "choices": m * active,
                    "flops": 6.0 * hidden * inner * active * m,
                    "bytes": 3 * awake * hidden * inner * TYPES[kind][1],
                    "seconds": ggml.seconds(build) / len(chosen),
                }  # fmt: skip


def passes(ggml: Ggml) -> Iterator[dict[str, Any]]:
    """Residual sum, norm and its weight, one after the other."""
    for hidden in (2048, 4096, 8192):
        weight = ggml.weights("f32", (hidden,), 1)[0]
        for m in (1, 8, 64, 512):
            times = 64 if m <= 8 else 8

            def build(context: int, graph: int) -> Inputs:
                x = ggml.given(context, (hidden, m), ggml.random.random((m, hidden), np.float32))
                y = x[0]
                for _ in range(times):
                    y = ggml("rms_norm", context, ggml("add", context, y, x[0]), c_float(1e-6))
                    y = ggml("mul", context, y, weight)
                ggml.run(graph, y)
                return [x]

            yield {
                "kind": "elementwise", "m": m, "inputs": hidden, "bytes": 8.0 * hidden * m,
                "seconds": ggml.seconds(build) / (3 * times),
            }  # fmt: skip


def main() -> None:
    """Measure, and write one row a kernel."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processor_kernels", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variant", default="zen4", help="libggml-cpu-VARIANT.so; default zen4")
    parser.add_argument("--out", type=Path, default=Path("processor_kernels.csv"))
    options = parser.parse_args()
    ggml = Ggml(options.folder, options.variant)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        for kinds in (passes, attention, experts, products):
            for row in kinds(ggml):
                for name in ("flops", "bytes", "seconds"):
                    row[name] = f"{row[name]:.4g}" if name in row else ""
                rows.writerow(row)
                file.flush()


if __name__ == "__main__":
    main()
