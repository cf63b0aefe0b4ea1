"""Host times of engines: the fit finds what made the rows, and the file is what the fit gives."""

import numpy as np
import pytest

from cost_models import constants
from cost_models.design import ENGINES
from cost_models.fitting.engines import Server, fit, left_out, servers


def made(name: str, step_s: float, request_s: float, seed: int) -> Server:
    random = np.random.default_rng(seed)
    requests = random.integers(1, 200, 40).astype(float)
    bare = random.uniform(5e-3, 40e-3, 40)
    return Server(name, "x", requests, bare, 0.0 * bare, bare + step_s + request_s * requests)


def test_the_fit_finds_what_made_the_rows() -> None:
    alike = [made(name, 1.2e-3, 20e-6, seed) for seed, name in enumerate("abc")]
    assert fit(alike) == pytest.approx((1.2e-3, 20e-6))
    unlike = made("d", 0.0, 0.0, 9)
    errors = left_out([*alike, unlike])
    assert errors["d"] > 0.05 > max(errors[name] for name in "abc")
    assert errors["d"] == pytest.approx(unlike.error(1.2e-3, 20e-6))


def test_the_file_holds_what_the_measured_servers_give() -> None:
    """It is to be made anew (python -m cost_models.fitting.engines) where the times of kernels have moved."""
    measured = servers()
    for engine in ENGINES:
        chosen = [one for one in measured if one.engine == engine]
        own = constants.engines()[engine]
        best, held = fit(chosen), (own["step_s"], own["request_s"])
        assert sum(one.error(*held) for one in chosen) <= 1.02 * sum(one.error(*best) for one in chosen), (
            engine
        )
        assert own["error"] < constants.engines()["generic"]["error"] or engine == "sglang"
