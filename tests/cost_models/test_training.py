"""Training over three tiers: bytes by hand, what must hold, and the published workstation."""

from dataclasses import replace

import numpy as np
import pytest

from cost_models import load_catalogue, read_model
from cost_models.architecture import parameters
from cost_models.design import Design, Host, System
from cost_models.errors import InputError
from cost_models.training import Batch, Training, train

CATALOGUE = load_catalogue()
LLAMA = read_model("llama-3.1-70b")
WORKSTATION = Design(
    LLAMA,
    System(
        "rtx-6000-ada", 4,
        host=Host(dram_bytes=512e9, ssd_bytes=4e12, ssd_drives=2, ssd_tier="pslc-aidaptiv"),
    ),
)  # fmt: skip


def at(found: Training, weights: str, optimizer: str, activations: str) -> int:
    rows = (found.weights == weights) & (found.optimizer == optimizer) & (found.activations == activations)
    return int(np.flatnonzero(rows)[0])


def test_state_takes_sixteen_bytes_a_parameter() -> None:
    found = train(WORKSTATION, Batch(), CATALOGUE)
    count = parameters(LLAMA).total
    assert count == pytest.approx(70.6e9, rel=0.001)
    i = at(found, "dram", "ssd", "dram")
    checkpoints = 4 * 4096 * 80 * 8192 * 2  # one of 8192 bf16 values a layer and token, four cards
    assert found.spare["dram"][i] == pytest.approx(512e9 - 4 * count - checkpoints)
    assert found.spare["ssd"][i] == pytest.approx(4e12 - 12 * count)


def test_the_published_workstation_needs_its_drives() -> None:
    """70B trained in full on four 48 GB cards (GTC 2024): not without SSD, and with it."""
    found = train(WORKSTATION, Batch(), CATALOGUE)
    assert found.fits.any()
    assert (found.optimizer[found.fits] == "ssd").all()
    host = replace(WORKSTATION.system.host, ssd_bytes=0.0, ssd_drives=0)
    without = train(replace(WORKSTATION, system=replace(WORKSTATION.system, host=host)), Batch(), CATALOGUE)
    assert not without.fits.any()


def test_the_optimizer_on_drives_takes_their_bandwidth_and_their_life() -> None:
    found = train(WORKSTATION, Batch(), CATALOGUE)
    i, count = at(found, "dram", "ssd", "dram"), parameters(LLAMA).total
    assert found.optimizer_s[i] == pytest.approx(12 * count / 14e9 + 12 * count / 11.8e9)
    assert found.written_per_day[i] == pytest.approx(12 * count * 86400 / found.step_s[i])
    rated = 2 * 219e15  # bytes of both drives, as the vendor guarantees them
    assert found.life_years[i] == pytest.approx(rated / found.written_per_day[i] / 365.25, rel=0.01)
    assert np.isinf(found.life_years[at(found, "dram", "dram", "dram")])


def test_a_step_is_its_slowest_resource_and_the_optimizer() -> None:
    found = train(WORKSTATION, Batch(64), CATALOGUE)
    slowest = np.maximum.reduce(list(found.terms.values()))
    assert found.micro_steps == 16
    assert found.step_s == pytest.approx(16 * slowest + found.optimizer_s)
    assert found.tokens_per_s == pytest.approx(64 * 4096 / found.step_s)


def test_larger_steps_hide_the_drives_and_more_drives_are_faster() -> None:
    small, large = (train(WORKSTATION, Batch(n), CATALOGUE) for n in (8, 128))
    assert (large.tokens_per_s >= small.tokens_per_s * 0.999).all()
    i = at(small, "dram", "ssd", "dram")
    assert large.life_years[i] > small.life_years[i] and large.usd_per_mtok[i] < small.usd_per_mtok[i]
    host = replace(WORKSTATION.system.host, ssd_drives=4)
    more = train(replace(WORKSTATION, system=replace(WORKSTATION.system, host=host)), Batch(8), CATALOGUE)
    assert more.step_s[i] < small.step_s[i]


def test_compute_is_eight_flops_a_parameter_and_token() -> None:
    """Forward 2, backward 4 and recomputation 2; attention adds to it."""
    found = train(WORKSTATION, Batch(), CATALOGUE)
    least = 8 * (parameters(LLAMA).total - 128256 * 8192) * 4096 / 364e12
    assert least < found.terms["compute"][0] < 3 * least


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match="multiple of 4 accelerators x 2"):
        train(WORKSTATION, Batch(12, micro=2), CATALOGUE)
