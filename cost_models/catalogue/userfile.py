"""Hardware files of a user, as `codesign calibrate` writes them: a path in place of a catalogue name.

accelerator: {based_on: h100-sxm, memory_bandwidth: {value, unit, source, confidence}, ...}
memory:
  dram: {based_on: ddr5-rdimm, latency: {...}}      # one entry per place of a node (dram, cxl, ssd, remote)
efficiency: {gemm_bf16: {overhead_s: {...}, compute: {...}, ...}, ...}   # constants of fitting/constants.yaml
serving: {kernel_launch: {...}, ...}                # figures of catalogue/serving.yaml, where this host differs
expected_error: {value, unit, source, confidence}   # of a step's time
Without these sections the whole file is one entry. `based_on` takes over what the file does not give. The last
three hold where the file stands for the accelerator.
"""

from difflib import get_close_matches
from functools import lru_cache

from cost_models import yamlfile
from cost_models.catalogue import figures
from cost_models.catalogue.figures import Figure, Tree
from cost_models.catalogue.units import UNITS

SECTIONS = ("accelerator", "memory", "efficiency", "serving")
PLACES = ("dram", "cxl", "ssd", "remote")
_NEEDED = ("kind", "memory_type", "memory", "memory_bandwidth")  # of an accelerator that is based on none


def is_path(name: str) -> bool:
    """Whether a name stands for a file."""
    return name.endswith((".yaml", ".yml"))


def read_entry(path: str, section: str, place: str | None, shipped: Tree) -> Tree:
    """The entry for one use of a hardware file.

    place: which memory, where the file has several; shipped: the section of the catalogue, for `based_on` and
    for the figures that may be given. Raises InputError with file, line and column.
    """
    document = yamlfile.read(path)
    content = figures.tree(document)
    where: tuple[str, ...] = ()
    inner = content.get(section)
    if isinstance(inner, dict):
        content, where = inner, (section,)
    elif any(isinstance(content.get(other), dict) for other in SECTIONS):
        raise document.error((), f"has no section {section}")
    if section == "memory" and any(isinstance(content.get(one), dict) for one in PLACES):
        chosen = place or next(one for one in PLACES if one in content)
        one = content.get(chosen)
        if not isinstance(one, dict):
            raise document.error(where, f"has no {chosen} memory")
        content, where = one, (*where, chosen)
    _check(document, where, content, section, shipped)
    base = content.get("based_on")
    if base is None:
        for key in _NEEDED if section == "accelerator" else ():
            if key not in content:
                rule = "is missing; give it, or a part of the catalogue that is like this one as based_on"
                raise document.error((*where, key), rule)
        return content
    below = shipped.get(str(base))
    if not isinstance(below, dict):
        close = ", ".join(get_close_matches(str(base), list(shipped), n=3)) or ", ".join(shipped)
        raise document.error(
            (*where, "based_on"), f"must be a name of the catalogue such as {close}; got {base!r}"
        )
    return {**below, **content}


@lru_cache(maxsize=64)
def efficiency(path: str) -> dict[str, dict[str, float]]:
    """Operator class -> constant -> SI value, as measured on the host of a hardware file; empty without any."""
    section = figures.read(path).get("efficiency")
    classes = section.items() if isinstance(section, dict) else ()
    return {kind: _numbers(values) for kind, values in classes if isinstance(values, dict)}


@lru_cache(maxsize=64)
def serving(path: str) -> dict[str, float]:
    """What serving on the host of a hardware file adds: figure of serving.yaml -> SI value."""
    section = figures.read(path).get("serving")
    return _numbers(section) if isinstance(section, dict) else {}


@lru_cache(maxsize=64)
def expected_error(path: str) -> float | None:
    """Relative error of a step's time that the hardware file states."""
    figure = figures.read(path).get("expected_error")
    return figure.si if isinstance(figure, Figure) else None


def _numbers(branch: Tree) -> dict[str, float]:
    return {key: one.si for key, one in branch.items() if isinstance(one, Figure) and one.si is not None}


def _check(
    document: yamlfile.Document, where: tuple[str, ...], content: Tree, section: str, shipped: Tree
) -> None:
    """Refuse figures that no entry of the catalogue has, and units that measure something else."""
    units: dict[str, set[str]] = {"based_on": set(), "embodied": set(), "price": set()}
    texts: dict[str, set[str]] = {"kind": set(), "memory_type": set()}
    for other in shipped.values():
        for key, figure in other.items() if isinstance(other, dict) else ():
            units.setdefault(key, set()).update({figure.unit} if isinstance(figure, Figure) else ())
            if key in texts and isinstance(figure, str):
                texts[key].add(figure)
    for key, figure in content.items():
        if key not in units:
            close = ", ".join(get_close_matches(key, sorted(units), n=3))
            hint = f"; did you mean {close}?" if close else ""
            raise document.error((*where, key), f"is not a figure of {section}{hint}")
        if texts.get(key) and figure not in texts[key]:
            rule = f"must be one of {', '.join(sorted(texts[key]))}, got {_shown(figure)}"
            raise document.error((*where, key), rule)
        measured = {UNITS[unit][1] for unit in units[key]}
        if isinstance(figure, Figure) and measured and UNITS[figure.unit][1] not in measured:
            rule = f"must be in {' or '.join(sorted(units[key]))}, got {figure.unit}"
            raise document.error((*where, key, "unit"), rule)


def _shown(value: object) -> str:
    return repr(value.value if isinstance(value, Figure) else value)
