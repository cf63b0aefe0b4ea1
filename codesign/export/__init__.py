"""What do I hand over? A trial, or a finished design, as a folder of files that run.

specification = from_study("first", "sqlite:///codesign.db")        # the knee; or from_design("design.yaml")
write(specification, Path("plan"))
"""

from pathlib import Path
from typing import Any

from codesign.errors import ExportError
from codesign.export.specification import Specification, from_design, from_study

__all__ = ["ExportError", "Specification", "from_design", "from_study", "summary", "write"]


def write(
    specification: Specification, out: Path, force: bool = False, weights: str = "auto"
) -> dict[str, Any]:
    """Write the export; {folder, origin, trial, files, feasible, no_weights, not_built}.

    weights: as `trained.trained` takes it; no_weights: why the folder has none; not_built: what the full size has
    that model.py lacks; or null. Raises ExportError.
    """
    from codesign.export.files import files
    from codesign.export.folder import check, write_folder
    from codesign.export.runnable.shapes import not_built
    from codesign.export.trained import trained

    check(out, force)  # before the work
    texts: dict[str, str | Path] = dict(files(specification))
    proxy = trained(specification.design.model, specification.training, weights)
    texts |= {**proxy.texts, **proxy.files}
    write_folder(out, texts, force)
    return {
        "folder": str(out),
        "origin": specification.origin,
        "trial": specification.trial,
        "files": list(texts),
        "feasible": specification.document()["feasible"],
        "no_weights": proxy.reason or None,
        "not_built": not_built(specification.design.model) or None,
    }


def summary(document: dict[str, Any]) -> str:
    """What was written, and what to do with it."""
    folder = document["folder"]
    lines = [f"{document['origin']} written to {folder}:"]
    lines += [f"  {name:<28} {_PURPOSE[name]}" for name in document["files"]]
    if document["not_built"]:
        lines.append(f"pytorch/model.py does not build the full size: it lacks {document['not_built']}.")
    if document["no_weights"]:
        lines.append(f"No trained proxy is with it: {document['no_weights']}.")
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
    "pytorch/model.py": "the model in PyTorch, without codesign",
    "pytorch/generate.py": "continues a text with the trained proxy",
    "pytorch/full.json": "what model.py builds at full size",
    "pytorch/proxy.json": "what it builds for the weights",
    "pytorch/weights.safetensors": "weights of the trained proxy",
    "pytorch/tokenizer.json": "its tokenizer",
}
