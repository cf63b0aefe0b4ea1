"""What is measured can be named by a design; what is unsteady is refused; scratch files go."""

import os
import signal
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from codesign.calibration import directio, drive, hardwarefile, memory, timing
from codesign.calibration.device import Device, _Rows
from codesign.calibration.hardwarefile import Measured
from codesign.calibration.power import Meter
from codesign.calibration.scratch import PREFIX, scratch
from codesign.calibration.serving import Serving
from codesign.calibration.timing import Sample, UnsteadyError, attempt, one_core, steady, within
from codesign.errors import CodesignError
from cost_models import constants, load_catalogue
from cost_models.design import Host, System
from cost_models.fitting.solver import Fit

SAMPLE = Sample(1e-4, 0.01, 10, 1.0)


def _measured() -> Measured:
    kinds = {
        "gemm_bf16": {"overhead_s": 2e-5, "compute": 0.9, "memory": 0.4, "step_s": 0.0},
        "experts_bf16": {"overhead_s": 1e-4, "compute": 0.6, "memory": 0.3, "bytes_per_row_value": 9.0},
    }
    device = Device(4e11, 3e10, {kind: Fit(values, 0.08, 40) for kind, values in kinds.items()})
    host = memory.Memory(1e-7, dict.fromkeys(memory.ROW_BYTES, SAMPLE), {}, {1: 1e7, 2: 2e7})
    disk = drive.Drive(SAMPLE, {1: SAMPLE, 64: Sample(5e-5, 0.1, 10, 1.0)}, SAMPLE, True, 1 << 30)
    return Measured(device, host, disk, Serving(SAMPLE, SAMPLE, SAMPLE), None, None, 0.5, "2026-11-22")


def test_the_file_is_read_by_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(hardwarefile.text(_measured()))
    host = Host(dram_bytes=1e9, ssd_bytes=1e9, ssd_drives=1, dram_tier=str(path), ssd_tier=str(path))
    parts = load_catalogue().parts(System(accelerator=str(path), accelerators=1, host=host))
    assert parts.accelerator.peak_flops["bf16"] == 4e11
    assert parts.accelerator.is_cpu
    assert parts.tiers["ssd"].reads_per_s == pytest.approx(512 / 5e-5)
    assert parts.tiers["dram"].latency_s == 1e-7
    assert parts.engine.io_queue_depth == 64
    assert constants.of(constants.key(str(path)))["gemm_bf16"]["compute"] == 0.9
    assert constants.expected_error(str(path)) == pytest.approx(0.08)


def test_figures_of_serving_can_be_set_above_the_file(tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(hardwarefile.text(_measured()))
    catalogue = load_catalogue(overrides={"serving.io_queue_depth": 3})
    assert catalogue.parts(System(accelerator=str(path), accelerators=1)).engine.io_queue_depth == 3


def test_windows_that_differ_are_refused() -> None:
    time, doubling = [0.0], count()

    def run() -> None:
        time[0] += 0.01 * 2 ** next(doubling)

    with pytest.raises(UnsteadyError, match="the test could not be measured steadily"):
        steady(run, "the test", lambda: time[0])


def test_a_steady_time() -> None:
    time = [0.0]

    def run() -> None:
        time[0] += 0.01

    assert steady(run, "the test", lambda: time[0]).seconds == pytest.approx(0.01)


def test_figures_share_the_time_and_missing_ones_are_named() -> None:
    left_out: list[str] = []

    def slow() -> None:
        time.sleep(0.02)

    started = time.perf_counter()
    with within(started + 0.5, 4, left_out):
        first = steady(slow, "the first", time.perf_counter, window_s=100.0)
        assert time.perf_counter() - started < 0.4  # an endless window ends with its share
        time.sleep(max(0.0, started + 0.5 - time.perf_counter()))
        assert attempt(lambda: steady(slow, "the second", time.perf_counter)) is None
        with pytest.raises(UnsteadyError, match="the third: no time was left; give more with --minutes"):
            steady(slow, "the third", time.perf_counter)
    assert first.runs >= 2
    assert [line.partition(":")[0] for line in left_out] == ["the second"]
    assert steady(slow, "outside", time.perf_counter).seconds > 0


def test_a_figure_that_nothing_can_do_without_is_an_error() -> None:
    with pytest.raises(UnsteadyError):
        attempt(lambda: (_ for _ in ()).throw(UnsteadyError("x")))


def test_too_few_kernels_are_refused() -> None:
    rows = _Rows()
    for sample in (SAMPLE, None, None):
        rows.add(sample, 1.0, 1.0)
    with pytest.raises(UnsteadyError, match="only 1 of 3 expert kernels"):
        rows.check("expert kernels")


def test_what_was_left_out_stands_in_the_file() -> None:
    written = hardwarefile.text(
        replace(_measured(), left_out=("huge pages: no time was left",), seconds=61.2)
    )
    assert "# Left out: huge pages: no time was left" in written
    assert "in 61 s" in written


def test_a_slow_drive_gets_a_smaller_file(tmp_path: Path) -> None:
    block = directio.pages(4)
    assert directio.write(tmp_path / "file", block, 50, until=0.0) == 1
    assert (tmp_path / "file").stat().st_size == block.nbytes
    assert directio.write(tmp_path / "file", block, 3) == 3


def test_scratch_files_go_on_an_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch(tmp_path, 0) as folder:
        (folder / "large").write_bytes(b"x")
        os.kill(os.getpid(), signal.SIGTERM)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}999999999-abc").mkdir()
    with scratch(tmp_path, 0):
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room(tmp_path: Path) -> None:
    with pytest.raises(CodesignError, match="twice the room"), scratch(tmp_path, 1e18):
        pass


def test_a_drive_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "REFUSE", float("inf"))  # other tests may keep the machine busy
    found = drive.measure(lambda what: None, tmp_path, 16 << 20)
    assert found.file_bytes == 16 << 20
    assert found.depth in found.at_depth
    assert found.single.seconds > 0
    assert (tmp_path / "drive.bin").stat().st_size == found.file_bytes


def test_one_core_is_given_back() -> None:
    before = os.sched_getaffinity(0)
    with one_core() as every:
        assert len(os.sched_getaffinity(0)) == 1
        assert every == before
    assert os.sched_getaffinity(0) == before


def test_power_is_a_number_or_a_reason() -> None:
    meter = Meter()
    assert (meter.joules() is None) == bool(meter.reason)


def test_buffers_lie_at_pages() -> None:
    assert directio.pages(3).ctypes.data % directio.PAGE == 0
