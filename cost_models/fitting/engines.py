"""Fit the host time of each serving engine to measured servers, write engines.yaml, and report what is left out.

python -m cost_models.fitting.engines            fit, write and report
python -m cost_models.fitting.engines --check    report with the file as it is

Two constants an engine: seconds of the host a step, and a step and request. They minimise the absolute relative error
of the time per output token, each server counting alike, over the servers that were looked at before
(references/served_dense.csv, sets "development" and "opened"). What is stated as an engine's error is of each of its
servers with constants fitted to its others, or of the servers held out (served_fresh.csv) where that is larger.
"""

import argparse
import datetime
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cost_models import cases, constants, latency
from cost_models.catalogue import load_catalogue
from cost_models.design import ENGINES
from cost_models.evaluation import evaluate

Floats = NDArray[np.float64]

_FEW = 10  # rows below which a server says too little to count as much as others
_STEPS = np.linspace(0.0, 2.5e-3, 251)  # s a step
_REQUESTS = np.linspace(0.0, 50e-6, 101)  # s a step and request


@dataclass(frozen=True)
class Server:
    """The rows of one server. bare: TPOT if its host took no time, least: that of its front end, both (rows,)."""

    name: str
    engine: str
    requests: Floats
    bare: Floats
    least: Floats
    measured: Floats

    def error(self, step_s: float, request_s: float) -> float:
        """Mean absolute relative error of TPOT with these constants."""
        predicted = np.maximum(self.bare + step_s + request_s * self.requests, self.least)
        return float(np.mean(np.abs(predicted / self.measured - 1.0)))


def servers() -> list[Server]:
    """The measured servers that may be fitted to, in the order of their file."""
    catalogue = load_catalogue()
    found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for case in cases.read(cases.FOLDER / "served_dense.yaml"):
        if case.fitted and case.design is not None:
            bare = replace(case.design, serving=replace(case.design.serving, engine=""))
            result = evaluate(bare, catalogue).result()
            parts, lanes = result.parts, float(result.memory.running)
            free = replace(parts, engine=replace(parts.engine, stream_token=0.0))
            tpot = float(latency.estimate(replace(result.steps, host_s=0.0, parts=free)).tpot_s)
            row = (lanes, tpot, lanes * float(parts.engine.stream_token), case.published * 1e-3)
            found.setdefault((case.group, str(case.design.serving.engine)), []).append(row)
    return [Server(*key, *np.array(rows).T) for key, rows in found.items() if len(rows) >= _FEW]


def fit(chosen: list[Server]) -> tuple[float, float]:
    """Seconds a step, and a step and request."""
    loss = np.zeros((len(_STEPS), len(_REQUESTS)))
    for server in chosen:
        host = _STEPS[:, None, None] + _REQUESTS[None, :, None] * server.requests
        predicted = np.maximum(server.bare + host, server.least)
        loss += np.mean(np.abs(predicted / server.measured - 1.0), axis=-1)
    i, j = np.unravel_index(int(np.argmin(loss)), loss.shape)
    return float(_STEPS[i]), float(_REQUESTS[j])


def left_out(chosen: list[Server]) -> dict[str, float]:
    """Error of each server with constants fitted to the others of its engine."""
    return {one.name: one.error(*fit([other for other in chosen if other is not one])) for one in chosen}


def held_out(engine: str) -> float:
    """Mean error over the servers that nothing is fitted to, of one engine, or with no engine named ("")."""
    errors = []
    for case in cases.read(cases.FOLDER / "served_fresh.yaml"):
        assert case.design is not None
        serving = case.design.serving
        if engine in ("", serving.engine):
            found = evaluate(replace(case.design, serving=replace(serving, engine=engine)))
            errors.append(abs(float(found["latency.tpot_s"]) / (case.published * 1e-3) - 1.0))
    return float(np.mean(errors))


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m cost_models.fitting.engines", description=__doc__)
    parser.add_argument("--check", action="store_true", help="report only; leave engines.yaml as it is")
    check = parser.parse_args().check
    measured = servers()
    generic_s = constants.fitted()[constants.PRIOR]["host"]["step_s"]
    generic = {one.name: one.error(generic_s, 0.0) for one in measured}
    found: dict[str, dict[str, float]] = {"generic": {"error": float(np.median(list(generic.values())))}}
    for engine in ENGINES:
        chosen = [one for one in measured if one.engine == engine]
        step_s, request_s = fit(chosen)
        errors = left_out(chosen)
        error = float(np.median(list(errors.values())))
        found[engine] = {"step_s": step_s, "request_s": request_s, "error": error}
        print(f"{engine}: {1e3 * step_s:.2f} ms a step, {1e6 * request_s:.1f} us a step and request")
        for one in chosen:
            print(
                f"  {one.name:<55} {len(one.measured):>3} rows   generic {generic[one.name]:>6.1%}   "
                f"fitted {one.error(step_s, request_s):>6.1%}   left out {errors[one.name]:>6.1%}"
            )
    if not check:
        _write(found)
    for engine, figures in found.items():
        apart = held_out(engine if engine in ENGINES else "")
        print(
            f"{engine}: left out {figures['error']:.1%} (median of servers), held out {apart:.1%} (mean of rows)"
        )
        figures["error"] = max(figures["error"], apart)
    if not check:
        _write(found)


def _write(found: dict[str, dict[str, float]]) -> None:
    lines = [
        "# Written by `python -m cost_models.fitting.engines`; do not edit. Host time by serving engine.",
        "# error: of TPOT, the larger of two: the median of servers, each with constants fitted to the others of its",
        "# engine; and the mean over servers that nothing is fitted to. generic: with no engine named, host.step_s of",
        "# constants.yaml, which is fitted to none of them.",
        "source: measured servers of dense models, references/served_dense.yaml, and served_fresh.yaml (held out)",
        f"date: {datetime.date.today().isoformat()}",
        "engines:",
    ]
    for engine, figures in found.items():
        lines.append(
            f"  {engine}: {{{', '.join(f'{name}: {value:.3g}' for name, value in figures.items())}}}"
        )
    constants.ENGINES_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    constants.engines.cache_clear()


if __name__ == "__main__":
    main()
