"""A study packed and unpacked is the same study."""

from pathlib import Path

import pandas as pd
import pytest

from codesign import results
from codesign.errors import StudyError
from dashboard import recorded


def test_a_recorded_study_is_the_study(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "FILE", tmp_path / "example" / "study.db.gz")
    monkeypatch.setenv("CODESIGN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(StudyError, match="no recorded study"):
        recorded.storage()
    first = recorded.record("small", storage, recorded.FILE)
    again = recorded.storage()
    pd.testing.assert_frame_equal(
        results.Reader("small", again).read().table, results.Reader("small", storage).read().table
    )
    assert recorded.record("small", storage, recorded.FILE) == first
    assert recorded.storage() == again
