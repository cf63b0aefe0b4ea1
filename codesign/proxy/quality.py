"""What a proxy training says about a model."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Quality:
    """Held-out loss of one proxy, minimised.

    bits_per_byte: over held-out documents. Where the training was stopped early (`reason` is then not empty)
        it is what a model that knows only token frequencies scores: a finite penalty.
    standard_error: in bits per byte. Combined in quadrature with that of another model of the same fidelity
        and seed it is the error of their difference: from `noise.calibrate` where the store has one, else
        what the fidelity states.
    fidelity: name of the recipe. seconds: wall time of the training. tokens: trained on.
    curve: (step, training loss in nats per token), about 50 points.
    key: hash of everything that determines the result; the name under which the store has it.
    block_bits: (blocks,) bits per byte of each held-out window, in a fixed order, for paired comparison.
    details: what the proxy was (scaled shape, device, kernels, CPU seconds, ...), for people.
    """

    bits_per_byte: float
    standard_error: float
    fidelity: str
    seconds: float
    tokens: int
    curve: tuple[tuple[int, float], ...]
    key: str
    reason: str
    block_bits: tuple[float, ...]
    details: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Quality":
        """The inverse of `document`, after JSON."""
        curve = tuple((int(step), float(loss)) for step, loss in document["curve"])
        return cls(**{**document, "curve": curve, "block_bits": tuple(document["block_bits"])})
