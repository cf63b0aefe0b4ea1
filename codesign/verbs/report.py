"""The text of `codesign evaluate`: answers first, then where it goes, then sources."""
from typing import Any
def report(document: dict[str, Any]) -> str:
    import json
    return json.dumps(document, indent=1)
def comparison(names: list[str], documents: list[dict[str, Any]]) -> str:
    import json
    return json.dumps(documents, indent=1)
