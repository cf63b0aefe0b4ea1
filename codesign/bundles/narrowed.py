"""A space file narrowed to the kept bundles, for the search that composes networks of them."""

from collections.abc import Sequence
from typing import Any

import yaml

from codesign.bundles.alone import Scored
from codesign.bundles.structure import ENGRAM, KINDS, TABLES_ONLY
from codesign.errors import InputError
from search_spaces import Space
from search_spaces.fields import ROWS, SHARE
from search_spaces.parameters import layers_of


def narrowed(space: Space, scored: Sequence[Scored]) -> str:
    """The space's YAML with only those structural choices that a kept bundle has.

    Choices are narrowed one by one, so that combinations of kept choices may remain that were not kept together.
    Raises InputError where no bundle was kept.
    """
    kept = [dict(one.bundle) for one in scored if one.kept]
    if not kept:
        raise InputError(
            f"{space.name}: no bundle is feasible, so there is nothing to compose; see the reasons"
        )
    document = yaml.safe_load(space.text)
    model = document["model"]
    free = {p.name: p for p in space.model_parameters}
    for name in (*KINDS, *TABLES_ONLY):
        values = list(dict.fromkeys(bundle[name] for bundle in kept if name in bundle))
        if name in free and values:
            _narrow(model, name.removeprefix("model."), values, free[name].kind)
    with_tables = {bundle[ENGRAM] for bundle in kept if ENGRAM in bundle}
    amount = next((name for name in (SHARE, ROWS) if name in free), None)
    if amount and len(with_tables) == 1 and "choices" in model[amount.removeprefix("model.")]:
        choices = model[amount.removeprefix("model.")]["choices"]
        model[amount.removeprefix("model.")]["choices"] = [c for c in choices if bool(c) in with_tables]
    document["description"] = f"{space.description or space.name}, narrowed to {len(kept)} kept bundles"
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _narrow(model: dict[str, Any], key: str, values: list[Any], kind: str) -> None:
    entry = model[key]
    if kind == "subset":
        entry.pop("of", None)
        entry.pop("max", None)
        entry.pop("min", None)
        entry["subsets"] = [list(layers_of(value)) for value in values]
    elif "choices" in entry:
        entry["choices"] = values
