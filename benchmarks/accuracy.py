"""Times of whole models that nothing was fitted on, against another tool's interpolation of measured kernels.

    python -m benchmarks.accuracy --peers PYTHON [--steps FILE] [--parts h100_sxm,gb200] [--json FILE]

PYTHON: interpreter of an environment with aiconfigurator 0.12.0 (peer_steps.py). --steps keeps its answers, so that a
change of our models need not ask again. Constants of the latency model were fitted on operator rows of these parts,
never on whole models. Forms of the operator classes were chosen with models of 16 bits in view, but for
those of `HELD_OUT`, which were opened once, after the last change. Steps that do not fit into a part's memory are left
out. Eight-bit steps are shown apart: `fp8_static` scales inputs by stored factors; `fp8_block` by blocks, where vLLM's
rows hold 50 us of its host in every product of a small batch.
"""

import argparse
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import cost_models
from cost_models import Catalogue, Design, Model, Serving, System

_PARTS = {
    "h100_sxm": "h100-sxm", "h200_sxm": "h200-sxm", "b200_sxm": "b200-sxm", "a100_sxm": "a100-80-sxm",
    "gb200": "gb200", "b300_sxm": "b300-sxm", "rtx_pro_6000_server": "rtx-pro-6000",
    "l40s": "l40s", "gb300": "gb300",
}  # fmt: skip
_ENGINES = ("trtllm", "vllm")
_DENSE = None
# model, type of its products, (tensor-parallel degree, ranks that experts are spread over)
_MODELS: tuple[tuple[str, str, tuple[tuple[int, int | None], ...]], ...] = (
    ("Qwen/Qwen3-1.7B", "bf16", ((1, _DENSE),)),
    ("Qwen/Qwen3-8B", "bf16", ((1, _DENSE), (2, _DENSE))),
    ("meta-llama/Meta-Llama-3.1-8B", "bf16", ((1, _DENSE), (4, _DENSE))),
    ("Qwen/Qwen3-32B", "bf16", ((2, _DENSE), (4, _DENSE), (8, _DENSE))),
    ("meta-llama/Meta-Llama-3.1-70B", "bf16", ((2, _DENSE), (4, _DENSE), (8, _DENSE))),
    ("Qwen/Qwen3-30B-A3B", "bf16", ((1, 1), (2, 1), (2, 2), (4, 4))),
    ("Qwen/Qwen3-235B-A22B", "bf16", ((8, 1), (8, 8), (8, 4))),
    ("mistralai/Mixtral-8x7B-v0.1", "bf16", ((2, 1), (2, 2), (4, 1))),
    ("mistralai/Mixtral-8x22B-v0.1", "bf16", ((8, 1), (8, 8))),
    ("meta-llama/Meta-Llama-3.1-8B", "fp8_static", ((1, _DENSE), (2, _DENSE))),
    ("Qwen/Qwen3-32B", "fp8_static", ((1, _DENSE), (2, _DENSE))),
    ("meta-llama/Meta-Llama-3.1-70B", "fp8_static", ((2, _DENSE), (4, _DENSE))),
    ("meta-llama/Meta-Llama-3.1-405B", "fp8_static", ((8, _DENSE),)),
    ("Qwen/Qwen3-30B-A3B", "fp8_block", ((1, 1), (2, 2))),
    ("Qwen/Qwen3-235B-A22B", "fp8_block", ((4, 4), (8, 8), (8, 2))),
    ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "fp8_block", ((8, 8),)),
    ("deepseek-ai/DeepSeek-V3", "fp8_block", ((8, 1), (8, 8))),
)
_STEPS = (
    *(("prefill", *shape) for shape in ((1, 512), (1, 2048), (1, 8192), (4, 1024), (4, 4096))),
    *(("decode", *shape) for shape in ((1, 1024), (8, 4096), (32, 1024), (128, 1024), (32, 8192), (128, 4096))),
)  # fmt: skip
# Drawn by a hash of their names before any of them was looked at, from those that no earlier check had shown.
HELD_OUT = {
    "Qwen/Qwen3-1.7B": ("b200_sxm", "b300_sxm", "gb200", "h200_sxm", "l40s", "rtx_pro_6000_server"),
    "meta-llama/Meta-Llama-3.1-8B": (
        "a100_sxm", "b200_sxm", "b300_sxm", "gb200", "gb300", "h100_sxm", "l40s", "rtx_pro_6000_server",
    ),
    "mistralai/Mixtral-8x7B-v0.1": ("a100_sxm", "b300_sxm", "h100_sxm"),
    "mistralai/Mixtral-8x22B-v0.1": ("a100_sxm", "b200_sxm", "gb200", "gb300", "l40s", "rtx_pro_6000_server"),
}  # fmt: skip

Point = dict[str, Any]


