"""The plan of docs/architecture.md as a test: who may import whom, and the names that nothing may have."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Room -> the packages it may import beside itself and the standard library.
MAY_IMPORT = {
    "cost_models": "numpy yaml",
    "search_spaces": "cost_models numpy pydantic pydantic_core yaml",
    "codesign": "cost_models search_spaces moocore numpy optuna pandas ray safetensors scipy sklearn sqlalchemy "
    "tokenizers torch yaml",
    "dashboard": "cost_models search_spaces codesign dash dash_ag_grid flask moocore numpy pandas plotly scipy "
    "werkzeug",
}
# Files that run where codesign is not installed.
ALONE = {
    "codesign/export/runnable/model.py": "safetensors torch",
    "codesign/export/runnable/generate.py": "model tokenizers torch",
}
FRONT_DOOR = ("codesign/cli.py", "codesign/verbs/", "codesign/demo.py")  # stands above all rooms


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_down_only(room: str) -> None:
    wrong = []
    for path in files(room):
        name = path.relative_to(ROOT).as_posix()
        allowed = {*MAY_IMPORT[room].split()} | {room} | sys.stdlib_module_names
        if name.startswith(FRONT_DOOR):
            allowed = allowed | set(MAY_IMPORT)
        if name in ALONE:
            allowed = {*ALONE[name].split()} | sys.stdlib_module_names
        wrong += [
            f"{name}:{line}: {module}"
            for line, module in imports(path)
            if module.split(".")[0] not in allowed
        ]
    assert files(room)
    assert not wrong


def test_nobody_imports_the_front_door() -> None:
    behind = [path for room in MAY_IMPORT for path in files(room)]
    behind = [path for path in behind if not path.relative_to(ROOT).as_posix().startswith(FRONT_DOOR)]
    door = ("codesign.cli", "codesign.verbs", "codesign.demo")
    assert not [(path, module) for path in behind for _, module in imports(path) if module.startswith(door)]


def test_the_door_of_cost_models_needs_neither_torch_nor_optuna() -> None:
    heavy = "{'torch', 'optuna', 'dash', 'pandas'}"
    code = f"import sys, cost_models, search_spaces; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_no_room_has_a_lumber_room() -> None:
    names = {path.stem for room in MAY_IMPORT for path in files(room)}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
