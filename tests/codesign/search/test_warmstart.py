"""Models to train first: presets, designs, earlier studies; what is outside the space is said in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cost_models
import search_spaces
from codesign import results
from codesign.errors import InputError
from codesign.search.warmstart import params_of, read
from search_spaces import Space

Run = Callable[..., dict[str, Any]]

ENGRAM = """
model:
  preset: moe-27b
  engram_share: {low: 0.0, high: 0.6}
  engram_layers: {subsets: [[1], [1, 14]]}
  engram_max_order: {choices: [2, 3]}
  engram_heads: {choices: [4, 8]}
  engram_head_dim: {choices: [64, 80, 128]}
system: {accelerator: {choices: [h200-sxm, b200-sxm]}, accelerators: {choices: [1, 2]}, host: {dram_gib: 256}}
quality: {fidelity: tiny.yaml}
"""


@pytest.fixture
def engram(folder: Path) -> Space:
    """A space that holds the published Engram-27B."""
    return search_spaces.parse(ENGRAM, str(folder / "engram.yaml"))


def test_the_published_model_is_trained_first(run: Run, engram: Space, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    run(url, space=engram, trials=3, enqueue=["engram-27b"])
    designs = results.Reader("s", url).read()
    params = designs.params(0)
    # arXiv 2601.07372, table 1: layers 2 and 15 counted from 1, orders 2 and 3, 8 heads, d_mem 1280
    assert params["model.engram_layers"] == "1,14"
    assert (
        params["model.engram_max_order"],
        params["model.engram_heads"],
        params["model.engram_head_dim"],
    ) == (3, 8, 80)
    published = cost_models.read_model("engram-27b")
    made = cost_models.evaluate(designs.design(0), designs.catalogue()).document()["parameters"]
    theirs = cost_models.architecture.parameters(published)
    assert made["total"] == pytest.approx(theirs.total, rel=0.01)
    assert made["tables"] == pytest.approx(theirs.tables, rel=0.02)
    assert designs.table.loc[0, "trained"] and designs.table["trained"].sum() == 3
    # going on with the same words does not train it twice
    assert run(url, space=engram, trials=4, enqueue=["engram-27b"], resume=True)["trainings"] == 4


def test_an_earlier_study_s_front_comes_first_and_costs_no_training(
    run: Run, searched: tuple[str, dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    store = folder / "store"
    designs = results.Reader("s", searched[0]).read()
    models = set(designs.table.loc[designs.table["front"], "model"])
    before = set(store.glob("*.json"))
    # the same models, other hardware
    text = (folder / "space.yaml").read_text().replace("a100-80-sxm, h200-sxm", "b200-sxm, h200-sxm")
    space = search_spaces.parse(text, str(folder / "space.yaml"))
    run(searched[0], study="later", space=space, trials=len(models), enqueue=["s"])
    later = results.Reader("later", searched[0]).read().table
    assert set(later.loc[later["trained"], "model"]) == models
    assert set(store.glob("*.json")) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((", 80,", ","), "model.engram_head_dim must be one of 64, 128 in this space, got 80"),
        (("[1], [1, 14]", "[1], [1, 8]"), "model.engram_layers must be one of 1, 1,8 in this space, got '1,14'"),
        (("high: 0.6", "high: 0.1"), "model.engram_share must lie in 0 to 0.1 in this space"),
        (("engram_heads: {choices: [4, 8]}", "engram_heads: 4"), "engram heads must be 4, as the space"),
        (("preset: moe-27b", "preset: deepseek-v3"), "layers must be"),
    ],
)  # fmt: skip
def test_a_model_outside_the_space_is_said(change: tuple[str, str], message: str) -> None:
    text = ENGRAM.replace(*change)
    assert text != ENGRAM
    with pytest.raises(InputError) as caught:
        read("engram-27b", search_spaces.parse(text, "s.yaml"), "sqlite:///none.db")
    assert message in str(caught.value) and str(caught.value).startswith("--enqueue preset engram-27b: ")


def test_a_name_of_nothing_is_said(engram: Space, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither a .yaml design, nor one of the presets .*, nor a study"):
        read("engram-28b", engram, f"sqlite:///{tmp_path}/none.db")


def test_every_model_of_a_space_is_read_back_as_its_parameters(space: Space) -> None:
    """The way back from a model to parameters, over all 13 models of the small space."""
    for share in (0.0, 0.15, 0.3, 0.45):
        for layers in ("1", "1,14"):
            params = {"model.engram_share": share, "model.engram_layers": layers, "model.engram_heads": 4}
            params = space.applicable(params)
            assert params_of(space.model(params), space, "test") == params


def test_a_design_file_gives_its_model(engram: Space, tmp_path: Path) -> None:
    params = {"model.engram_share": 0.3, "model.engram_layers": "1", "model.engram_max_order": 2,
              "model.engram_heads": 8, "model.engram_head_dim": 128}  # fmt: skip
    design = engram.design(params | {"system.accelerator": "h200-sxm", "system.accelerators": 1})
    path = tmp_path / "design.yaml"
    path.write_text(cost_models.write_design(design))
    (found,) = read(str(path), engram, "sqlite:///none.db")
    assert found.params["model.engram_share"] == pytest.approx(0.3, rel=0.02)
    assert {n: v for n, v in found.params.items() if n != "model.engram_share"} == {
        n: v for n, v in params.items() if n != "model.engram_share"
    }
