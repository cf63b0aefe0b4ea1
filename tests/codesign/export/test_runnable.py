"""The exported PyTorch: the proxy's own logits, the cost models' own counts, and no need of codesign."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cost_models
from codesign import export, proxy
from codesign.export.runnable import model as runnable
from codesign.export.runnable import texts
from codesign.export.runnable.shapes import full_size, not_built
from codesign.export.specification import Specification
from codesign.export.trained import Training
from codesign.proxy.engram import Addresses
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.fidelity import load as recipe
from codesign.tokenizer import canonical_ids
from cost_models.design import Attention, Design, Engram, MixtureOfExperts, Model

# Runs a script as an interpreter would that has torch, safetensors and tokenizers, and nothing of ours.
ALONE = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("codesign", "cost_models", "search_spaces", "dashboard", "optuna", "pandas", "yaml"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Fidelity:
    """A second of training."""
    return replace(
        recipe("demo"), name="tiny", vocab=512, hidden=32, layers=3, head_dim=8, sequence=64, batch=4, steps=12,
        validation_sequences=8, must_learn=-9.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for number in range(8):
        words = [f"{a}{b}" for a in "abcdefgh" for b in ("at ", "ing ", "ole, ", "us. ")]
        chosen = np.random.default_rng(number).choice(words, 4000)
        (folder / f"{number}.txt").write_text("".join(chosen), encoding="utf-8")
    return folder


Make = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(tiny: Fidelity, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A model -> the folder of its export with a trained proxy; its key in `key.txt`, its store beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODESIGN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("CODESIGN_STORE", str(tmp_path_factory.mktemp("store")))

        def make(model: Model) -> Path:
            quality = proxy.measure(model, tiny, corpus=str(text), keep_weights=True)
            folder = tmp_path_factory.mktemp("plan") / "plan"
            training = Training("unused", key=quality.key)
            document = export.write(Specification(Design(model), training=training), folder)
            assert document["no_weights"] is None
            (folder / "key.txt").write_text(quality.key)
            return folder

        yield make


def full(engram: Engram | None, experts: int, branches: int = 1) -> Model:
    moe = MixtureOfExperts(experts, 6, 2, 1536, leading_dense_layers=1) if experts else None
    attention = Attention("gqa", 32, 8, 80)
    return Model("m", 30, 2560, 129280, attention, 6912, moe, engram, hyper_connections=branches)


KINDS = {
    "dense": full(None, 0),
    "experts": full(None, 72),
    "engram": full(Engram((1, 14), 3, 4, 160, 200_000), 55),
    "branches": full(Engram((0, 20), 4, 2, 160, 200_000), 55, branches=4),
    "blocked, ungated": full(Engram((1,), 3, 4, 160, 300_000, hash_layout="blocked", gated=False), 55),
    "at the input": full(Engram((0,), 3, 4, 160, 300_000, input_only=True), 0),
}


def module(folder: Path) -> ModuleType:
    """model.py of an exported folder."""
    spec = util.spec_from_file_location("exported_model", folder / "pytorch" / "model.py")
    assert spec and spec.loader
    made = util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_the_proxy(kind: str, exported: Make) -> None:
    folder = exported(KINDS[kind])
    key = (folder / "key.txt").read_text()
    ours, theirs = proxy.load_weights(key), module(folder).load()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "pytorch" / "tokenizer.json"))
    canonical, count = canonical_ids(tokenizer)
    ids = np.random.default_rng(0).integers(0, 300, (2, 40))
    rows = Addresses(ours.config, canonical, count)(ids, np.broadcast_to(np.arange(40), (2, 40)))
    with torch.inference_mode():
        expected = ours(torch.from_numpy(ids), rows)
        got = theirs(torch.from_numpy(ids))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert (got.argmax(-1) == expected.argmax(-1)).all()


def test_it_runs_without_codesign_and_says_what_the_proxy_says(exported: Make, tmp_path: Path) -> None:
    folder = exported(KINDS["engram"])
    key = (folder / "key.txt").read_text()
    alone = Path(shutil.copytree(folder / "pytorch", tmp_path / "elsewhere"))

    def run(*arguments: str) -> str:
        command = [sys.executable, "-I", "-c", ALONE, str(alone), str(alone / "generate.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n")

    assert run("bole, cing ", "--tokens", "20", "--seed", "3") == proxy.generate(
        key, "bole, cing ", 20, seed=3
    )
    count = cost_models.architecture.parameters(KINDS["engram"]).total
    assert run("--full") == f"{count:,} parameters in 30 layers"


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_full_size_has_the_weights_that_are_costed(
    designs: st.SearchStrategy[Design], data: st.DataObject
) -> None:
    model = data.draw(designs).model
    built = runnable.Model(full_size(model), device="meta")
    assert _weights(built, model) == cost_models.architecture.parameters(model).total


@pytest.mark.parametrize("preset", cost_models.hf_config.presets())
def test_every_preset_is_built_at_full_size(preset: str) -> None:
    model = cost_models.read_model(preset)
    if reason := not_built(model):
        assert reason in ("attention of kind csa", "linear attention")
        assert "pytorch/full.json" not in texts(model)
        return
    built = runnable.Model(full_size(model), device="meta")
    assert _weights(built, model) == cost_models.architecture.parameters(model).total


def _weights(built: runnable.Model, model: Model) -> int:
    """All weights; DeepSeek's published counts include the biases that balance its experts."""
    biases = sum(buffer.numel() for name, buffer in built.named_buffers() if name.endswith("balance"))
    return sum(p.numel() for p in built.parameters()) + (biases if model.family.startswith("deepseek") else 0)


