"""The model of an export as PyTorch that runs without codesign: the files of its folder `pytorch/`.

`model.py` and `generate.py` are copied as they stand here; the shapes beside them say what to build.
"""

import json
from pathlib import Path
from typing import Any

from codesign.export.runnable.shapes import full_size, not_built
from cost_models.design import Model

FOLDER = "pytorch"
_HERE = Path(__file__).parent


def texts(model: Model) -> dict[str, str]:
    """File name -> text of what needs no training: the source, and the shape at full size where it can be built."""
    sources = {name: (_HERE / name).read_text(encoding="utf-8") for name in ("model.py", "generate.py")}
    result = {f"{FOLDER}/{name}": text for name, text in sources.items()}
    if not not_built(model):
        result[f"{FOLDER}/full.json"] = shape_text(full_size(model))
    return result


def shape_text(shape: dict[str, Any]) -> str:
    """A shape as JSON, a field a line."""
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in shape.items())
    return "{\n  " + ",\n  ".join(lines) + "\n}\n"
