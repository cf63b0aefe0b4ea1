"""A network trained for seconds on scikit-learn's handwritten digits (1,797 pictures of 8 x 8)."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from codesign.bundles.vision.network import Network, layers
from codesign.errors import InputError
from codesign.proxy.device import threads

EPOCHS, BATCH, RATE = (
    10,
    64,
    0.01,
)  # half as long as SkyNet's own bundles are scored (20 epochs, arXiv 1909.09709)
HELD_OUT = 450  # of the pictures, the last ones: other writers than the first


@dataclass(frozen=True)
class Score:
    """error: share of held-out pictures read wrongly; standard_error: of that share, over pictures."""

    error: float
    standard_error: float


class Convolutions(nn.Module):
    """A `Network` in torch: (pictures, inputs, height, width) -> (pictures, outputs), the mean over pixels."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        *inner, last = layers(network)
        self.steps = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(
                    layer.inputs, layer.outputs, layer.kernel, padding=layer.kernel // 2, bias=False,
                    groups=layer.inputs if layer.kind == "dw" else 1,
                ),
                nn.BatchNorm2d(layer.outputs),
                nn.ReLU6() if network.relu6 else nn.ReLU(),
            )
            for layer in inner
        )  # fmt: skip
        self.plan = inner
        self.last = nn.Conv2d(last.inputs, last.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        replica, saved = 0, None
        for layer, step in zip(self.plan, self.steps, strict=True):
            if saved is not None and layer.inputs == x.shape[1] + saved.shape[1]:
                x = torch.cat((x, saved), dim=1)
            x = step(x)
            if layer.last:
                if replica == self.network.bypass:
                    factor = 2 ** sum(1 for pool in self.network.pooled if pool >= replica)
                    saved = functional.pixel_unshuffle(x, factor)
                x = functional.max_pool2d(x, 2) if layer.pooled else x
                replica += 1
        return self.last(x).mean((2, 3))


@lru_cache(maxsize=1)
def pictures() -> tuple[Tensor, Tensor]:
    """All digits: (1797, 1, 8, 8) in -1..1, and (1797,) numbers."""
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError:
        raise InputError("digits: needs scikit-learn: pip install 'codesign[vision]'") from None
    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 8 - 1, torch.tensor(data.target)


@threads(1)
def train(network: Network, seed: int = 0, epochs: int = EPOCHS) -> Score:
    """Train on the first pictures, score on the last. A function of its arguments and of torch's version."""
    x, y = pictures()
    torch.manual_seed(seed)
    model = Convolutions(network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    trained = len(y) - HELD_OUT
    steps = epochs * (trained // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(trained)
        for start in range(0, trained - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        error = float((model(x[trained:]).argmax(1) != y[trained:]).float().mean())
    return Score(error, math.sqrt(max(error * (1 - error), 1 / HELD_OUT) / HELD_OUT))