def points(parts: Collection[str]) -> list[Point]:
    """All points of some parts: {model, quant, system, backend, tp, ep, phase, batch, tokens}."""
    return [
        {"model": model, "quant": quant, "system": system, "backend": engine, "tp": tp, "ep": ep, "phase": phase,
         "batch": batch, "tokens": tokens}
        for system, engine, (model, quant, layouts) in product(parts, _ENGINES, _MODELS)
        if quant == "bf16" or system != "a100_sxm"
        for (tp, ep), (phase, batch, tokens) in product(layouts, _STEPS)
    ]  # fmt: skip


def predicted(point: Point, model: Model, catalogue: Catalogue) -> float:
    """The same step by this project's models, seconds."""
    prefill = point["phase"] == "prefill"
    design = Design(
        model,
        System(accelerator=_PARTS[point["system"]], accelerators=point["tp"]),
        Serving(
            tensor_parallel=point["tp"], expert_parallel=point["ep"] or 1, phase=point["phase"],
            input_tokens=point["tokens"], concurrency=point["batch"],
            prefill_chunk=point["batch"] * point["tokens"],
        ),
    )  # fmt: skip
    evaluation = cost_models.evaluate(design, catalogue)
    return float(evaluation["latency.prefill_s" if prefill else "latency.decode_step_s"])


def errors(answers: Iterable[Point], catalogue: Catalogue) -> list[Point]:
    """The points that were answered and fit, with `error`, signed and relative."""
    models: dict[tuple[str, str], Model] = {}
    found = []
    for point in answers:
        if not point.get("fits"):
            continue
        key = (point["config"], point["quant"])
        if key not in models:
            dtype = "bf16" if point["quant"] == "bf16" else "fp8"
            model = cost_models.read_model(point["config"])
            models[key] = replace(model, weights_dtype=dtype, experts_dtype=dtype, kv_dtype="bf16")
        own = predicted(point, models[key], catalogue)
        found.append({**point, "error": own / point["seconds"] - 1})
    return found


def summary(rows: list[Point]) -> list[Point]:
    """Mean and median absolute error and mean signed error of some groups of points."""
    groupings: dict[str, Callable[[Point], str]] = {
        "type": lambda row: "",
        "looked at": lambda row: "no" if _held_out(row) else "yes",
        "part": lambda row: str(row["system"]),
        "part and phase": lambda row: f"{row['system']} {row['phase']}",
        "model": lambda row: str(row["model"]),
        "kind and phase": lambda row: f"{'dense' if row['ep'] is None else 'experts'} {row['phase']}",
        "engine": lambda row: str(row["backend"]),
        "batch and tokens": lambda row: f"{row['phase']} {row['batch']} x {row['tokens']}",
    }
    lines = []
    for quant, (name, group_of) in product(dict.fromkeys(row["quant"] for row in rows), groupings.items()):
        groups = defaultdict(list)
        for row in rows:
            if row["quant"] == quant and (name != "looked at" or quant == "bf16"):
                groups[group_of(row)].append(row["error"])
        for group, found in groups.items():
            size = np.abs(found)
            lines.append({
                "type": quant, "by": name, "group": group, "points": len(found), "mape": float(size.mean()),
                "median": float(np.median(size)), "bias": float(np.mean(found)),
            })  # fmt: skip
    return lines


def _held_out(row: Point) -> bool:
    return row["system"] in HELD_OUT.get(row["model"], ())


def _answers(peers: str, kept: Path | None, parts: list[str]) -> list[Point]:
    if kept is not None and kept.exists():
        return [point for point in json.loads(kept.read_text(encoding="utf-8")) if point["system"] in parts]
    script, asked = Path(__file__).with_name("peer_steps.py"), json.dumps(points(parts))
    run = subprocess.run([peers, str(script)], input=asked, capture_output=True, text=True, check=True)
    answers: list[Point] = json.loads(run.stdout.strip().splitlines()[-1])
    if kept is not None:
        kept.write_text(json.dumps(answers), encoding="utf-8")
    return answers


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers", metavar="PYTHON", required=True, help="interpreter that has aiconfigurator 0.12.0"
    )
    parser.add_argument("--steps", metavar="FILE", type=Path, help="its answers, read where the file exists")
    parser.add_argument("--parts", default=",".join(_PARTS), help="which of them, by commas (default: all)")
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    arguments = parser.parse_args()
    answers = _answers(arguments.peers, arguments.steps, arguments.parts.split(","))
    lines = summary(errors(answers, cost_models.load_catalogue()))
    print(f"{'type':11} {'by':17} {'group':36} {'mean':>6} {'median':>7} {'bias':>7} {'points':>7}")
    for line in lines:
        print(
            f"{line['type']:11} {line['by']:17} {line['group']:36} {line['mape']:6.1%} {line['median']:7.1%} "
            f"{line['bias']:+7.1%} {line['points']:7}"
        )
    missing = {
        f"{p['model']} {p['quant']} on {p['system']}, {p['backend']}": p for p in answers if "reason" in p
    }
    for name, point in missing.items():
        print(f"not measured: {name}: {point['reason']}")
    if arguments.json:
        table = {"lines": lines, "not_measured": list(missing)}
        Path(arguments.json).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
