"""The whole export: figures come back to the last digit, and an export of an export is the same files."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cost_models
from codesign import export
from codesign.export.specification import Specification
from codesign.verbs.answer import plain
from cost_models.design import Design, Host, Serving, System, TablePlacement

FILES = [
    "design.yaml", "config.json", "serve.sh", "placement.yaml", "bill_of_materials.csv", "report.html",
    "pytorch/model.py", "pytorch/generate.py", "pytorch/full.json",
]  # fmt: skip
QUALITY = {"bits_per_byte": 1.9123456789012345, "standard_error": 0.0071, "fidelity": "demo"}


@pytest.fixture
def specification() -> Specification:
    design = Design(
        cost_models.read_model("engram-27b"),
        System("h100-sxm", 8, host=Host(dram_bytes=2.0**41)),
        Serving(tensor_parallel=4, tables=TablePlacement("dram")),
    )
    return Specification(design, QUALITY, overrides={"memory.dram.usd_per_gb": 9.5}, origin="a test")


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as path:
        yield Path(path)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_figures_come_back_and_an_export_of_an_export_is_the_same(
    designs: st.SearchStrategy[Design], data: st.DataObject
) -> None:
    specification = Specification(
        data.draw(designs), data.draw(st.sampled_from([None, QUALITY])), None, {"memory.dram.usd_per_gb": 9.5}
    )
    expected = specification.document()
    with TemporaryDirectory() as folder:
        export.write(specification, Path(folder, "one"))
        again = export.from_design(Path(folder, "one", "design.yaml"))
        assert again.design == specification.design
        assert again.document() == expected
        export.write(again, Path(folder, "two"))
        for name in set(FILES) - {"report.html"}:  # that one also says where a design came from
            assert Path(folder, "one", name).read_bytes() == Path(folder, "two", name).read_bytes()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_config_describes_the_same_model(designs: st.SearchStrategy[Design], data: st.DataObject) -> None:
    design = data.draw(designs)
    with TemporaryDirectory() as folder:
        export.write(Specification(design), Path(folder, "one"))
        model = cost_models.read_model(Path(folder, "one", "config.json"))
        count = cost_models.architecture.parameters
        assert count(model).by_part == count(design.model).by_part


def test_the_folder_holds_every_file(specification: Specification, tmp_path: Path) -> None:
    document = export.write(specification, tmp_path / "plan")
    there = [path for path in (tmp_path / "plan").rglob("*") if path.is_file()]
    assert document["files"] == FILES
    assert {str(path.relative_to(tmp_path / "plan")) for path in there} == set(FILES)
    assert document["feasible"] is True
    json.dumps(plain(document), allow_nan=False)


def test_the_bill_adds_up_to_the_capital_cost(specification: Specification, tmp_path: Path) -> None:
    export.write(specification, tmp_path / "plan")
    with (tmp_path / "plan" / "bill_of_materials.csv").open(encoding="utf-8", newline="") as file:
        *rows, total = csv.DictReader(file)
    assert sum(float(row["total_usd"]) for row in rows) == pytest.approx(float(total["total_usd"]))
    assert float(total["total_usd"]) == pytest.approx(specification.document()["cost"]["capex_usd"])
    assert all(row["source"] and row["confidence"] for row in rows)
    dram = next(row for row in rows if "DDR5" in row["item"])
    assert dram["unit"] == "GiB"
    assert float(dram["unit_price_usd"]) == pytest.approx(9.5 * 2**30 / 1e9)


def test_the_sums_of_primes_are_in_the_config(tmp_path: Path) -> None:
    design = Design(cost_models.read_model("deepseek-v4.1-flash"), System("b200-sxm", 8))
    export.write(Specification(design), tmp_path / "plan")
    config = json.loads((tmp_path / "plan" / "config.json").read_text(encoding="utf-8"))
    assert config["engram_num_embeddings"] == [384006168, 384016682]  # the released config.json


def test_given_prices_go_before_those_of_the_file(specification: Specification, tmp_path: Path) -> None:
    export.write(specification, tmp_path / "plan")
    cheap = export.from_design(tmp_path / "plan" / "design.yaml", overrides={"memory.dram.usd_per_gb": 1})
    assert cheap.document()["cost"]["capex_usd"] < specification.document()["cost"]["capex_usd"]
