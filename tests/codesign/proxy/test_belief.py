"""Prior and evidence: the laws pass their published points, and weights follow the doubts."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codesign import proxy
from codesign.proxy import belief, prior
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.store import Store
from cost_models.design import Model
from cost_models.errors import InputError


def test_the_allocation_law_passes_the_published_points() -> None:
    for share, loss in ((0.0, 1.7248), (0.2, 1.7109), (0.6, 1.7248)):
        assert 1.7248 * math.exp(prior.allocation(share)) == pytest.approx(loss, abs=1e-6)
    shares = [step / 100 for step in range(100)]
    best = min(shares, key=prior.allocation)
    assert 0.20 <= best <= 0.25
    assert prior.allocation(0.8) > prior.allocation(0.6)


def test_placement_orders_layers_as_published() -> None:
    one = {layer: prior.placement((layer,), 12) for layer in range(12)}
    assert max(one, key=lambda layer: one[layer]) == 1  # the second layer
    assert all(one[layer] > one[layer + 1] for layer in range(1, 11))
    assert one[0] < one[1]
    assert prior.placement((1, 5), 12) == pytest.approx(1.0)
    gain = math.log(1.808 / 1.768)
    assert 1.808 * math.exp(-gain * one[1]) == pytest.approx(1.770, abs=1e-6)


def test_the_reference_has_equal_parameters(full_model: Callable[..., Model]) -> None:
    reference = prior.reference_of(full_model(0.25))
    assert reference.engram is None and reference.moe is not None
    assert abs(reference.moe.routed_experts - 72) <= 1
    assert prior.share(full_model(0.25)) == pytest.approx(0.25, abs=0.01)
    assert prior.effect(reference) == prior.Effect(0.0, 0.0, ())


def test_more_tables_on_a_fixed_backbone_are_better(full_model: Callable[..., Model]) -> None:
    small = full_model(0.2)
    assert small.engram is not None
    large = replace(small, engram=replace(small.engram, vocab_size=2 * small.engram.vocab_size))
    reference = prior.reference_of(small)
    assert prior.effect(large, reference).log_ratio < prior.effect(large).log_ratio


def test_weights_follow_precision() -> None:
    effect = prior.Effect(-0.01, 0.004, ())
    joined = belief.combine(effect, 0.03, 0.004)
    assert joined.log_ratio == pytest.approx(0.01) and joined.prior_weight == pytest.approx(0.5)
    assert joined.deviation == pytest.approx(0.004 / math.sqrt(2))
    assert belief.combine(effect, 0.03, 0.4).prior_weight > 0.99
    sure = belief.combine(effect, 0.03, 0.0004)
    assert sure.proxy_weight > 0.98 and sure.prior_weight + sure.proxy_weight == pytest.approx(1)


def test_judging_by_each_mode(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    model = full_model(0.25)
    reference = prior.reference_of(model)
    arguments = {"fidelity": tiny, "corpus": text, "store": store}
    by_prior = proxy.judge(model, mode="prior", **arguments)
    assert len(proxy.report(store)) == 1  # the reference alone was trained
    level = proxy.measure(reference, **arguments)
    assert by_prior.bits_per_byte == pytest.approx(
        level.bits_per_byte * math.exp(prior.effect(model).log_ratio)
    )
    measured, by_proxy = proxy.measure(model, **arguments), proxy.judge(model, **arguments)
    assert by_proxy.bits_per_byte == measured.bits_per_byte
    both = proxy.judge(model, mode="both", **arguments)
    assert min(by_prior.bits_per_byte, by_proxy.bits_per_byte) <= both.bits_per_byte
    assert both.bits_per_byte <= max(by_prior.bits_per_byte, by_proxy.bits_per_byte)
    said = both.details["belief"]
    assert said["prior_weight"] + said["proxy_weight"] == pytest.approx(1)
    assert said["proxy_bits_per_byte"] == measured.bits_per_byte and said["statements"]
    assert proxy.judge(reference, mode="both", **arguments).bits_per_byte == level.bits_per_byte
    with pytest.raises(InputError, match="quality must be proxy, prior, both"):
        proxy.judge(model, mode="guess", **arguments)
