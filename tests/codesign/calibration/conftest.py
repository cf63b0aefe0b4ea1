"""A model that a test can run, and a hardware file with kernels that were never measured."""

from pathlib import Path

import pytest

from cost_models.design import Attention, Design, Engram, Model, Serving, TablePlacement

HARDWARE = """
accelerator:
  name: "a core"
  kind: cpu
  memory_type: ddr5
  peak_bf16: {value: 400, unit: GFLOP/s, source: test, confidence: measured}
  memory: {value: 16, unit: GB, source: test, confidence: measured}
  memory_bandwidth: {value: 30, unit: GB/s, source: test, confidence: measured}
  memory_channels: {value: 1, unit: count, source: test, confidence: measured}
memory:
  dram:
    based_on: ddr5-rdimm
    reads_per_s: {value: 20, unit: M/s, source: test, confidence: measured}
  ssd:
    based_on: nvme-tlc-gen5
    latency: {value: 50, unit: us, source: test, confidence: measured}
    reads_per_s: {value: 80000, unit: IOPS, source: test, confidence: measured}
efficiency:
  gemm_bf16:
    compute: {value: 0.5, unit: ratio, source: test, confidence: measured}
    overhead_s: {value: 1, unit: ms, source: test, confidence: measured}
serving:
  host_step: {value: 0.3, unit: ms, source: test, confidence: measured}
expected_error: {value: 0.1, unit: ratio, source: test, confidence: measured}
"""


@pytest.fixture
def hardware(tmp_path: Path) -> Path:
    path = tmp_path / "host.yaml"
    path.write_text(HARDWARE)
    return path


@pytest.fixture
def model() -> Model:
    attention = Attention("gqa", 4, 2, 64)
    return Model("small", 3, 128, 32768, attention, 256, engram=Engram((0, 2), 3, 4, 32, 2000))


@pytest.fixture
def design(model: Model) -> Design:
    placement = TablePlacement(tier="ssd")
    return Design(model, serving=Serving(input_tokens=24, output_tokens=6, concurrency=3, tables=placement))