SMALL = Model(
    "s", 3, 32, 64, Attention("mla", 4, 4, 12, 0, 8, 8, 4, 8), 48, MixtureOfExperts(4, 2, 1, 16, 1),
    Engram((1,), 3, 2, 4, 50), hyper_connections=2, medusa_heads=1,
)  # fmt: skip
GROUPED = Attention("gqa", 4, 2, 8, qk_norm=True, bias=True, sliding_window=3)


@pytest.mark.parametrize(
    "model",
    [SMALL, replace(SMALL, attention=GROUPED), replace(SMALL, attention=replace(SMALL.attention, q_lora_rank=6))],
    ids=["latent", "grouped", "low rank"],
)  # fmt: skip
def test_every_full_size_form_runs_and_sees_no_later_token(model: Model) -> None:
    torch.manual_seed(0)
    built = runnable.Model(full_size(model)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3)
        ids = torch.randint(0, 64, (1, 12))
        other = ids.clone()
        other[0, 8] = (ids[0, 8] + 1) % 64
        one, two = built(ids), built(other)
    assert torch.isfinite(one).all()
    torch.testing.assert_close(one[0, :8], two[0, :8])
    assert not torch.allclose(one[0, 8:], two[0, 8:])
    if model.attention.sliding_window:
        # three layers of window 3 and N-grams of 3 through a convolution: the distant past still shows
        window = built.blocks[0].attention
        x = torch.randn(1, 12, 32)
        changed = x.clone()
        changed[0, 0] += 1
        with torch.no_grad():
            assert torch.allclose(window(x)[0, 3:], window(changed)[0, 3:], atol=1e-6)
            assert not torch.allclose(window(x)[0, 2], window(changed)[0, 2], atol=1e-6)


def test_weights_that_do_not_fit_are_refused_before_anything_is_allocated(exported: Make) -> None:
    folder = exported(KINDS["dense"])
    shape = json.loads((folder / "pytorch" / "proxy.json").read_text())
    shape["vocab"] = 10**12
    (folder / "pytorch" / "proxy.json").write_text(json.dumps(shape))
    with pytest.raises(ValueError, match=r"does not belong to proxy\.json: embedding, head"):
        module(folder).load()


def test_a_pickle_is_no_weights(exported: Make, tmp_path: Path) -> None:
    """A pickle runs code when it is loaded; this one would leave a file behind."""
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "trapped"),))

    folder = exported(KINDS["dense"])
    (folder / "pytorch" / "weights.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Exception, match=r"(?i)safetensor|header|deserializ"):
        module(folder).load()
    stored = proxy.Store().weights((folder / "key.txt").read_text())
    kept = stored.read_bytes()
    stored.write_bytes(pickle.dumps(Trap()))
    try:
        training = Training("unused", key=(folder / "key.txt").read_text())
        with pytest.raises(export.ExportError, match="is no safetensors file; remove it"):
            export.write(Specification(Design(KINDS["dense"]), training=training), tmp_path / "plan")
    finally:
        stored.write_bytes(kept)
    assert not (tmp_path / "trapped").exists()
    assert not (tmp_path / "plan").exists()


def test_a_key_of_a_study_names_nothing_outside_the_store(tmp_path: Path) -> None:
    from codesign.export.trained import trained

    (tmp_path / "outside.json").write_text("{}")
    store = proxy.Store(tmp_path / "store")
    found = trained(KINDS["dense"], Training("demo", key="../outside"), "auto", store)
    assert found.files == {}
    assert "not in this machine's store" in found.reason


def test_without_a_proxy_the_script_says_so(tmp_path: Path) -> None:
    document = export.write(Specification(Design(KINDS["dense"])), tmp_path / "plan")
    assert "--weights train" in document["no_weights"]
    script = str(tmp_path / "plan" / "pytorch" / "generate.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "this folder has no trained proxy: export with `--weights train`\n"
