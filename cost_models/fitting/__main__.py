"""Fit the constants of all operator classes, write constants.yaml, and report the errors on held-out data.

python -m cost_models.fitting            fit, write and report
python -m cost_models.fitting --check    report with the constants as they are
"""

import argparse
import datetime
import math
from collections import defaultdict

import numpy as np

from cost_models import constants, plans
from cost_models.fitting.held_out import leave_one_out, model_points
from cost_models.fitting.recipe import PARTS, Entry, fit_part

# Whole steps of nine models in 16 bits against the same database's interpolated kernels (benchmarks/accuracy.py).
_WHOLE_MODEL_ERRORS = {
    "h100-sxm": 0.08, "a100-80-sxm": 0.09, "h200-sxm": 0.08, "b200-sxm": 0.08, "gb200": 0.10, "b300-sxm": 0.09,
    "rtx-pro-6000": 0.06, "l40s": 0.09, "gb300": 0.09,
}  # fmt: skip
# Constants of another part on a part's kernels in the same database: mean of the errors of matrix products (9 to
# 24 %) and of decode attention (8 to 48 %), where both are known. hypothetical: what a part that is not as sold
# adds, since shares of peak move with the balance of a part: whole steps on a B200 with the H100's constants.
_TRANSFER_ERRORS = {"prior": 0.20, "rtx-5090": 0.20, "hypothetical": 0.14}
# The RTX 5090 has the RTX PRO's die and PCIe, but tensor cores at half their rate.
_SAME_CHIP = {"a100-40-sxm": "a100-80-sxm", "h800": "h100-sxm", "rtx-5090": "rtx-pro-6000"}
_HOST_STEP_S = 0.5e-3


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m cost_models.fitting", description=__doc__)
    parser.add_argument("--check", action="store_true", help="report only; leave constants.yaml as it is")
    arguments = parser.parse_args()
    fits = {part: fit_part(part) for part in PARTS}
    if not arguments.check:
        _write(fits)
    _report(fits)


def _write(fits: dict[str, dict[str, Entry]]) -> None:
    # A class that the H100 does not have is that of the next part that has it.
    prior = {kind: entry for part in reversed(PARTS) for kind, entry in fits[part].items()}
    accelerators = {"prior": prior, **fits}
    lines = [
        "# Written by `python -m cost_models.fitting`; do not edit. Seconds and shares of peak; bytes per value.",
        "# `prior` holds for every part that is not named here: the H100's constants, with the error of a transfer.",
        f"date: {datetime.date.today().isoformat()}",
        "expected_error:",
        "  # held out: whole models, interpolated from measured kernels",
        *(f"  {name}: {error}" for name, error in _WHOLE_MODEL_ERRORS.items()),
        "  # estimates: constants of another part; hypothetical is added to the error of the part that is varied",
        *(f"  {name}: {error}" for name, error in _TRANSFER_ERRORS.items()),
        "same_chip:",
        *(f"  {name}: {other}" for name, other in _SAME_CHIP.items()),
        "accelerators:",
    ]
    for name, entries in accelerators.items():
        lines.append(f"  {name}:")
        for kind, entry in entries.items():
            numbers = ", ".join(f"{key}: {_number(value)}" for key, value in entry.fit.values.items())
            lines += [
                f"    {kind}:",
                f"      values: {{{numbers}}}",
                f"      error: {_number(entry.fit.error)}",
                f"      rows: {entry.fit.rows}",
                f"      source: '{entry.source}'",
                f"      confidence: {'estimate' if name == 'prior' else 'fitted'}",
            ]
        if name == "prior":
            lines += [
                "    host:",
                f"      values: {{step_s: {_HOST_STEP_S}}}",
                "      error: null",
                "      rows: 0",
                "      source: 'an engine schedules, samples and answers; 0.54 ms of an engine loop without a GPU"
                " (openfabric-systems/simllm #204)'",
                "      confidence: estimate",
            ]
    constants.FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    constants.fitted.cache_clear()
    constants._errors.cache_clear()
    constants.of.cache_clear()
    constants.key.cache_clear()
    plans.plan.cache_clear()


def _number(value: float) -> str:
    return "null" if math.isnan(value) else f"{value:.4g}"


def _report(fits: dict[str, dict[str, Entry]]) -> None:
    for name, entries in fits.items():
        print(f"\n{name}: constants of operator classes, fitted on operator rows only")
        for kind, entry in entries.items():
            values = ", ".join(f"{key} {_number(value)}" for key, value in entry.fit.values.items())
            error = f"{100 * entry.fit.error:.1f} % of {entry.fit.rows} rows"
            print(f"  {kind:18} {error:20} {values}")
            for model, left_out in leave_one_out(entry):
                print(f"  {'':18} {100 * left_out:.1f} % on {model}, fitted without it")
    points = model_points()
    print(f"\nH100 SXM: whole models, never fitted to ({len(points)} points)")
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for point in points:
        parallel = f"tp{point.tensor_parallel} ep{point.expert_parallel}"
        groups[(point.model, parallel, point.phase, point.engine)].append(point.error)
        groups[(point.model, "all", "", "")].append(point.error)
        groups[("all", "all", "", "")].append(point.error)
    for key, errors in sorted(groups.items()):
        print(
            f"  {key[0]:14} {key[1]:8} {key[2]:8} {key[3]:7} mean {100 * np.mean(np.abs(errors)):5.1f} %"
            f"   median {100 * np.median(np.abs(errors)):5.1f} %   bias {100 * np.mean(errors):+5.1f} %"
        )


if __name__ == "__main__":
    main()
