"""What the figures rest on: assumptions, the models' own error, and the sources."""

from collections.abc import Mapping
from html import escape
from typing import Any

from codesign.export import sensitivity
from codesign.export.charts import tornado
from codesign.export.expected import expected_errors
from codesign.export.page.markup import paragraph, table
from codesign.export.specification import Specification
from codesign.plaintext import duration, number, percent

Document = dict[str, Any]


def assumptions(specification: Specification) -> str:
    """The cost at the two ends of each price, and the figures at other loads."""
    head = ("sequences in flight", "TTFT", "TPOT", "tokens/s", "USD/M tokens", "feasible")
    rows = [
        (
            number(row["concurrency"]),
            duration(row["ttft_s"]),
            duration(row["tpot_s"]),
            number(row["output_tokens_per_s"]),
            number(row["usd_per_mtok"]),
            "yes" if row["feasible"] else "no",
        )
        for row in sensitivity.load(specification)
    ]
    words = "Change of the cost per million output tokens, at the two ends of each range."
    bars = tornado(sensitivity.prices(specification))
    return paragraph(words, "quiet") + bars + (f"<h3>At other loads</h3>{table(head, rows)}" if rows else "")


def errors(document: Document, belief: Mapping[str, Any] | None = None) -> str:
    """How wrong the cost models are where they can be checked, and what the proxy says and does not say."""
    head = ("figure", "median error", "mean", "worst", "measurements", "")
    rows = [
        (
            row.label,
            f"{100 * row.median:.1f} %",
            f"{100 * row.mean:.1f} %",
            f"{100 * row.worst:.1f} %",
            str(row.cases),
            "; ".join(row.names),
        )
        for row in expected_errors()
    ]
    words = (
        "Absolute error of the cost models on published measurements that they were not fitted to; "
        "`codesign validate` lists every case. Few measurements of a figure say little about it."
    )
    error = document["latency"]["expected_error"]
    if error is not None:
        words = (
            f"The kernels of a step on this accelerator are expected to be right within {percent(error)} on average; "
            f"what servers reach with them is further off, and the figures at the top say by how much in half of the "
            f"measurements. {words}"
        )
    quality = document["quality"]
    proxy = "No quality was measured: the model was taken as finished."
    if quality:
        proxy = (
            "Bits per byte are those of a short training of a scaled-down model (fidelity "
            f"{quality['fidelity']}). They rank designs and are not what the full model reaches; larger "
            "tables have been seen to gain in short trainings without a gain in downstream tasks."
        )
    if quality and belief and belief["prior_weight"]:
        proxy = (
            f"The quality rests to {percent(belief['prior_weight'])} on published laws and to "
            f"{percent(belief['proxy_weight'])} on the training. The laws: {'; '.join(belief['statements'])}. {proxy}"
        )
    return paragraph(words) + table(head, rows, left=(0, 5)) + paragraph(proxy)


def sources(specification: Specification, document: Document) -> str:
    """Every figure of the catalogue entries in use, with its source."""
    wanted = tuple(f"{entry}." for entry in document["sources"])
    rows = [
        (name, f"{figure.value} {figure.unit}", figure.confidence, figure.source)
        for name, figure in specification.catalogue().figures()
        if name.startswith(wanted) and figure.value is not None
    ]
    listed = table(("figure", "value", "confidence", "source"), rows, left=(0, 2, 3))
    title = escape(f"{len(rows)} figures of these entries, each with its source and confidence")
    return f"{paragraph(', '.join(document['sources']))}<details><summary>{title}</summary>{listed}</details>"
