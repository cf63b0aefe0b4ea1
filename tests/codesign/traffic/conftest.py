"""A short real text, read once for all tests of this room."""

import pytest

from codesign.traffic.source import Source, read


@pytest.fixture(scope="session")
def source() -> Source:
    return read(["stdlib"], vocab=4096, max_tokens=500_000)
