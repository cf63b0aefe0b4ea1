"""What may be chosen: search spaces as YAML files, and the shipped ones by name."""

from pathlib import Path

from cost_models.errors import InputError
from search_spaces.parameters import Condition, Parameter, layers_of
from search_spaces.parsing import parse, restore
from search_spaces.space import Space

__all__ = ["Condition", "Parameter", "Space", "layers_of", "load", "names", "parse", "restore"]

_SHIPPED = Path(__file__).parent


def names() -> list[str]:
    """The shipped spaces, `demo` first."""
    found = sorted(file.stem for file in _SHIPPED.glob("*.yaml"))
    return sorted(found, key=lambda name: name != "demo")


def load(name_or_path: str | Path) -> Space:
    """A shipped space by its name, or the space of a file. Raises InputError."""
    text = str(name_or_path)
    if text in names():
        path = _SHIPPED / f"{text}.yaml"
    elif Path(text).suffix in (".yaml", ".yml"):
        path = Path(text)
    else:
        from search_spaces.reading import one_of

        raise InputError(f"space {one_of(names(), text)}, or a path to a .yaml file")
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `codesign spaces` lists the shipped spaces") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a UTF-8 text file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return parse(content, str(path))
