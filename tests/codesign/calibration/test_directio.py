"""Pages come back as they were written, by every way of reading them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codesign.calibration import directio
from codesign.calibration.directio import PAGE, DirectFile


@pytest.fixture
def file(tmp_path: Path) -> tuple[Path, NDArray[np.uint8]]:
    content = directio.pages(64)
    content[:] = np.random.default_rng(0).integers(0, 256, content.shape, np.uint8)
    directio.write(tmp_path / "pages", content, 3)
    return tmp_path / "pages", np.concatenate([content] * 3)


@pytest.mark.parametrize("depth", [1, 7, 256])
def test_random_pages(file: tuple[Path, NDArray[np.uint8]], depth: int) -> None:
    path, content = file
    numbers = np.random.default_rng(1).integers(0, len(content), 100)
    opened, together, single = DirectFile(path, depth), directio.pages(100), directio.pages(100)
    try:
        opened.read(numbers, together)
        times = opened.read_one_by_one(numbers, single)
    finally:
        opened.close()
    assert (together == content[numbers]).all()
    assert (single == content[numbers]).all()
    assert len(times) == 100


def test_without_asynchronous_reads(
    file: tuple[Path, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directio, "_CALLS", {})
    path, content = file
    opened, buffer = DirectFile(path, 4), directio.pages(50)
    numbers = np.arange(50)[::-1].copy()
    try:
        opened.read(numbers, buffer)
    finally:
        opened.close()
    assert (buffer == content[numbers]).all()


def test_several_pages_at_once(file: tuple[Path, NDArray[np.uint8]]) -> None:
    path, content = file
    opened, buffer = DirectFile(path, 4), directio.pages(8).reshape(4, 2 * PAGE)
    try:
        opened.read(np.array([0, 10, 20, 30]), buffer)
    finally:
        opened.close()
    assert (buffer[2] == content[20:22].reshape(-1)).all()
