"""What-if values: `memory.dram.usd_per_gb=22` and the like, applied to the figures of the catalogue."""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from cost_models.catalogue.figures import Figure, Tree
from cost_models.catalogue.units import SUFFIXES, UNITS
from cost_models.errors import InputError

# A path that ends in a unit alone means the price, or the carbon intensity, of what it names.
_BARE = {"usd_per_gb": "price", "usd_per_byte": "price", "usd_per_kwh": "price", "g_per_kwh": "intensity",
         "g_per_gb": "embodied", "usd_per_hour": "price"}  # fmt: skip
# The SI unit of figures that an entry need not list.
_ABSENT = {("accelerator", "price"): "USD", ("accelerator", "embodied"): "kg", ("memory", "price"): "USD/B"}
_POSITIVE = {"utilisation", "amortisation", "scale_up_group", "pool_nodes", "sockets"}
_AT_MOST_ONE = {"utilisation", "random_efficiency", "memory_share"}
SLOTS = ("dram", "cxl", "ssd", "remote")


def apply(root: Tree, overrides: Mapping[str, Any]) -> Tree:
    """A copy of the catalogue with each dotted path set to its value.

    A path names a figure, with its unit as the last words (`accelerator.h100-sxm.price_usd=20000`,
    `memory.cxl.latency_ns=400`) or in SI without (`facility.pue=1.1`). `memory.dram`, `.cxl`, `.ssd`
    and `.remote` mean every tier of that place; CXL and remote memory follow the DRAM price unless set.
    Raises InputError for an unknown path (with the closest ones), a negative, infinite or non-numeric value.
    """
    for path, value in overrides.items():
        number = _number(path, value)
        targets = list(_targets(root, path))
        if not targets:
            close = difflib.get_close_matches(path, list(settable(root)), n=4, cutoff=0.5)
            hint = f"; did you mean {', '.join(close)}?" if close else "; `codesign hardware` lists them"
            raise InputError(f"--set {path}: no such figure{hint}")
        for target, unit in targets:
            root = _replaced(root, target, number, unit, path)
    return root


def _number(path: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"--set {path}: must be a number, got {value!r}") from None
    if not math.isfinite(number) or number < 0:
        raise InputError(f"--set {path}: must be finite and >= 0, got {value}")
    return number


def _split(name: str) -> tuple[str, str]:
    """`latency_ns` -> (latency, ns); `usd_per_gb` -> (price, USD/GB); without a unit -> (name, "")."""
    if name in _BARE:
        return _BARE[name], SUFFIXES[name]
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith("_" + suffix):
            return name[: -len(suffix) - 1], SUFFIXES[suffix]
    return name, ""


def _targets(root: Tree, path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The figures that a path sets, each with the unit it is given in ("": SI)."""
    parts = tuple(path.split("."))
    exact = _at(root, parts)
    if isinstance(exact, Figure):
        yield parts, ""
        return
    key, unit = _split(parts[-1])
    parent = parts[:-1]
    if len(parent) == 2 and parent[0] == "memory" and parent[1] in SLOTS:
        if parent[1] == "dram" and key == "price":
            yield ("scenario", "now", "dram"), unit
            return
        tiers = root["memory"]
        for name, entry in tiers.items() if isinstance(tiers, dict) else ():
            if (
                isinstance(entry, dict)
                and entry.get("tier") == parent[1]
                and (key in entry or key == "price")
            ):
                yield ("memory", name, key), unit
        return
    found = _at(root, (*parent, key))
    if isinstance(found, Figure):
        yield (*parent, key), unit
    elif (*parent[:1], key) in _ABSENT and isinstance(_at(root, parent), dict):
        # A figure that a rule would fill may be set although the entry does not list it.
        yield (*parent, key), unit


def _at(root: Tree, path: tuple[str, ...]) -> object:
    node: object = root
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _replaced(root: Tree, path: tuple[str, ...], number: float, unit: str, name: str) -> Tree:
    old = _at(root, path)
    known = old.unit if isinstance(old, Figure) else _ABSENT[path[0], path[-1]]
    dimension = UNITS[known][1]
    if unit and UNITS[unit][1] != dimension:
        raise InputError(f"--set {name}: {path[-1]} is in {known}, which {unit} does not measure")
    si = number * UNITS[unit][0] if unit else number
    if si == 0 and (dimension in ("B/s", "FLOP/s", "B", "1/s") or path[-1] in _POSITIVE):
        raise InputError(f"--set {name}: must be > 0, got 0")
    if path[-1] in _AT_MOST_ONE and si > 1:
        raise InputError(f"--set {name}: must be at most 1, got {number:g}")
    if path[-1] == "pue" and si < 1:
        raise InputError(f"--set {name}: must be at least 1, got {number:g}")
    figure = Figure(number, unit or _si_unit(dimension), "set by the user", "user", place=f"--set {name}")
    return _with(root, path, figure)


def _si_unit(dimension: str) -> str:
    for unit, (factor, name) in UNITS.items():
        if name == dimension and factor == 1.0:
            return unit
    raise InputError(
        f"the unit must be given in the name: nothing in the catalogue measures {dimension} in SI"
    )


def _with(tree: Tree, path: tuple[str, ...], figure: Figure) -> Tree:
    copy = dict(tree)
    if len(path) == 1:
        copy[path[0]] = figure
    else:
        branch = tree.get(path[0], {})
        copy[path[0]] = _with(branch if isinstance(branch, dict) else {}, path[1:], figure)
    return copy


def settable(root: Tree) -> Iterator[str]:
    """Every path that an override may name, with the unit in the name."""
    for slot in SLOTS:
        yield f"memory.{slot}.usd_per_gb"
        yield f"memory.{slot}.latency_ns"
        yield f"memory.{slot}.bandwidth_gb_per_s"
    yield from ("electricity.usd_per_kwh", "grid.g_per_kwh")
    yield from (".".join(path) for path, _ in leaves(root))


def leaves(tree: Tree, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Figure]]:
    """Every figure of a tree with its path."""
    for key, value in tree.items():
        if isinstance(value, Figure):
            yield (*prefix, key), value
        elif isinstance(value, dict):
            yield from leaves(value, (*prefix, key))
