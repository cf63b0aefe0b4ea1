"""A real, small study for the tests of the dashboard: proxies of a twentieth of a second."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `made` and `small_study` beside the tests

import small_study


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The storage of a finished search over 8 models."""
    return small_study.searched(tmp_path_factory.mktemp("dashboard"), trials=8)
