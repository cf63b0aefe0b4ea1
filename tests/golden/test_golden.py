"""Three whole designs with the documents they gave: a change of any figure is seen, and has to be meant.

`python tests/golden/test_golden.py` writes the documents anew; look at the difference before committing it.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codesign.export import from_design
from codesign.verbs.answer import plain

HERE = Path(__file__).parent
DESIGNS = sorted(path.stem for path in HERE.glob("*.yaml"))


def differences(expected: Any, found: Any, place: str = "") -> Iterator[str]:
    """Every place where two documents differ; figures may differ by rounding."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}):
            yield from differences(expected.get(key, "nothing"), found.get(key, "nothing"), f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif isinstance(expected, float) and isinstance(found, float | int):
        if not math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-18):
            yield f"{place}: {expected} was expected, {found} found"
    elif expected != found:
        yield f"{place}: {expected!r} was expected, {found!r} found"


@pytest.mark.parametrize("name", DESIGNS)
def test_figures_are_as_they_were(name: str) -> None:
    found = plain(from_design(HERE / f"{name}.yaml").document())
    expected = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    assert not list(differences(expected, found))


def test_the_three_are_of_three_kinds() -> None:
    documents = {name: json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in DESIGNS}
    assert documents["deepseek-v4.1-flash"]["feasible"]
    assert documents["engram-27b-on-ssd"]["lookup"]["stall_s"] > 0
    assert not documents["dense-4b-too-small"]["feasible"]
    assert documents["dense-4b-too-small"]["violations"]["kv"] > 0


def write() -> None:
    """Write the documents anew."""
    for name in DESIGNS:
        document = plain(from_design(HERE / f"{name}.yaml").document())
        (HERE / f"{name}.json").write_text(
            json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    write()
