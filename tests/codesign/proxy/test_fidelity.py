"""Recipes: those that ship can be read, and mistakes name file, line and field."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from codesign.proxy import device, fidelity
from codesign.proxy.batches import Batch
from codesign.proxy.learner import nats
from codesign.proxy.scale import scale
from codesign.proxy.transformer import Transformer
from cost_models.design import Model
from cost_models.errors import InputError


def test_what_ships() -> None:
    assert fidelity.names() == ["demo", "gpu-large", "gpu-small", "long", "short"]
    short, long = fidelity.load("short"), fidelity.load("long")
    assert long.tokens == 8 * short.tokens
    ours = {**long.determines(), "steps": short.steps}
    assert ours == short.determines()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden: 64", "hiden: 64", "copy.yaml:.*hiden is no field"),
        ("hidden: 64", "", "must have the field hidden"),
        ("steps: 54", "steps: many", r"copy.yaml:\d+:\d+: steps must be of type int, got 'many'"),
        ("steps: 54", "steps: 0", "steps must be at least 1"),
        ("head_dim: 16", "head_dim: 24", "head_dim must divide hidden"),
    ],
)
def test_mistakes(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = (fidelity.FOLDER / "demo.yaml").read_text()
    assert old in text
    (tmp_path / "copy.yaml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        fidelity.load(tmp_path / "copy.yaml")


def test_a_copy_is_a_recipe_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((fidelity.FOLDER / "demo.yaml").read_text().replace("steps: 54", "steps: 55"))
    assert (fidelity.load(path).name, fidelity.load(path).steps) == ("mine", 55)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="must be one of demo, gpu-large"):
        fidelity.load("medium")


def test_devices_here() -> None:
    assert device.choose("cpu", "auto").type == "cpu"
    chosen = device.choose("auto", "auto", steps=10**6)
    assert chosen.reason.startswith("auto-detected: ")
    assert ("compiled no: " in chosen.reason) == (not chosen.compiled)
    for field, arguments in (
        ("device", ("tpu", "auto")), ("dtype", ("cpu", "fp12")), ("expert_kernel", ("cpu", "auto", "fast")),
        ("compile", ("cpu", "auto", "auto", "maybe")),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"{field} must be auto, "):
            device.choose(*arguments)


@pytest.mark.parametrize(
    ("capability", "steps", "dtype", "experts", "compiled", "said"),
    [
        ((9, 0), 4600, torch.bfloat16, "grouped", True, "4,600 steps earn it back"),
        ((9, 0), 130, torch.bfloat16, "grouped", False, "under 1000 steps"),
        ((8, 0), 4600, torch.bfloat16, "grouped", True, "compiled yes"),
        ((7, 5), 4600, torch.float32, "loop", False, "bf16 needs SM 8.0"),
    ],
)
def test_what_a_gpu_gets(
    capability: tuple[int, int],
    steps: int,
    dtype: torch.dtype,
    experts: str,
    compiled: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The choices alone, with a GPU that is only pretended."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Test")
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: name)
    chosen = device.choose("auto", "auto", steps=steps)
    assert (chosen.type, chosen.dtype, chosen.experts, chosen.compiled) == ("cuda", dtype, experts, compiled)
    assert chosen.reason.startswith(f"auto-detected: cuda (NVIDIA Test, SM {capability[0]}.{capability[1]})")
    assert said in chosen.reason
    assert not device.choose("auto", "fp32", steps=steps).compiled
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    assert "triton is not installed" in device.choose("auto", "auto", steps=steps).reason


@pytest.mark.parametrize(("name", "gigabytes"), [("gpu-small", 40), ("gpu-large", 80)])
def test_gpu_recipes_build_and_fit(name: str, gigabytes: int, full_model: Callable[..., Model]) -> None:
    """A step on tensors without memory: weights, gradients and moments, what backward keeps, two sets of logits."""
    recipe = fidelity.load(name)
    config = scale(full_model(0.25), recipe)
    assert config.engram is not None and recipe.batch % recipe.micro_batch == 0
    shape, kept = (recipe.micro_batch, recipe.sequence), {}
    with FakeTensorMode():
        model = Transformer(config, recipe.balance_rate, "grouped")
        weights = {tensor.untyped_storage()._cdata for tensor in model.parameters()}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in weights:
                kept[storage._cdata] = storage.nbytes()
            return tensor

        ids = torch.zeros(shape, dtype=torch.long)
        reads = (config.engram.max_order - 1) * config.engram.heads
        batch = Batch(
            ids, ids, [torch.zeros(*shape, reads, dtype=torch.long) for _ in config.engram.layer_ids]
        )
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = nats(model, batch, device.choose("cpu", "bf16")).mean()
        loss.backward()
        parameters = sum(tensor.numel() for tensor in model.parameters())
    assert parameters == pytest.approx(config.parameters(), rel=0.005)
    assert all(tensor.grad is not None for tensor in model.parameters())
    state = 16 * parameters
    assert sum(kept.values()) > 4 * ids.numel() * recipe.vocab  # it has seen the logits at least
    assert state + sum(kept.values()) + 2 * 4 * ids.numel() * recipe.vocab < 0.9 * gigabytes * 1e9
