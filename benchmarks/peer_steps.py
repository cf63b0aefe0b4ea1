"""Steps of whole models from aiconfigurator's measured kernel tables, run by `benchmarks.accuracy --peers PYTHON`.

It runs in the interpreter of an environment of its own and imports nothing of this project:
    python3 -m venv peers && peers/bin/pip install aiconfigurator==0.12.0
Reads a JSON list of {model, system, backend, tp, phase, batch, tokens} from stdin and prints a list of
{..., seconds} or {..., reason}. bf16 weights, cache and arithmetic; its mode SILICON interpolates measured rows.
"""

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any


def seconds(point: dict[str, Any]) -> float:
    """One prefill of the batch, or one decode step with so many tokens in the cache of each sequence."""
    from aiconfigurator.cli.api import cli_estimate

    prefill = point["phase"] == "prefill"
    result = cli_estimate(
        point["model"], point["system"], mode="static_ctx" if prefill else "static_gen",
        backend_name=point["backend"], isl=point["tokens"], osl=2, batch_size=point["batch"], tp_size=point["tp"],
        moe_tp_size=point["tp"] if point["experts"] else None, moe_ep_size=1 if point["experts"] else None,
        gemm_quant_mode="bfloat16", kvcache_quant_mode="bfloat16", fmha_quant_mode="bfloat16",
        moe_quant_mode="bfloat16",
    )  # fmt: skip
    return float(result.ttft if prefill else result.tpot) * 1e-3


def main() -> None:
    """Answer the points of stdin on stdout."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    import aiconfigurator_core

    configs = Path(aiconfigurator_core.__file__).parent / "model_configs"
    answers = []
    for point in json.load(sys.stdin):
        answer = {**point, "config": str(configs / f"{point['model'].replace('/', '--')}_config.json")}
        try:
            answer["seconds"] = seconds(point)
        except Exception as error:
            answer["reason"] = f"{error!r:.160}"
        answers.append(answer)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
