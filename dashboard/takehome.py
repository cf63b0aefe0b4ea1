"""What leaves the page as a file. Names are made here; nothing that the browser says becomes a path."""

import re


def file_name(study: str, ending: str) -> str:
    """A file name from a study's name: letters, digits, dash and underscore alone."""
    return (re.sub(r"[^A-Za-z0-9_-]+", "-", study).strip("-") or "study")[:60] + f".{ending}"
