"""What the answers in words are made of: quantities in the units that people read, and sentences."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cost_models.design import GIB, Design

SMALL_WAIT = 0.05  # share of a step or prompt that a deployer would not notice


@dataclass(frozen=True)
class Answer:
    """One question and its answer, a sentence or two."""

    question: str
    sentence: str


def sentence(parts: list[str]) -> str:
    joined = "; ".join(parts)
    return joined[:1].upper() + joined[1:] + "."


def price(design: Design, usd: Any) -> str:
    """Dollars per million tokens; of prompts where only prefill is asked for."""
    amount = float(np.asarray(usd))
    unit = "million prompts" if design.serving.phase == "prefill" else "Mtok"
    return f"{amount:,.0f} USD/{unit}" if amount >= 1000 else f"{amount:.3g} USD/{unit}"


def size(value: Any) -> str:
    return f"{float(np.asarray(value)) / GIB:,.1f} GiB"


def sequences(value: Any) -> str:
    count = float(np.asarray(value))
    return f"{count:,.0f} sequence{'' if count == 1 else 's'}"


def count(value: Any) -> str:
    return f"{float(np.asarray(value)):,.0f}"


def digits(value: Any) -> str:
    """Whole from a hundred on, three digits below: never 1e+04."""
    number = float(np.asarray(value))
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def time(value: Any) -> str:
    seconds = float(np.asarray(value))
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def amount(name: str, amount: float) -> str:
    if name in ("hbm", "kv", "dram", "cxl", "ssd", "remote"):
        return size(amount)
    if name == "requests":
        return f"{digits(amount)} a second"
    return time(amount) if name.endswith("_s") else digits(amount)
