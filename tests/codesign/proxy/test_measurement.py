"""measure(): trained once, found again, told apart by what determines it; and what stored results say."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codesign import cli, proxy
from codesign.proxy import noise as noises
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.scale import scale
from codesign.proxy.store import Store
from cost_models import tables
from cost_models.design import Model
from cost_models.errors import InputError


def test_a_result_is_trained_once(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    steps: list[int] = []
    arguments = {"corpus": text, "store": store, "progress": lambda step, *_: steps.append(step)}
    first = proxy.measure(full_model(0.25), tiny, **arguments)
    assert steps[-1] == tiny.steps and first.tokens == tiny.tokens and first.reason == ""
    count = len(steps)
    assert proxy.measure(full_model(0.25), tiny, **arguments) == first
    renamed = replace(full_model(0.25), name="another name", vocab=1000)  # neither changes the proxy
    assert proxy.measure(renamed, tiny, **arguments) == first
    assert len(steps) == count
    assert proxy.measure(full_model(0.25), tiny, seed=1, **arguments).key != first.key
    assert len(steps) > count


def test_both_layouts_of_the_hash_are_trained(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    """Two trainings with results of their own; the blocks have as many slots a head as in the full model."""
    model = full_model(0.25)
    assert model.engram is not None
    blocked = replace(model, engram=replace(model.engram, hash_layout="blocked"))
    proxies = [scale(each, tiny).as_model() for each in (model, blocked)]
    assert [tables.slots_per_head(each) for each in proxies] == [0, tables.slots_per_head(blocked)]
    found = [proxy.measure(each, tiny, corpus=text, store=store) for each in (model, blocked)]
    assert found[0].key != found[1].key
    assert found[0].bits_per_byte != found[1].bits_per_byte


def test_the_key_holds_what_determines_the_result(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store, tmp_path: Path
) -> None:
    fast = replace(tiny, steps=4, must_learn=-9.0, warmup=0.9)
    (tmp_path / "more.txt").write_text("one more document. " * 3000)
    for file in text.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    keys = [
        proxy.measure(full_model(0.25), fast, corpus=text, store=store).key,
        proxy.measure(full_model(0.4), fast, corpus=text, store=store).key,
        proxy.measure(full_model(0.25), replace(fast, learning_rate=0.02), corpus=text, store=store).key,
        proxy.measure(full_model(0.25), replace(fast, expert_kernel="loop"), corpus=text, store=store).key,
        proxy.measure(full_model(0.25), fast, corpus=tmp_path, store=store).key,
    ]
    assert len(set(keys)) == len(keys)
    same = proxy.measure(full_model(0.25), replace(fast, about="other words"), corpus=text, store=store)
    assert same.key == keys[0]


def _worker(arguments: tuple[Model, Fidelity, Path, Path]) -> tuple[str, float]:
    model, recipe, text, store = arguments
    quality = proxy.measure(model, recipe, corpus=text, store=Store(store))
    return quality.key, quality.seconds


def test_two_processes_that_want_one_result_train_it_once(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    job = (full_model(0.25), tiny, text, store.path)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_worker, [job, job], chunksize=1)
    assert first == second  # the same measured seconds: one of them read the other's result


def test_weights_come_back_and_generate(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    quality = proxy.measure(full_model(0.25), tiny, corpus=text, store=store)
    with pytest.raises(InputError, match="no weights are stored"):
        proxy.load_weights(quality.key, store)
    kept = proxy.measure(full_model(0.25), tiny, corpus=text, store=store, keep_weights=True)
    assert kept.bits_per_byte == quality.bits_per_byte
    said = proxy.generate(kept.key, "To be, or", 12, store, seed=1)
    assert said.startswith("To be, or") and len(said) > len("To be, or")
    assert said == proxy.generate(kept.key, "To be, or", 12, store, seed=1)
    assert proxy.prune(store, weights_only=True) == 1
    assert store.get(kept.key) == kept and not store.weights(kept.key).exists()


def test_the_report_lists_and_compares(
    full_model: Callable[..., Model],
    tiny: Fidelity,
    text: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "no trainings" in proxy.report_text(proxy.report(store))
    a, b = (proxy.measure(full_model(share), tiny, corpus=text, store=store) for share in (0.0, 0.25))
    records = proxy.report(store)
    assert [r["bits_per_byte"] for r in records] == sorted([a.bits_per_byte, b.bits_per_byte])
    assert a.key[:12] in proxy.report_text(records)
    both = proxy.compare(a, b)
    assert both["difference"] == pytest.approx(b.bits_per_byte - a.bits_per_byte)
    blocks = np.array(b.block_bits) - np.array(a.block_bits)
    assert both["evaluation_error"] == pytest.approx(blocks.std(ddof=1) / np.sqrt(len(blocks)))
    assert both["tie"] == (abs(both["difference"]) <= 2 * both["standard_error"])
    assert proxy.compare(a, a)["tie"] and proxy.compare(a, a)["difference"] == 0
    with pytest.raises(InputError, match="different held-out windows"):
        proxy.compare(a, replace(b, block_bits=b.block_bits[:-1]))
    with pytest.raises(InputError, match="different recipes of the name tiny"):
        proxy.compare(a, replace(b, tokens=b.tokens + 1))
    assert proxy.find(a.key[:10], store) == a
    for nothing in ("zzzz", "*"):
        with pytest.raises(InputError, match="no stored training"):
            proxy.find(nothing, store)
    with pytest.raises(InputError, match="2 stored trainings have keys that begin so"):
        proxy.find("", store)
    monkeypatch.setenv("CODESIGN_STORE", str(store.path))
    first, second = sorted((a, b), key=lambda quality: quality.bits_per_byte)
    assert cli.main(["proxies", "compare", second.key[:9], first.key[:9]]) == 0
    said = f"is {second.bits_per_byte - first.bits_per_byte:.4f} bits per byte better than {second.key[:12]} (m, share"
    assert said in capsys.readouterr().out
    assert cli.main(["proxies", "--fidelity", "tinny"]) == 1
    assert "there are tiny" in capsys.readouterr().err
    assert proxy.prune(store, older_than_days=1.0) == 0
    assert proxy.prune(store) == 2 and proxy.report(store) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("prune", "needs a condition"),
        ("compare 12", "needs two keys, got 1"),
        ("list 12", "takes no KEY, got 12"),
        ("noise --seeds 1", "--seeds must be at least 2"),
        ("noise --space deepseek-v4.1-flash", "trains nothing; name a fidelity"),
    ],
)
def test_the_verb_says_what_it_needs(
    arguments: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CODESIGN_STORE", str(tmp_path))
    assert cli.main(["proxies", *arguments.split()]) == 1
    assert said in capsys.readouterr().err


def test_noise_is_calibrated_and_then_used(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    models, tiny = [full_model(0.0), full_model(0.25)], replace(tiny, steps=80)  # long enough for every seed
    before = proxy.measure(models[0], tiny, corpus=text, store=store)
    assert before.standard_error == tiny.noise
    noise = proxy.calibrate(models, tiny, seeds=2, corpus=text, store=store)
    values = np.array(noise.values)
    assert values[0, 0] == before.bits_per_byte
    assert noise.difference == pytest.approx((values[1] - values[0]).std(ddof=1))
    assert noises.find(store, tiny, text) == noise
    assert (
        proxy.measure(models[0], tiny, seed=5, corpus=text, store=store).standard_error
        == noise.standard_error
    )


def test_noise_of_known_values() -> None:
    shared = np.array([0.0, 1.0, 2.0, 3.0])
    noise = noises.from_values(np.stack([shared, shared + 5]), "f", "c")
    assert noise.difference == 0 and noise.reduction == 1
    assert noise.alone == pytest.approx(shared.std(ddof=1))
    with pytest.raises(InputError, match="two models and two seeds"):
        noises.from_values(np.zeros((1, 4)), "f", "c")


def test_a_damaged_result_is_made_again(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store
) -> None:
    first = proxy.measure(full_model(0.0), tiny, corpus=text, store=store)
    (store.path / f"{first.key}.json").write_text('{"bits_per_byte": 1')
    again = proxy.measure(full_model(0.0), tiny, corpus=text, store=store)
    assert again.bits_per_byte == first.bits_per_byte
    assert store.get(first.key) == again


def test_a_full_disk_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from codesign.errors import TrainingError
    from codesign.proxy.quality import Quality

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("codesign.proxy.store._write", full)
    quality = Quality(2.0, 0.1, "demo", 1.0, 10, (), "key", "", (), {})
    with pytest.raises(TrainingError, match="could not be written: No space left"):
        store.put(quality)
    assert list(store.path.iterdir()) == []
