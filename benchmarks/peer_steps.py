"""Steps of whole models from aiconfigurator's measured kernel tables, run by `benchmarks.accuracy --peers PYTHON`.

It runs in the interpreter of an environment of its own and imports nothing of this project:
    python3 -m venv peers && peers/bin/pip install aiconfigurator==0.12.0
Reads a JSON list of {model, quant, system, backend, tp, ep, phase, batch, tokens} from stdin and prints a list of
{..., seconds, fits} or {..., reason}. ep: ranks that the experts are spread over, null for a dense model; the rest
of tp cuts each expert. Cache and attention in bf16; its mode SILICON interpolates measured rows.
"""

import json
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

_OF_ONE_SESSION = ("model", "quant", "system", "backend", "tp", "ep", "phase")


class Sessions:
    """aiconfigurator's sessions: one takes a second and a half to make and answers any batch and length."""

    def __init__(self, folder: Path) -> None:
        import aiconfigurator.sdk.inference_session as sessions
        import aiconfigurator_core

        self.configs = Path(aiconfigurator_core.__file__).parent / "model_configs"
        self._folder, self._made = folder, []  # type: ignore[var-annotated]
        self._run_static = run_static = sessions.InferenceSession.run_static

        def kept(session: Any, *arguments: Any, **named: Any) -> Any:
            self._made.append(session)
            return run_static(session, *arguments, **named)

        sessions.InferenceSession.run_static = kept

    def config(self, model: str) -> Path:
        """The model's config.json as aiconfigurator has it."""
        return self.configs / f"{model.replace('/', '--')}_config.json"

    def make(self, point: dict[str, Any]) -> dict[str, Any]:
        """{session}: one for all points that differ in batch and length alone."""
        from aiconfigurator.cli.api import cli_estimate

        experts, type_ = point["ep"] is not None, {"bf16": "bfloat16"}.get(point["quant"], point["quant"])
        named = {
            "mode": _mode(point), "backend_name": point["backend"], "isl": 1024, "osl": 2, "batch_size": 1,
            "tp_size": point["tp"], "moe_tp_size": point["tp"] // point["ep"] if experts else None,
            "moe_ep_size": point["ep"], "gemm_quant_mode": type_, "kvcache_quant_mode": "bfloat16",
            "fmha_quant_mode": "bfloat16", "moe_quant_mode": type_ if experts else None,
        }  # fmt: skip
        model = point["model"]
        if model.startswith("mistralai/"):  # whose configs it has and would download nevertheless
            folder = self._folder / model.replace("/", "--")
            folder.mkdir(exist_ok=True)
            shutil.copy(self.config(model), folder / "config.json")
            model = str(folder)
        cli_estimate(model, point["system"], **named)
        return {"session": self._made[-1]}

    def answer(self, session: Any, point: dict[str, Any]) -> dict[str, Any]:
        """One prefill of the batch, or one decode step with so many tokens in the cache of each sequence."""
        from aiconfigurator.sdk.config import RuntimeConfig

        asked = RuntimeConfig(batch_size=point["batch"], isl=point["tokens"], osl=2)
        found = self._run_static(session, runtime_config=asked, mode=_mode(point), stride=32)
        prefill = point["phase"] == "prefill"
        spent = found.get_context_latency_dict() if prefill else found.get_generation_latency_dict()
        return {"seconds": sum(spent.values()) * 1e-3, "fits": not found.check_oom()}


def _mode(point: dict[str, Any]) -> str:
    return "static_ctx" if point["phase"] == "prefill" else "static_gen"


def _tried(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return act()
    except Exception as error:
        return {"reason": f"{error!r:.160}"}


def main() -> None:
    """Answer the points of stdin on stdout."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        sessions = Sessions(Path(folder))
        asked = json.load(sys.stdin)
        for _, alike in groupby(asked, key=lambda point: [point[name] for name in _OF_ONE_SESSION]):
            points = list(alike)
            made = _tried(partial(sessions.make, points[0]))
            for point in points:
                found = made
                if "session" in made:
                    found = _tried(partial(sessions.answer, made["session"], point))
                answers.append({**point, "config": str(sessions.config(point["model"])), **found})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
