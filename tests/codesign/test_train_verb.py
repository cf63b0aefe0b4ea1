"""`codesign train`: a table for people, a list for machines."""

import json

import pytest

from codesign import cli


def test_the_shipped_workstation(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "finetune-70b"]) == 0
    text = capsys.readouterr().out
    assert "drive life" in text and "placements do not fit" in text
    assert cli.main(["train", "finetune-70b", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 27 and rows[0]["fits"] and not rows[-1]["fits"]
    fitting = [row["step_s"] for row in rows if row["fits"]]
    assert fitting == sorted(fitting)


def test_a_bad_batch_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "finetune-70b", "--sequences", "30"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
