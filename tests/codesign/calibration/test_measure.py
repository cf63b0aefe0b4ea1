"""A tiny design is built and run for real; what is scaled says so; nothing is left behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codesign.calibration import loop
from codesign.calibration.measure import measure
from codesign.calibration.scaling import Room, config_of, scale
from codesign.errors import InputError
from cost_models import read_model, tables
from cost_models.architecture import parameters
from cost_models.design import Design, TablePlacement

TEXT = np.random.default_rng(0).zipf(1.3, 20_000) % 5000


def _placed(design: Design, **placement: object) -> Design:
    tables_ = TablePlacement(**placement)  # type: ignore[arg-type]
    return replace(design, serving=replace(design.serving, tables=tables_))


def test_measured_beside_predicted(design: Design, hardware: Path, tmp_path: Path) -> None:
    cached = _placed(design, tier="ssd", cache_tier="dram", cache_bytes=64 * 2000.0)
    document = measure(cached, hardware, tmp_path, lambda what: None, text=TEXT).document()
    assert document["scale"] == []
    assert document["measured"].keys() - {"j_per_token"} == document["predicted"].keys()
    assert document["measured"]["tpot_s"] > document["measured"]["decode_step_s"] > 0
    assert 0 < document["measured"]["hit_rate"] < 1
    assert document["steps"]["decode"]["drive_reads"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["host.yaml"]


def test_a_prediction_is_that_of_evaluate(design: Design, hardware: Path) -> None:
    from cost_models import evaluate

    scaled = scale(design, hardware).design
    slow = hardware.with_name("slow.yaml")
    slow.write_text(hardware.read_text().replace("value: 1, unit: ms", "value: 5, unit: ms"))
    times = [
        evaluate(replace(scaled, system=replace(scaled.system, accelerator=str(path))))[
            "latency.decode_step_s"
        ]
        for path in (hardware, slow)
    ]
    assert times[1] > times[0] + 12 * 4e-3  # 13 matrix products, each 4 ms later


def test_a_large_model_is_scaled_and_says_how(hardware: Path, design: Design) -> None:
    large = replace(design, model=read_model("engram-27b"))
    room = Room(weight_bytes=50e6, table_bytes=20e6)
    scaled = scale(large, hardware, room)
    counted = parameters(scaled.design.model)
    assert 2 * (counted.total - counted.tables) <= room.weight_bytes
    assert 2 * counted.tables <= 1.1 * room.table_bytes
    assert any(change.startswith("hidden") for change in scaled.changes)
    assert any("rows of a table" in change for change in scaled.changes)
    assert config_of(scaled.design.model).table_parameters() == counted.tables
    assert int(tables.rows(scaled.design.model).sum()) > 0


def test_a_host_that_was_not_calibrated(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("accelerator: {based_on: generic-epyc-9755}\n")
    with pytest.raises(InputError, match="holds no measured kernels"):
        measure(design, path, tmp_path, lambda what: None, text=TEXT)


def test_a_remote_tier_is_refused(design: Design, hardware: Path) -> None:
    with pytest.raises(InputError, match="remote cannot be measured"):
        scale(_placed(design, tier="remote"), hardware)


@pytest.mark.parametrize("text", ["3", "top:0", "top:", "best:2", "top:-1"])
def test_what_to_measure_must_be_said_clearly(text: str) -> None:
    assert loop.count("top:3") == 3
    with pytest.raises(InputError, match="top:K"):
        loop.count(text)
