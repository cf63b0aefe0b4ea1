"""Constants of processors as accelerators: llama.cpp's kernels on one core, carried to sockets of many cores.

`fitting/processors.yaml` has what kernels reach of one core's peak and of one core's reading rate, measured on one
host (an EPYC of 2024) and written by `python -m cost_models.fitting.processors`. For a socket
    compute     share of one core's peak; of matrix units (AMX) a share of its own
    memory      share of one core's reading rate x what long reads reach of DRAM's nominal rate
    overhead    the kernel's own + barriers x cores x latency from core to core
since a barrier of llama.cpp is one counter that every thread raises in turn. Figures of the shipped catalogue: cores,
and whether there are matrix units.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from cost_models import yamlfile

FILE = Path(__file__).parent / "fitting" / "processors.yaml"
_CORES = 64.0  # of a processor whose file says nothing: those of most that are sold for this

Constants = dict[str, dict[str, float]]


@lru_cache(maxsize=1)
def content() -> dict[str, Any]:
    """What was fitted: classes, matrix_unit, core_to_core_s, expected_error."""
    return dict(yamlfile.read(FILE).data)


@lru_cache(maxsize=1024)
def constants_of(name: str) -> Constants:
    """Operator class -> constant -> value for a processor of the catalogue or a user's file; empty for other parts."""
    # here, since the catalogue reads constants to load
    from cost_models.catalogue import filling, load_catalogue, userfile

    catalogue = load_catalogue()
    if not (userfile.is_path(name) or name in catalogue.accelerators()):
        return {}
    part = filling.Reader(name, catalogue.entry("accelerator", name), catalogue.root)
    if part.text("kind") != "cpu":
        return {}
    stream = part.common("technology", "ddr5", "stream_efficiency")
    barrier_s = (part.figure("cores") or _CORES) * content()["core_to_core_s"]
    matrix = content()["matrix_unit"] if part.text("matrix_unit") else {}
    return {
        kind: {
            **one["values"],
            **matrix.get(kind, {}),
            "memory": one["values"]["memory"] * stream,
            "overhead_s": one["values"]["overhead_s"] + one["barriers"] * barrier_s,
        }
        for kind, one in content()["classes"].items()
    }


def expected_error() -> float:
    """Mean relative error to expect of a step's time, from published measurements."""
    return float(content()["expected_error"])
