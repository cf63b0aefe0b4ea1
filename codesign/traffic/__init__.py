"""How real text reads Engram tables: `codesign traffic`, and the profiles that cost models read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MODEL = "engram-27b"


def document(
    texts: Sequence[str | Path] = (),
    model: str | Path = MODEL,
    out: str | Path | None = None,
    placement: bool = True,
    progress: Callable[[str], None] | None = None,
    **reading: Any,
) -> dict[str, Any]:
    """Measure texts (none: the bundled text) against the tables of a model; the JSON of `codesign traffic`.

    out: where to write the traffic profile. reading: options of `codesign.traffic.source.read`.
    """
    from codesign.traffic.measure import profile
    from codesign.traffic.report import document as report
    from codesign.traffic.source import read
    from cost_models import read_model
    from cost_models.errors import InputError

    shape = read_model(model)
    if shape.engram is None:
        raise InputError(f"{shape.name}: has no Engram tables; name a model that has, e.g. {MODEL}")
    source = read(texts, progress=progress, **reading)
    about = {"name": source.name, "tokens": source.stream.tokens, "tokenizer": source.tokenizer}
    measured = profile(source.stream, about=about, progress=progress)
    answer = report(source, measured, shape, placement, progress)
    if out is not None:
        measured.save(out)
        answer["profile"] = str(out)
    return answer


def text(answer: dict[str, Any]) -> str:
    """The answer of `document` in words and tables."""
    from codesign.traffic.report import text as words

    return words(answer)
