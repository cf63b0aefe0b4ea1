"""What do I hand over? A trial, or a finished design, as a folder of files that run.

specification = from_study("first", "sqlite:///codesign.db")        # the knee; or from_design("design.yaml")
write(specification, Path("plan"))
"""

from pathlib import Path
from typing import Any

from codesign.export.specification import Specification, from_design, from_study

__all__ = ["Specification", "from_design", "from_study", "summary", "write"]


def write(specification: Specification, out: Path, force: bool = False) -> dict[str, Any]:
    """Write the export; {folder, origin, trial, files, feasible}. Raises ExportError as `folder.check`."""
    from codesign.export.files import files
    from codesign.export.folder import check, write_folder

    check(out, force)  # before the work
    texts = files(specification)
    write_folder(out, texts, force)
    return {
        "folder": str(out),
        "origin": specification.origin,
        "trial": specification.trial,
        "files": list(texts),
        "feasible": specification.document()["feasible"],
    }


def summary(document: dict[str, Any]) -> str:
    """What was written, and what to do with it."""
    folder = document["folder"]
    lines = [f"{document['origin']} written to {folder}:"]
    lines += [f"  {name:<22} {_PURPOSE[name]}" for name in document["files"]]
    if not document["feasible"]:
        lines.append("The design breaks a constraint; the report says which and by how much.")
    return "\n".join([*lines, f"Check it with: codesign evaluate {folder}/design.yaml"])


_PURPOSE = {
    "design.yaml": "the design; codesign evaluate gives its figures again",
    "config.json": "the model, as a Hugging Face config",
    "serve.sh": "starts vLLM or SGLang",
    "placement.yaml": "what lies in which memory, byte for byte",
    "bill_of_materials.csv": "what to buy, at which price, from which source",
    "report.html": "the choice explained, for a browser or a printer",
}
