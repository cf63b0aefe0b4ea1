"""Recipes: those that ship can be read, and mistakes name file, line and field."""

from pathlib import Path

import pytest

from codesign.proxy import device, fidelity
from cost_models.errors import InputError


def test_what_ships() -> None:
    assert fidelity.names() == ["demo", "gpu-large", "gpu-small", "long", "short"]
    short, long = fidelity.load("short"), fidelity.load("long")
    assert long.tokens == 8 * short.tokens
    ours = {**long.determines(), "steps": short.steps}
    assert ours == short.determines()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden: 64", "hiden: 64", "copy.yaml:.*hiden is no field"),
        ("hidden: 64", "", "must have the field hidden"),
        ("steps: 130", "steps: many", r"copy.yaml:\d+:\d+: steps must be of type int, got 'many'"),
        ("steps: 130", "steps: 0", "steps must be at least 1"),
        ("head_dim: 16", "head_dim: 24", "head_dim must divide hidden"),
    ],
)
def test_mistakes(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = (fidelity.FOLDER / "demo.yaml").read_text()
    assert old in text
    (tmp_path / "copy.yaml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        fidelity.load(tmp_path / "copy.yaml")


def test_a_copy_is_a_recipe_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((fidelity.FOLDER / "demo.yaml").read_text().replace("steps: 130", "steps: 131"))
    assert (fidelity.load(path).name, fidelity.load(path).steps) == ("mine", 131)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="must be one of demo, gpu-large"):
        fidelity.load("medium")


def test_devices() -> None:
    assert device.choose("cpu", "auto").type == "cpu"
    assert "auto" not in device.choose("auto", "auto").reason
    with pytest.raises(InputError, match="device must be"):
        device.choose("tpu", "auto")
    with pytest.raises(InputError, match="dtype must be"):
        device.choose("cpu", "fp12")
