"""Quality by short trainings of scaled-down models: `measure(model, fidelity)` is the door.

The names are loaded on first use, since torch takes seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codesign.proxy.belief import judge
    from codesign.proxy.fidelity import Fidelity
    from codesign.proxy.generation import Reader, generate, load_weights
    from codesign.proxy.measurement import measure
    from codesign.proxy.quality import Quality
    from codesign.proxy.reporting import calibrate, compare, find, prune, report, report_text
    from codesign.proxy.store import Store

_HOMES = {
    "Fidelity": "fidelity", "Quality": "quality", "Store": "store", "measure": "measurement",
    "judge": "belief",
    "generate": "generation", "load_weights": "generation", "Reader": "generation",
    "calibrate": "reporting", "compare": "reporting", "find": "reporting", "prune": "reporting",
    "report": "reporting", "report_text": "reporting",
}  # fmt: skip

__all__ = [
    "Fidelity", "Quality", "Reader", "Store", "calibrate", "compare", "find", "generate", "judge", "load_weights",
    "measure", "prune", "report", "report_text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
