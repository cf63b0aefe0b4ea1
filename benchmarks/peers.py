"""Designs per CPU-second of the tools on PyPI, run by `benchmarks.evaluations --peers PYTHON`.

It runs in the interpreter of an environment of its own and imports nothing of this project:
    python3 -m venv peers && peers/bin/pip install aiconfigurator==0.12.0 genz-llm==0.0.16
Each design is one way of serving a Qwen of 32 billion parameters on H100, through the tool's own documented doors.
In a search those designs are counted that the tool predicts: workers at a parallel layout, batch and chunk of the
prompt.
"""

import contextlib
import io
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
    """aiconfigurator: its estimate of one aggregated deployment on two H100."""
    from aiconfigurator.cli.api import cli_estimate

    return per_second(
        lambda batch: cli_estimate(
            "Qwen/Qwen3-32B", "h100_sxm", backend_name="trtllm", isl=2048, osl=256, batch_size=batch, tp_size=2,
            ctx_tokens=2048,
        )
    )  # fmt: skip


def aiconfigurator_search() -> float:
    """aiconfigurator: its search for the best aggregated and disaggregated deployments on eight H100."""
    from aiconfigurator.cli.api import cli_default
    from aiconfigurator.sdk import sweep

    count = 0

    def counted(predict: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal count
            count += 1
            return predict(*arguments, **named)

        return call

    for name in ("predict_agg_worker", "predict_disagg_worker"):
        setattr(sweep, name, counted(getattr(sweep, name)))

    def search() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            cli_default("Qwen/Qwen3-32B", 8, "h100_sxm", isl=2048, osl=256, ttft=1e5, tpot=1e3)

    search()
    count, start = 0, time.process_time()
    while time.process_time() - start < _SECONDS:
        search()
    return count / (time.process_time() - start)


def main() -> None:
    """Print {tool: designs per CPU-second, or the reason why not}."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    table: dict[str, float | str] = {}
    for name, tool in (
        ("genz-llm 0.0.16, one at a time", genz),
        ("aiconfigurator 0.12.0, one at a time", aiconfigurator),
        ("aiconfigurator 0.12.0, its search", aiconfigurator_search),
    ):
        try:
            table[name] = tool()
        except Exception as error:
            table[name] = f"not measured: {error!r:.100}"
    print(json.dumps(table), file=sys.stdout)


if __name__ == "__main__":
    main()
