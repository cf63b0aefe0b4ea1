"""The files of an export, as texts. Nothing here writes; `folder` does."""

import csv
import io

import yaml

import cost_models
from codesign.export.config import config_text
from codesign.export.engine import serve_script
from codesign.export.page import page
from codesign.export.placement import placement
from codesign.export.runnable import texts
from codesign.export.specification import Specification
from cost_models.answers import answers
from cost_models.bill import bill_of_materials

BILL = ("item", "quantity", "unit", "unit_price_usd", "total_usd", "price_date", "source", "confidence")


def files(specification: Specification) -> dict[str, str]:
    """File name -> text, for every file of the export but the trained proxy."""
    design, evaluation = specification.design, specification.evaluation()
    document = evaluation.document(quality=specification.quality)
    result = evaluation.result()
    rows = bill_of_materials(design, evaluation.catalogue)
    where = placement(design, result.memory, result.parts)
    return {
        "design.yaml": design_text(specification),
        "config.json": config_text(design),
        "serve.sh": serve_script(design),
        "placement.yaml": yaml.safe_dump(where, sort_keys=False, allow_unicode=True, width=200),
        "bill_of_materials.csv": bill_text(rows),
        "report.html": page(specification, document, where, rows, answers(evaluation)),
        **texts(design.model),
    }


def design_text(specification: Specification) -> str:
    """The design file; evaluating it gives the same figures, at the same prices, to the last digit."""
    return cost_models.write_design(
        specification.design, specification.quality, specification.scenario, specification.overrides
    )


def bill_text(rows: list[dict[str, object]]) -> str:
    """The bill of materials as CSV, with the sum in the last row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, BILL, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _shown(value) for key, value in row.items()} for row in rows)
    total = sum(float(str(row["total_usd"])) for row in rows)
    writer.writerow({"item": "Total", "total_usd": _shown(total)})
    return out.getvalue()


def _shown(value: object) -> object:
    """Twelve digits of a number, whole ones without a point: 22, not 22.000000000000004."""
    return f"{value:.12g}" if isinstance(value, float) else value
