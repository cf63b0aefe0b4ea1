"""Prior and evidence together: how good is the full-size model, and which of the two says so.

The quantity is the log of the loss over that of a reference without tables. The prior gives it with a
standard deviation (`prior.effect`); the proxies give it as the ratio of two trainings, with their noise and
a term for the gap in scale. They are joined by their precisions, and the weight of each is kept.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from codesign import corpus as corpora
from codesign.proxy import prior
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.measurement import measure
from codesign.proxy.quality import Quality
from codesign.proxy.store import Store
from codesign.proxy.training import Progress
from cost_models.design import Model
from cost_models.errors import InputError

MODES = ("proxy", "prior", "both")


@dataclass(frozen=True)
class Belief:
    """log_ratio and deviation as in `prior.Effect`; prior_weight, proxy_weight: they add up to 1."""

    log_ratio: float
    deviation: float
    prior_weight: float
    proxy_weight: float


def combine(effect: prior.Effect, observed: float, noise: float) -> Belief:
    """The precision-weighted mean of the prior and of an observed log ratio with standard deviation `noise`.

    A prior without doubt (the reference itself) takes all the weight.
    """
    if effect.deviation == 0:
        return Belief(effect.log_ratio, 0.0, 1.0, 0.0)
    of_prior, of_proxy = effect.deviation**-2, noise**-2
    weight = of_prior / (of_prior + of_proxy)
    mean = weight * effect.log_ratio + (1 - weight) * observed
    return Belief(mean, (of_prior + of_proxy) ** -0.5, weight, 1 - weight)


def judge(
    model: Model,
    fidelity: str | Path | Fidelity = "demo",
    seed: int = 0,
    corpus: corpora.Spec = None,
    store: Store | None = None,
    progress: Progress | None = None,
    mode: str = "proxy",
    reference: Model | None = None,
) -> Quality:
    """The quality of `model` by proxy, prior or both; the other arguments are those of `measure`.

    reference: a model without tables that all models of a study are compared with, and whose proxy (trained
    once, then found in the store) gives the level of "prior" and "both". Default:
    `prior.reference_of(model)`. `details["belief"]` of the result holds the weights and the statements.
    Raises InputError for another mode.
    """
    if mode not in MODES:
        raise InputError(f"quality must be {', '.join(MODES)}, got {mode!r}")

    def trained(one: Model) -> Quality:
        return measure(one, fidelity, seed, corpus, store, progress)

    if mode == "proxy":
        measured = trained(model)
        return _with(
            measured, measured.bits_per_byte, measured.standard_error, Belief(0.0, 0.0, 0.0, 1.0), ()
        )
    base = prior.reference_of(model) if reference is None else reference
    level = trained(base)
    effect = prior.effect(model, base)
    if mode == "prior":
        belief = Belief(effect.log_ratio, effect.deviation, 1.0, 0.0)
        measured = level
    else:
        measured = trained(model)
        relative = math.hypot(measured.standard_error, level.standard_error) / level.bits_per_byte
        observed = math.log(measured.bits_per_byte / level.bits_per_byte)
        belief = combine(effect, observed, math.hypot(relative, prior.scale_gap()))
        if measured.reason:  # a run that was stopped says so, whatever is published
            belief = Belief(observed, relative, 0.0, 1.0)
    bits = level.bits_per_byte * math.exp(belief.log_ratio)
    return _with(measured, bits, bits * belief.deviation, belief, effect.statements)


def _with(
    quality: Quality, bits: float, error: float, belief: Belief, statements: tuple[str, ...]
) -> Quality:
    said = {
        "prior_weight": belief.prior_weight,
        "proxy_weight": belief.proxy_weight,
        "log_ratio": belief.log_ratio,
        "proxy_bits_per_byte": quality.bits_per_byte,
        "statements": list(statements),
    }
    return replace(
        quality, bits_per_byte=bits, standard_error=error, details={**quality.details, "belief": said}
    )
