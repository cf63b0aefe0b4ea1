"""Evaluations per CPU-second of the tools on PyPI, run by `benchmarks.evaluations --peers PYTHON`.

It runs in the interpreter of an environment of its own and imports nothing of this project:
    python3 -m venv peers && peers/bin/pip install aiconfigurator==0.12.0 genz-llm==0.0.16
Each evaluation is one way of serving Qwen3-32B on two H100, through the tool's own documented door.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable

_SECONDS = 8.0


def per_second(evaluate: Callable[[int], object]) -> float:
    """Evaluations per CPU-second of different batch sizes, after one that warms up."""
    evaluate(1)
    start, count = time.process_time(), 0
    while time.process_time() - start < _SECONDS:
        count += 1
        evaluate(1 + count % 64)
    return count / (time.process_time() - start)


def genz() -> float:
    """genz-llm: one decode and one prefill step."""
    from GenZ import decode_moddeling, prefill_moddeling

    part = {"Flops": 989, "Memory_size": 80, "Memory_BW": 3350, "ICN": 450, "real_values": True}
    common = {"model": "Qwen/Qwen2.5-32B", "system_name": part, "bits": "bf16", "tensor_parallel": 2}

    def evaluate(batch: int) -> None:
        decode_moddeling(batch_size=batch, input_tokens=2048, output_tokens=256, **common)
        prefill_moddeling(batch_size=1, input_tokens=2048, **common)

    return per_second(evaluate)


def aiconfigurator() -> float:
    """aiconfigurator: its estimate of one aggregated deployment."""
    from aiconfigurator.cli.api import cli_estimate

    return per_second(
        lambda batch: cli_estimate(
            "Qwen/Qwen3-32B", "h100_sxm", backend_name="trtllm", isl=2048, osl=256, batch_size=batch, tp_size=2,
            ctx_tokens=2048,
        )
    )  # fmt: skip


def main() -> None:
    """Print {tool: evaluations per CPU-second, or the reason why not}."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    table: dict[str, float | str] = {}
    for name, tool in (("genz-llm 0.0.16", genz), ("aiconfigurator 0.12.0", aiconfigurator)):
        try:
            table[name] = tool()
        except Exception as error:
            table[name] = f"not measured: {error!r:.100}"
    print(json.dumps(table), file=sys.stdout)


if __name__ == "__main__":
    main()
