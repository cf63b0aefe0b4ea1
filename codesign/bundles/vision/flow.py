"""SkyNet's three stages on digits: bundles alone, networks of the kept ones by group swarm, then features.

Quality is the error on held-out digits. Cost is the time of a picture of the contest's size (160 x 320) on the
FPGA, with the same channels: the digits only rank the networks, the board is asked about its own task.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from codesign.bundles.vision.boards import fpga, gpu
from codesign.bundles.vision.digits import Score, train
from codesign.bundles.vision.network import BUNDLES, SKYNET, Network, weights
from codesign.front import non_dominated
from codesign.search.group_pso import Position, step

WIDTHS = (8, 16, 24, 32, 48, 64)  # of a replica
REPLICAS = 3
PARTICLES, ROUNDS = 3, 3
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Point:
    """One network, scored."""

    stage: str
    name: str
    network: Network
    error: float
    standard_error: float
    fpga_s: float

    def document(self, kept: bool) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "stage": self.stage, "name": self.name, "bundle": self.network.bundle, "channels": self.network.channels,
            "pooled": self.network.pooled, "weights": weights(self.network), "error": self.error,
            "standard_error": self.standard_error, "fpga_s": self.fpga_s,
            "gpu_s": gpu(_full(self.network)).seconds[0], "kept": kept,
        }  # fmt: skip


def run(seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """All three stages; {bundles, networks, features, skynet}, the JSON of `codesign bundles digits`."""
    say = progress or (lambda text: None)
    alone = [_point("bundle", name, _network(name, (32,) * REPLICAS, (0,)), seed, say) for name in BUNDLES]
    kept = [point for point, good in zip(alone, _front(alone), strict=True) if good]
    swarm = [point for best in kept for point in _swarm(best.network.bundle, seed, say)]
    front = [point for point, good in zip(swarm, _front(swarm), strict=True) if good]
    return {
        "bundles": [p.document(p in kept) for p in alone],
        "networks": [p.document(p in front) for p in swarm],
        "features": [feature for point in front for feature in _features(point, seed, say)],
        "skynet": skynet(),
    }


def skynet() -> list[dict[str, Any]]:
    """SkyNet's own row, published against predicted: [{quantity, published, predicted, error, fitted, source}]."""
    from codesign.bundles.vision.boards import figures, published

    on_fpga, on_gpu = fpga(SKYNET), gpu(SKYNET)
    # normalisation keeps four values a channel
    normalised = sum(4 * layer.outputs for layer in _inner(SKYNET))
    predicted = {
        "weights": 4.0 * (weights(SKYNET) + normalised),
        "fpga_dsp": float(on_fpga.dsp),
        "fpga_bram": float(on_fpga.bram),
        "fpga_frames": on_fpga.frames,
        "gpu_frames": on_gpu.frames,
    }
    return [
        {
            "quantity": name, "published": figures()["published"][name], "predicted": value,
            "error": value / figures()["published"][name] - 1, "fitted": name == "gpu_frames",
            "source": published(name),
        }
        for name, value in predicted.items()
    ]  # fmt: skip


def _inner(network: Network) -> list[Any]:
    from codesign.bundles.vision.network import layers

    return layers(network)[:-1]


def _network(bundle: str, channels: tuple[int, ...], pooled: tuple[int, ...]) -> Network:
    return Network(bundle, channels, pooled, (8, 8), inputs=1)


def _full(network: Network) -> Network:
    return replace(network, size=SKYNET.size, inputs=SKYNET.inputs)


@lru_cache(maxsize=256)
def _trained(network: Network, seed: int) -> Score:
    return train(network, seed)


def _point(stage: str, name: str, network: Network, seed: int, say: Progress) -> Point:
    say(f"{stage} {name}")
    score = _trained(network, seed)
    return Point(stage, name, network, score.error, score.standard_error, fpga(_full(network)).seconds[0])


def _front(points: list[Point]) -> list[bool]:
    return [bool(flag) for flag in non_dominated(np.array([[p.error, p.fpga_s] for p in points]))]


def _swarm(bundle: str, seed: int, say: Progress) -> list[Point]:
    """Networks of one bundle: widths of the replicas and places of the pooling evolve inside the group only."""
    generator = np.random.default_rng([seed, *bundle.encode()])
    names = [*(f"width {i}" for i in range(REPLICAS)), "pooling"]
    particles: list[list[tuple[Position, Position, Point]]] = [[] for _ in range(PARTICLES)]
    for _ in range(ROUNDS):
        for number, own in enumerate(particles):
            if own:
                ranks = _fitness([p for other in particles for _, _, p in other])
                best = min(own, key=lambda member: ranks[member[2]])[0]
                leader = min((m for other in particles for m in other), key=lambda member: ranks[member[2]])[
                    0
                ]
                position, velocity = step(own[-1][0], own[-1][1], best, leader, generator)
            else:
                position = {name: float(generator.random()) for name in names}
                velocity = dict.fromkeys(names, 0.0)
            widths = tuple(_level(WIDTHS, position[f"width {i}"]) for i in range(REPLICAS))
            network = _network(bundle, widths, _level(((0,), (1,), (0, 1)), position["pooling"]))
            own.append(
                (position, velocity, _point("network", f"{bundle} {widths} #{number}", network, seed, say))
            )
    return list({p.network: p for own in particles for _, _, p in own}.values())


def _fitness(points: list[Point]) -> dict[Point, float]:
    """SkyNet's: accuracy less a weighted distance from the hardware's target; here as the mean of both ranks."""
    errors = np.argsort(np.argsort([p.error for p in points]))
    times = np.argsort(np.argsort([p.fpga_s for p in points]))
    return {p: float(e + t) for p, e, t in zip(points, errors, times, strict=True)}


def _features(point: Point, seed: int, say: Progress) -> list[dict[str, Any]]:
    """What each feature changes; it pays where it gains more than two standard errors, or time at no such loss."""
    tried = {
        "bypass with reordering": replace(point.network, bypass=0),
        "ReLU instead of ReLU6": replace(point.network, relu6=False),
    }
    rows = []
    for name, network in tried.items():
        other = _point("feature", f"{name} on {point.name}", network, seed, say)
        change, noise = other.error - point.error, float(np.hypot(other.standard_error, point.standard_error))
        time = other.fpga_s / point.fpga_s - 1
        pays = change < -2 * noise or (time < 0 and change <= 2 * noise)
        rows.append(
            {
                "feature": name,
                "on": point.name,
                "error_change": change,
                "noise": noise,
                "time_change": time,
                "pays": pays,
            }
        )
    return rows


def _level(levels: tuple[Any, ...], place: float) -> Any:
    return levels[min(int(place * len(levels)), len(levels) - 1)]
