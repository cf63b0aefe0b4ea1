"""The figure of stored trainings: a curve each, a point each against the share, and a page of it."""

from pathlib import Path

import pytest

from codesign import cli
from codesign.proxy import Quality, Store
from dashboard.figures.trainings import trainings


def quality(key: str, bits: float, share: float, reason: str = "") -> Quality:
    return Quality(
        bits,
        0.01,
        "demo",
        5.0,
        1000,
        ((1, 6.0), (2, 5.0)),
        key,
        reason,
        (bits, bits),
        {"engram_share": share},
    )


def test_a_stopped_training_is_not_drawn() -> None:
    figure = trainings([quality("a", 2.0, 0.2), quality("b", 9.0, 0.4, "stopped")], "dark")
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    points = [trace for trace in figure["data"] if trace["mode"] == "markers"]
    assert [line["name"] for line in lines] == ["a"]
    assert points[0]["x"] == [0.2] and points[0]["y"] == [2.0] and points[0]["error_y"]["array"] == [0.01]


def test_plot_writes_a_page_that_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CODESIGN_STORE", str(tmp_path / "store"))
    assert cli.main(["proxies", "plot"]) == 1
    assert "no such training" in capsys.readouterr().err
    Store().put(quality("abc", 2.0, 0.2))
    assert cli.main(["proxies", "plot", "--out", str(tmp_path / "p.html")]) == 0
    assert "abc" in (tmp_path / "p.html").read_text() and 'src="http' not in (tmp_path / "p.html").read_text()
