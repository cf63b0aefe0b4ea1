"""Times of whole models that nothing was fitted on, against another tool's interpolation of measured kernels.

    python -m benchmarks.accuracy --peers PYTHON [--parts h100_sxm,gb200] [--json FILE]

PYTHON: interpreter of an environment with aiconfigurator 0.12.0 (peer_steps.py). Constants of the latency model were
fitted on operator rows of these parts, never on whole models. The forms of the operator
classes were chosen while the first four parts were in view; the others are a check of them. What it gave before any
later change: GB200 8.5 %, B300 6.2 %, RTX PRO 6000 6.7 %.
"""

import argparse
import json
import subprocess
from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Any

import cost_models
from cost_models import Catalogue, Design, Serving, System

# model, tensor-parallel degrees, whether it has experts
_MODELS = (
    ("Qwen/Qwen3-8B", (1,), False),
    ("meta-llama/Meta-Llama-3.1-70B", (4, 8), False),
    ("Qwen/Qwen3-32B", (2,), False),
    ("Qwen/Qwen3-30B-A3B", (2,), True),
    ("Qwen/Qwen3-235B-A22B", (8,), True),
)
_PARTS = {
    "h100_sxm": "h100-sxm", "h200_sxm": "h200-sxm", "b200_sxm": "b200-sxm", "a100_sxm": "a100-80-sxm",
    "gb200": "gb200", "b300_sxm": "b300-sxm", "rtx_pro_6000_server": "rtx-pro-6000",
    "l40s": "l40s", "gb300": "gb300",
}  # fmt: skip
_BACKENDS = {
    "a100_sxm": "vllm",
    "b300_sxm": "vllm",
    "rtx_pro_6000_server": "vllm",
    "l40s": "vllm",
}  # others: trtllm
_STEPS = (
    *(("prefill", *shape) for shape in ((1, 512), (1, 4096), (4, 2048))),
    *(("decode", *shape) for shape in ((1, 2048), (16, 1024), (64, 4096))),
)
# These models on this part gave the reference cases of `codesign validate`.
_SEEN = {("Qwen/Qwen3-32B", "h100_sxm"), ("Qwen/Qwen3-30B-A3B", "h100_sxm")}


def points(parts: Collection[str]) -> list[dict[str, Any]]:
    """All points of some parts: {model, experts, system, backend, tp, phase, batch, tokens}."""
    return [
        {"model": model, "experts": experts, "system": system, "backend": _BACKENDS.get(system, "trtllm"), "tp": tp,
         "phase": phase, "batch": batch, "tokens": tokens}
        for (model, degrees, experts), system in product(_MODELS, parts)
        if (model, system) not in _SEEN
        for tp, (phase, batch, tokens) in product(degrees, _STEPS)
    ]  # fmt: skip


def predicted(point: dict[str, Any], catalogue: Catalogue) -> float:
    """The same step by this project's models, seconds."""
    prefill = point["phase"] == "prefill"
    design = Design(
        cost_models.read_model(point["config"]),
        System(accelerator=_PARTS[point["system"]], accelerators=point["tp"]),
        Serving(
            tensor_parallel=point["tp"], phase=point["phase"], input_tokens=point["tokens"],
            concurrency=point["batch"], prefill_chunk=point["batch"] * point["tokens"],
        ),
    )  # fmt: skip
    evaluation = cost_models.evaluate(design, catalogue)
    return float(evaluation["latency.prefill_s" if prefill else "latency.decode_step_s"])


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean absolute and mean signed error by model and part, then by part, then over all."""
    keys = [(row["model"], row["system"]) for row in rows]
    groups = [
        *dict.fromkeys(keys),
        *(("all models", s) for s in dict.fromkeys(k[1] for k in keys)),
        ("all", "all"),
    ]
    found = []
    for model, system in groups:
        line: dict[str, Any] = {"model": model, "system": system}
        for phase in ("prefill", "decode", "all"):
            errors = [
                row["error"] for row in rows
                if phase in (row["phase"], "all")
                and (model.startswith("all") or row["model"] == model) and system in (row["system"], "all")
            ]  # fmt: skip
            mean = sum(map(abs, errors)) / len(errors) if errors else None
            line[phase] = {"points": len(errors), "mape": mean, "bias": sum(errors) / max(len(errors), 1)}
        found.append(line)
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers", metavar="PYTHON", required=True, help="interpreter that has aiconfigurator 0.12.0"
    )
    parser.add_argument("--parts", default=",".join(_PARTS), help="which of them, by commas (default: all)")
    parser.add_argument("--json", metavar="FILE", help="also write points and errors as JSON")
    arguments = parser.parse_args()
    script = Path(__file__).with_name("peer_steps.py")
    asked = json.dumps(points(arguments.parts.split(",")))
    run = subprocess.run(
        [arguments.peers, str(script)], input=asked, capture_output=True, text=True, check=True
    )
    catalogue = cost_models.load_catalogue()
    rows, missing = [], []
    for point in json.loads(run.stdout.strip().splitlines()[-1]):
        if "seconds" not in point:
            missing.append(point)
            continue
        own = predicted(point, catalogue)
        rows.append({**point, "config": None, "predicted": own, "error": own / point["seconds"] - 1})
    summary = table(rows)
    print(
        f"{'model':32} {'accelerator':12} {'prefill':>8} {'decode':>8} {'all':>8} {'bias':>8} {'points':>7}"
    )
    for line in summary:
        shown = [
            f"{line[p]['mape']:8.1%}" if line[p]["points"] else f"{'-':>8}"
            for p in ("prefill", "decode", "all")
        ]
        print(
            f"{line['model']:32} {line['system']:12} {' '.join(shown)} {line['all']['bias']:+8.1%} "
            f"{line['all']['points']:7}"
        )
    for reason in dict.fromkeys(f"{p['model']} on {p['system']}: {p['reason']}" for p in missing):
        print(f"not measured: {reason}")
    if arguments.json:
        Path(arguments.json).write_text(
            json.dumps({"rows": rows, "summary": summary}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
