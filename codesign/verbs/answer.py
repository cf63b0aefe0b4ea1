"""What a verb answers: one document for machines, one text for people."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The result of a verb.

    document: plain data, or records, NumPy values and pandas scalars that become plain data.
    text: the form for people; only called when it is wanted.
    status: exit status; 1 where the verb ran but the answer is a failure (a validation out of tolerance).
    """

    document: Any
    text: Callable[[], str]
    status: int = 0

    def as_json(self) -> str:
        """Exactly one JSON document; a value that is not finite is null."""
        return json.dumps(plain(self.document), indent=2, allow_nan=False, ensure_ascii=False)

    def as_text(self) -> str:
        """The form for people, without a newline at its end."""
        return self.text().rstrip("\n")


def plain(value: Any) -> Any:
    """Plain JSON data of a nested value; not-a-number and infinities become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
