"""Small real text, a small fidelity and full-size models for the proxy tests."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from codesign import corpus
from codesign.proxy import fidelity
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.store import Store
from cost_models.design import Attention, Engram, MixtureOfExperts, Model


@pytest.fixture(scope="package", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODESIGN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve of the bundled plays."""
    folder = tmp_path_factory.mktemp("text")
    for number, document in enumerate(islice(corpus.iter_documents(), 12)):
        (folder / f"{number:02}.txt").write_text(document, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny() -> Fidelity:
    """A second of training."""
    return replace(
        fidelity.load("demo"),
        name="tiny", vocab=512, hidden=32, layers=3, head_dim=8, sequence=64, batch=4, steps=40,
        learning_rate=0.01, warmup=0.1, validation_sequences=24, must_learn=0.01,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def full_model() -> Callable[..., Model]:
    """Models of Engram-27B's budget (arXiv 2601.07372) with a share of the sparse parameters in tables."""

    def make(
        share: float, layers: tuple[int, ...] = (1, 14), orders: int = 2, heads: int = 8, **fields: object
    ) -> Model:
        hidden, width = 2560, 1536
        routed = 6 + round(66 * (1 - share))
        moe = MixtureOfExperts(routed, 6, 2, width, leading_dense_layers=1)
        head_dim = 1280 // (orders * heads)
        values = (72 - routed) * 29 * 3 * hidden * width / len(layers)
        rows = int(values / (orders * heads * head_dim))
        engram = Engram(layers, orders + 1, heads, head_dim, rows) if share else None
        attention = Attention("mla", 32, 32, 128)
        return Model("m", 30, hidden, 129280, attention, 6912, moe, engram, **fields)  # type: ignore[arg-type]

    return make
