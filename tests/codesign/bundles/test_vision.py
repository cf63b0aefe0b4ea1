"""SkyNet's own network: counted, priced on its two boards, and its flow on real handwritten digits."""

from dataclasses import replace

import pytest
import torch

from codesign.bundles.vision.boards import figures, fpga, gpu
from codesign.bundles.vision.digits import Convolutions, train
from codesign.bundles.vision.flow import skynet
from codesign.bundles.vision.network import BUNDLES, SKYNET, Network, layers, macs, weights
from codesign.proxy.device import threads

SMALL = Network("dw3-pw1", (16, 16, 16), (0,), (8, 8), inputs=1)


def test_skynet_has_the_weights_of_the_released_code() -> None:
    assert weights(SKYNET) == 435_387  # github.com/TomG008/SkyNet, GPU/models.py
    assert macs(SKYNET) == 463_718_400
    assert layers(SKYNET)[-3].inputs == 1280  # 512, and 192 reordered two by two


@pytest.mark.parametrize("row", skynet(), ids=lambda row: row["quantity"])
def test_the_published_row_comes_back(row: dict) -> None:
    assert abs(row["error"]) <= 0.15
    assert row["fitted"] == (row["quantity"] == "gpu_frames")


def test_the_fitted_constant_is_what_its_source_says() -> None:
    left = 1 / figures()["published"]["gpu_frames"] - gpu(SKYNET).seconds[0]
    assert figures()["host"]["seconds"] == pytest.approx(left, rel=1e-3)


def test_the_network_alone_is_quicker_than_the_system_however_read() -> None:
    for board in (fpga(SKYNET), gpu(SKYNET)):
        slow, quick = board.seconds
        assert quick < slow < 1 / board.frames


def test_no_network_needs_more_than_the_fpga_has() -> None:
    for bundle in BUNDLES:
        board = fpga(replace(SKYNET, bundle=bundle))
        assert board.dsp <= figures()["fpga"]["dsp"]
        assert board.bram <= figures()["fpga"]["bram"]


def test_wider_and_larger_costs_more() -> None:
    wide = replace(SKYNET, channels=tuple(2 * c for c in SKYNET.channels))
    large = replace(SKYNET, size=(320, 640))
    for price in (fpga, gpu):
        assert price(wide).seconds[0] > price(SKYNET).seconds[0]
        assert price(large).seconds[0] == pytest.approx(4 * price(SKYNET).seconds[0], rel=0.2)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_torch_network_is_the_one_that_is_counted(bundle: str) -> None:
    for network in (replace(SMALL, bundle=bundle), replace(SMALL, bundle=bundle, bypass=0)):
        model = Convolutions(network)
        kernels = sum(p.numel() for n, p in model.named_parameters() if p.ndim == 4)
        assert kernels == weights(network)
        assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_digits_are_learnt_within_seconds() -> None:
    pytest.importorskip("sklearn")
    score = train(SMALL, epochs=3)
    assert score.error < 0.75  # by chance: 0.9
    assert 0 < score.standard_error < 0.03


def test_a_training_is_the_same_whatever_threads_the_caller_uses() -> None:
    pytest.importorskip("sklearn")
    errors = set()
    for count in (1, 2):
        with threads(count):
            errors.add(train(SMALL, epochs=3).error)
            assert torch.get_num_threads() == count  # the caller's own number is left alone
    assert len(errors) == 1
