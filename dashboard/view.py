"""One value that says what the page shows: axes, limits, picks, prices.

`View.query()` and `View.parse()` turn it into the query string of the address and back, so that a link shows a
colleague the same picture. Everything in it is SI. Parsing never fails: what it does not understand it leaves out,
because a query string comes from outside.
"""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

PAGES = ("trade-off", "flip", "insight", "studies")
THEMES = ("light", "dark")
MOST_PICKS = 4
_LONGEST = 16_000  # characters of a query that are read

Range = tuple[float | None, float | None]
Point = tuple[float, float]


@dataclass(frozen=True)
class View:
    """What the page shows.

    study: its name, "" for the one that the dashboard was started with.
    x, y, z: column names of the axes; z "": two dimensions. log: axes drawn logarithmically, of "x", "y", "z".
    limits: column -> (lowest, highest) kept; only: column -> values kept; lasso: polygon in (x, y) units.
    trial: the design whose details are open; picks: designs to compare, at most four.
    change: what-if quantity -> value; scenario: price scenario of the catalogue, "" as in the study.
    saved: name -> trials, selections kept by the user.
    """

    study: str = ""
    page: str = PAGES[0]
    theme: str = ""
    x: str = ""
    y: str = ""
    z: str = ""
    log: tuple[str, ...] = ()
    colour: str = ""
    front_only: bool = False
    limits: dict[str, Range] = field(default_factory=dict)
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lasso: tuple[Point, ...] = ()
    trial: int | None = None
    picks: tuple[int, ...] = ()
    scenario: str = ""
    change: dict[str, float] = field(default_factory=dict)
    flip_x: str = ""
    flip_y: str = ""
    flip_of: str = ""
    saved: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def query(self) -> str:
        """The view as a query string, without the leading `?`; only what differs from the default."""
        pairs: list[tuple[str, str]] = []
        default = View()
        for name in _TEXTS:
            if getattr(self, name) != getattr(default, name):
                pairs.append((name, getattr(self, name)))
        if self.log:
            pairs.append(("log", ",".join(self.log)))
        if self.front_only:
            pairs.append(("front_only", "1"))
        for name, (low, high) in self.limits.items():
            if low is not None:
                pairs.append((f"min.{name}", f"{low:.6g}"))
            if high is not None:
                pairs.append((f"max.{name}", f"{high:.6g}"))
        pairs += [(f"in.{name}", value) for name, values in self.only.items() for value in values]
        if self.lasso:
            pairs.append(("lasso", ",".join(f"{number:.5g}" for point in self.lasso for number in point)))
        if self.trial is not None:
            pairs.append(("trial", str(self.trial)))
        if self.picks:
            pairs.append(("pick", ",".join(map(str, self.picks))))
        pairs += [(f"if.{name}", f"{value:.6g}") for name, value in self.change.items()]
        pairs += [(f"set.{name}", ",".join(map(str, trials))) for name, trials in self.saved.items()]
        return urlencode(pairs)

    @classmethod
    def parse(cls, query: str | None) -> "View":
        """Read a query string, with or without the leading `?`. What is not understood is left out."""
        values: dict[str, Any] = {}
        limits: dict[str, Range] = {}
        only: dict[str, tuple[str, ...]] = {}
        change: dict[str, float] = {}
        saved: dict[str, tuple[int, ...]] = {}
        for key, text in parse_qsl((query or "")[:_LONGEST].lstrip("?")):
            head, _, name = key.partition(".")
            number = _number(text)
            if key in _TEXTS:
                values[key] = text
            elif key == "log":
                values["log"] = tuple(axis for axis in text.split(",") if axis in ("x", "y", "z"))
            elif key == "front_only":
                values["front_only"] = text == "1"
            elif key == "trial":
                values["trial"] = next(iter(_trials(text)), None)
            elif key == "pick":
                values["picks"] = tuple(dict.fromkeys(_trials(text)))[:MOST_PICKS]
            elif key == "lasso":
                numbers = [_number(part) for part in text.split(",")]
                known = [part for part in numbers if part is not None]
                values["lasso"] = tuple(zip(known[::2], known[1::2], strict=False)) if len(known) >= 6 else ()
            elif head == "min" and number is not None:
                limits[name] = (number, limits.get(name, (None, None))[1])
            elif head == "max" and number is not None:
                limits[name] = (limits.get(name, (None, None))[0], number)
            elif head == "in":
                only[name] = (*only.get(name, ()), text)
            elif head == "if" and number is not None:
                change[name] = number
            elif head == "set":
                saved[name] = _trials(text)
        if values.get("page") not in PAGES:
            values.pop("page", None)
        if values.get("theme") not in THEMES:
            values.pop("theme", None)
        return cls(**values, limits=limits, only=only, change=change, saved=saved)

    def limit(self, column: str, low: float | None, high: float | None) -> "View":
        """The view with another limit on a column; (None, None) lifts it."""
        limits = {name: bounds for name, bounds in self.limits.items() if name != column}
        if low is not None or high is not None:
            limits[column] = (low, high)
        return replace(self, limits=limits)

    def pick(self, trial: int) -> "View":
        """The view with a design added to the comparison, or taken out of it if it is there."""
        if trial in self.picks:
            return replace(self, picks=tuple(other for other in self.picks if other != trial))
        return replace(self, picks=(*self.picks, trial)[-MOST_PICKS:])

    def part(self, *names: str) -> str:
        """The query string of some fields alone: changes exactly when one of them changes."""
        return View(
            **{item.name: getattr(self, item.name) for item in fields(self) if item.name in names}
        ).query()


_TEXTS = ("study", "page", "theme", "x", "y", "z", "colour", "scenario", "flip_x", "flip_y", "flip_of")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _trials(text: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in text.split(",") if part.isascii() and part.isdigit() and len(part) < 10
    )
