"""YAML that says where each value stands, so that an error can name file, line and column.

PyYAML follows YAML 1.1: `1e9` and `3.35e12` are strings, `no` is False, `12:30` is 750, and a key given
twice is accepted in silence. This loader reads the numbers and booleans of YAML 1.2's core schema and refuses
duplicate keys.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cost_models.errors import InputError

MOST_VALUES = 500_000  # a file of a few lines can otherwise stand for billions, by aliases of aliases
_MOST_DIGITS = 400  # a float has at most 309 before its point
Path_ = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's core schema in place of YAML 1.1's implicit types."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9][0-9_]*$|^0x[0-9a-fA-F]+$", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf)$|^\.(?:nan|NaN)$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    if len(text) > _MOST_DIGITS:
        raise yaml.constructor.ConstructorError(
            None, None, f"a number of {len(text)} digits", node.start_mark
        )
    return int(text, 16) if text.lower().startswith("0x") else int(text)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


@dataclass(frozen=True)
class Document:
    """The content of one YAML file and the place of every value in it.

    data: plain dicts, lists and scalars.
    places: path of keys and indices -> (line, column), both counted from 1.
    """

    data: Any
    file: str
    places: dict[Path_, tuple[int, int]] = field(default_factory=dict)

    def where(self, *path: str | int) -> str:
        """`file:line:column` of the value at a path, or of its nearest parent that is there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                line, column = self.places[path[:length]]
                return f"{self.file}:{line}:{column}"
        return self.file

    def error(self, path: Path_, rule: str) -> InputError:
        """An error about the value at `path`: `file:line:column: a.b.c rule`."""
        return InputError(f"{self.where(*path)}: {'.'.join(map(str, path)) or 'the file'} {rule}")


def parse(text: str, file: str) -> Document:
    """Read one YAML (or JSON) document. Raises InputError for bad syntax, duplicate keys and endless nesting."""
    loader, kind = None, "JSON" if file.endswith(".json") else "YAML"
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        places: dict[Path_, tuple[int, int]] = {}
        if root is not None:
            _walk(root, (), places, file)
        data = loader.construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        if problem.startswith("but "):  # the half of a sentence
            problem = f"{getattr(error, 'context', '')}, {problem}"
        raise InputError(f"{place}: not valid {kind}: {problem}") from None
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{file}: holds values in values without end; a few levels are enough") from None
    except ValueError as error:
        raise InputError(f"{file}: not valid {kind}: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Document(data, file, places)


def read(path: str | Path) -> Document:
    """Read one YAML file. Raises InputError where it is missing, unreadable or not UTF-8."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a UTF-8 text file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return parse(text, str(path))


def _walk(node: yaml.Node, path: Path_, places: dict[Path_, tuple[int, int]], file: str) -> None:
    places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if len(places) > MOST_VALUES:
        raise InputError(
            f"{file}: holds more than {MOST_VALUES:,} values; is one anchor repeated again and again?"
        )
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise InputError(
                    f"{file}:{line}:{key.start_mark.column + 1}: {'.'.join(map(str, (*path, name)))} "
                    f"is given twice (first on line {seen[name]}); keep one"
                )
            seen[name] = line
            _walk(value, (*path, name), places, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), places, file)
