"""What leaves the page as a file. Names are made here; nothing that the browser says becomes a path."""

import base64
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any


def file_name(study: str, ending: str) -> str:
    """A file name from a study's name: letters, digits, dash and underscore alone."""
    return (re.sub(r"[^A-Za-z0-9_-]+", "-", study).strip("-") or "study")[:60] + f".{ending}"


def archive(files: Mapping[str, str], study: str, trial: int) -> dict[str, Any]:
    """The files of an export as one ZIP, for `dcc.Download`."""
    buffer = io.BytesIO()
    folder = file_name(study, "")[:-1] + f"-{trial}"
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(f"{folder}/{name}", text)
    return {"content": base64.b64encode(buffer.getvalue()).decode(), "filename": f"{folder}.zip",
            "type": "application/zip", "base64": True}  # fmt: skip


def text(content: str, study: str, trial: int, ending: str) -> dict[str, Any]:
    """One text file, for `dcc.Download`."""
    return {"content": content, "filename": file_name(f"{study}-{trial}", ending)}
