"""Small convolutional networks as plain data: bundles of layers, pooling between them, an optional bypass.

SkyNet itself (arXiv 1909.09709, table 3, model C) is `SKYNET`.
"""

from dataclasses import dataclass, replace

# A bundle: its layers, each "conv" (all channels) or "dw" (each channel alone) with its kernel. Every layer is followed
# by batch normalisation and an activation. Candidates after arXiv 1904.04421, figure 3.
BUNDLES: dict[str, tuple[tuple[str, int], ...]] = {
    "dw3-pw1": (("dw", 3), ("conv", 1)),  # SkyNet's
    "conv3": (("conv", 3),),
    "conv1": (("conv", 1),),
    "conv3-pw1": (("conv", 3), ("conv", 1)),
    "pw1-dw3": (("conv", 1), ("dw", 3)),
    "dw5-pw1": (("dw", 5), ("conv", 1)),
    "dw3-dw3-pw1": (("dw", 3), ("dw", 3), ("conv", 1)),
}


@dataclass(frozen=True)
class Network:
    """A chain of replicas of one bundle.

    channels: of each replica. pooled: after which replicas (counted from 0) pictures are halved. bypass: from the
    output of which replica (before its pooling) features are reordered, two by two pixels into channels, and joined
    to the input of the last one; None: none. outputs: of a last 1x1 convolution. size: height and width of the input.
    """

    bundle: str
    channels: tuple[int, ...]
    pooled: tuple[int, ...]
    size: tuple[int, int]
    inputs: int = 3
    outputs: int = 10
    bypass: int | None = None
    relu6: bool = True


@dataclass(frozen=True)
class Layer:
    """One convolution: kind "conv" or "dw", at height x width; last: of its bundle; pooled: right after it."""

    kind: str
    kernel: int
    inputs: int
    outputs: int
    height: int
    width: int
    last: bool = False
    pooled: bool = False

    @property
    def weights(self) -> int:
        """Values of the kernel."""
        return self.kernel**2 * self.outputs * (1 if self.kind == "dw" else self.inputs)

    @property
    def macs(self) -> int:
        """Multiplications of one picture."""
        return self.weights * self.height * self.width


SKYNET = Network("dw3-pw1", (48, 96, 192, 384, 512, 96), (0, 1, 2), (160, 320), bypass=2)


def layers(network: Network) -> list[Layer]:
    """Every convolution in order, the output layer last."""
    found: list[Layer] = []
    (height, width), inputs, saved = network.size, network.inputs, 0
    for replica, channels in enumerate(network.channels):
        if network.bypass is not None and replica == len(network.channels) - 1:
            inputs += saved
        kinds = BUNDLES[network.bundle]
        for place, (kind, kernel) in enumerate(kinds):
            outputs = inputs if kind == "dw" else channels
            last = place == len(kinds) - 1
            found.append(
                Layer(kind, kernel, inputs, outputs, height, width, last, last and replica in network.pooled)
            )
            inputs = outputs
        if replica == network.bypass:
            factor = 2 ** sum(1 for pool in network.pooled if pool >= replica)
            saved = inputs * factor**2
        if replica in network.pooled:
            height, width = max(1, height // 2), max(1, width // 2)
    return [*found, Layer("conv", 1, inputs, network.outputs, height, width, last=True)]


def weights(network: Network) -> int:
    """Values of all kernels, without batch normalisation."""
    return sum(layer.weights for layer in layers(network))


def macs(network: Network) -> int:
    """Multiplications of one picture."""
    return sum(layer.macs for layer in layers(network))


def scaled(network: Network, factor: float) -> Network:
    """The same network with other widths, at least 4."""
    return replace(network, channels=tuple(max(4, round(factor * c)) for c in network.channels))
