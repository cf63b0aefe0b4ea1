"""report.html: the choice explained on one page that needs no network, for a browser or a printer.

Every text from outside is escaped; the figures are those of the evaluation's document and no others.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from codesign.export.engine import not_supported, notes
from codesign.export.page import choice, doubt, shares, standing
from codesign.export.page.markup import paragraph
from codesign.export.specification import Specification
from codesign.plaintext import count
from codesign.verdict import verdict
from cost_models.answers import Answer

Document = dict[str, Any]


def page(
    specification: Specification,
    document: Document,
    placement: dict[str, Any],
    bill: list[dict[str, Any]],
    answers: Sequence[Answer],
) -> str:
    """The whole page. document: of `codesign evaluate`; placement, bill: as the files beside it hold them."""
    sections = {
        "The choice": choice.choice(specification, document),
        "The front, and where this design stands": standing.front(specification, document),
        "The nearest alternatives": standing.alternatives(specification, document),
        "Questions a deployer asks": _answers(answers),
        "Where the time goes": shares.time(document),
        "Where the memory goes": shares.memory(placement),
        "Where the energy goes": shares.energy(document),
        "Where the money goes": shares.money(document, bill),
        "If prices or load are other than assumed": doubt.assumptions(specification),
        "How far the figures can be trusted": doubt.errors(document, specification.belief),
        "Sources": doubt.sources(specification, document),
    }
    body = [f"<section><h2>{title}</h2>{text}</section>" for title, text in sections.items() if text]
    system = specification.design.system
    name = specification.design.model.name or "model"
    parameters = count(document["parameters"]["total"])
    title = escape(f"{name}, {parameters} parameters, on {system.accelerators} x {system.accelerator}")
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>\n<style>\n{style}</style>"
    )
    top = (
        f"<h1>{title}</h1>{_origin(specification)}{_verdict(specification, document)}{choice.tiles(document)}"
    )
    main = "\n".join([top, *body])
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{main}\n</main></body></html>\n'
    )


def _origin(specification: Specification) -> str:
    """Where the design comes from and the prices it was computed at."""
    words = [specification.origin, f"prices of scenario {specification.catalogue().scenario}"]
    words += [f"{key} = {value}" for key, value in specification.overrides.items()]
    return paragraph(", ".join(word for word in words if word), "quiet")


def _verdict(specification: Specification, document: Document) -> str:
    lines = [paragraph(verdict(document))]
    lines += [paragraph(reason, "warn") for reason in not_supported(specification.design)]
    lines += [paragraph(line) for line in notes(specification.design)]
    return f'<section class="verdict">{"".join(lines)}</section>'


def _answers(answers: Sequence[Answer]) -> str:
    return "".join(f"<h3>{escape(answer.question)}</h3>{paragraph(answer.sentence)}" for answer in answers)
