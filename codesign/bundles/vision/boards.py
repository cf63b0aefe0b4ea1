"""What a network needs of the contest's two boards: an FPGA (Ultra96) and an embedded GPU (Jetson TX2).

FPGA, after arXiv 1904.04421 section 5: resources are those of the engines that all layers share; the latency is
alpha x cycles of the engines + beta x cycles of the memory port. Here alpha = beta = 1, or the larger of the two:
nothing overlaps, or everything. Cycles follow from the loops of the published HLS source, not from a fit.
GPU: per kernel the larger of arithmetic and traffic, and a launch; normalisation and activation are kernels too.
Published frame rates are of the whole contest system; what the host does for a picture is one fitted constant.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from codesign.bundles.vision.network import Layer, Network, layers
from cost_models import yamlfile

_FILE = Path(__file__).parent / "boards.yaml"
_BLOCK_BITS = {9: 2048, 18: 1024}  # words of an 18-kbit memory block by their width (UG573)


@lru_cache(maxsize=1)
def figures() -> dict[str, dict[str, float]]:
    """Every figure of boards.yaml by section and name."""
    data = yamlfile.read(_FILE).data
    return {
        section: {name: float(entry["value"]) for name, entry in own.items()} for section, own in data.items()
    }


def published(name: str) -> str:
    """Where a published figure comes from."""
    return str(yamlfile.read(_FILE).data["published"][name]["source"])


@dataclass(frozen=True)
class Board:
    """One network on one board. seconds: of one picture, from the slowest to the quickest reading of the model."""

    seconds: tuple[float, float]
    power: float  # published, of the board at work
    dsp: int = 0
    bram: int = 0

    @property
    def frames(self) -> float:
        """Pictures a second of the whole system at the slowest reading: the network, and the host's own work."""
        return 1 / (self.seconds[0] + figures()["host"]["seconds"])


def fpga(network: Network) -> Board:
    """The shared engines of the published source, run over all layers of four stitched pictures."""
    f = figures()["fpga"]
    compute = data = 0.0
    on_chip = False  # whether the layer before left its result in the buffers
    for layer in layers(network):
        tiles = math.ceil(2 * layer.height / f["tile_height"]) * math.ceil(2 * layer.width / f["tile_width"])
        read, wrote = math.ceil(layer.inputs / f["channels"]), math.ceil(layer.outputs / f["channels"])
        compute += tiles * _cycles(layer, read, wrote, f)
        buffer = (
            (f["tile_height"] + 2 * f["border"]) * (f["tile_width"] + 2 * f["border"]) * f["word"] / f["port"]
        )
        fused = read <= f["fused_inputs"]
        if not (on_chip and fused):
            data += tiles * buffer * read * (1 if layer.kind == "dw" or fused else wrote)
        on_chip = fused and not layer.last
        if not on_chip:
            data += tiles * buffer * wrote * (0.25 if layer.pooled else 1)
    pictures = f["clock"] * f["batch"]
    slowest = (compute + data) / pictures
    return Board((slowest, max(compute, data) / pictures), f["power"], *_resources(network, f))


def _cycles(layer: Layer, read: int, wrote: int, f: dict[str, float]) -> float:
    """Of one tile of pixels: setting the bias, then every group of channels (and every place of the kernel)."""
    pixels = (f["tile_height"] + f["border"]) * (f["tile_width"] + f["border"])
    bias = pixels / 2
    if layer.kind == "dw":
        return read * (bias + layer.kernel**2 * pixels + pixels / 2)  # multiply, then the activation
    passes = f["channels"] / f["inputs_at_once"]
    load = f["inputs_at_once"] * f["channels"]
    return wrote * (bias + read * layer.kernel**2 * passes * (load + f["interval"] * pixels))


def _resources(network: Network, f: dict[str, float]) -> tuple[int, int]:
    """Multipliers of the engines that the network uses, and blocks of the feature maps in 36-kbit units."""
    kinds = {layer.kind for layer in layers(network)}
    dsp = f["channels"] * f["inputs_at_once"] / f["interval"] if "conv" in kinds else 0
    dsp += f["channels"] if "dw" in kinds else 0
    words = (f["tile_height"] + 2 * f["border"]) * (f["tile_width"] + 2 * f["border"])

    def blocks(bits: float) -> float:
        width = min(own for own in _BLOCK_BITS if own >= bits)
        return f["channels"] * math.ceil(words / _BLOCK_BITS[width]) / 2

    return int(dsp), int(f["buffers"] * blocks(f["map_bits"]) + blocks(f["sum_bits"]))


def gpu(network: Network) -> Board:
    """The roofline of every kernel; the quickest reading merges normalisation and activation into the convolution."""
    g = figures()["gpu"]
    slow = fast = 0.0
    for layer in layers(network):
        pixels = layer.height * layer.width
        read, wrote = (g["value"] * pixels * c for c in (layer.inputs, layer.outputs))
        convolution = max(
            2 * layer.macs / g["peak"], (read + wrote + g["value"] * layer.weights) / g["bandwidth"]
        )
        pool = (wrote * 1.25 / g["bandwidth"] + g["launch"]) if layer.pooled else 0.0
        fast += convolution + g["launch"] + pool
        slow += convolution + 2 * (2 * wrote / g["bandwidth"]) + 3 * g["launch"] + pool
    return Board((slow, fast), g["power"])
