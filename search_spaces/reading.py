"""Reading a space file: every error names file, line, column, field, what is allowed, and the way out."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from cost_models.errors import InputError
from cost_models.yamlfile import Document, parse
from search_spaces.schema import SpaceFile

Path_ = tuple[str | int, ...]


def read(text: str, file: str) -> tuple[SpaceFile, Document]:
    """The checked content of a space file, and the places of its values. Raises InputError."""
    document = parse(text, file)
    if not isinstance(document.data, dict):
        raise document.error((), "must be a mapping with the fields model, system, serving, objectives, ...")
    try:
        return SpaceFile.model_validate(document.data), document
    except ValidationError as error:
        raise _first(error, document) from None


def one_of(names: Iterable[str], got: object) -> str:
    """The end of a message: what is allowed, and what was probably meant."""
    allowed = sorted(names)
    close = difflib.get_close_matches(str(got), allowed, n=3, cutoff=0.5)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    shown = ", ".join(allowed) if len(allowed) <= 30 else f"{', '.join(allowed[:30])}, ..."
    return f"must be one of {shown}, got {got!r}{meant}"


def _first(error: ValidationError, document: Document) -> InputError:
    # A misspelt field often makes another one missing too: name the misspelt one.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    problem = problems[0]
    path: Path_ = tuple(part for part in problem["loc"] if not (isinstance(part, str) and part[0:1] == "<"))
    context: dict[str, Any] = problem.get("ctx", {})
    got = problem.get("input")
    kind = problem["type"]
    if kind == "extra_forbidden":
        allowed = _fields(problem["loc"][:-1])
        close = difflib.get_close_matches(str(path[-1]), allowed, n=2, cutoff=0.5)
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        return document.error(path, f"is not a known field; {meant}allowed: {', '.join(allowed)}")
    if kind == "missing":
        return document.error(path, "must be given")
    if kind == "rule":
        field = context.get("field")
        return document.error((*path, field) if field else path, context["text"])
    if kind == "literal_error":
        return document.error(path, one_of([str(v) for v in _literals(context["expected"])], got))
    bounds = {"greater_than": (">", "gt"), "greater_than_equal": (">=", "ge"), "less_than": ("<", "lt"),
              "less_than_equal": ("<=", "le")}  # fmt: skip
    if kind in bounds:
        sign, key = bounds[kind]
        return document.error(path, f"must be {sign} {context[key]}, got {got!r}")
    wanted = {
        "int_type": "a whole number", "float_type": "a number", "string_type": "a text",
        "list_type": "a list",
        "bool_type": "true or false", "model_type": "a mapping", "dict_type": "a mapping",
        "int_from_float": "a whole number", "bool_parsing": "true or false",
    }  # fmt: skip
    if kind in wanted:
        return document.error(path, f"must be {wanted[kind]}, got {got!r}")
    text = str(problem["msg"])
    return document.error(path, f"is wrong: {text[0].lower()}{text[1:]}, got {got!r}")


def _literals(expected: str) -> list[str]:
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]


def _fields(path: tuple[str | int, ...]) -> list[str]:
    """The known fields of the mapping at a place of the schema."""
    kind: Any = SpaceFile
    for part in path:
        for model in _models(kind):
            if isinstance(part, str) and part in model.model_fields:
                kind = model.model_fields[part].annotation
                break
        else:
            tags = {"<choices>": "choices", "<range>": "low", "<subsets>": "subsets", "<of>": "of"}
            if part in tags:
                kind = next((m for m in _models(kind) if tags[str(part)] in m.model_fields), kind)
    return sorted({name for model in _models(kind)[:1] for name in model.model_fields})


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for argument in get_args(kind) for model in _models(argument)]
