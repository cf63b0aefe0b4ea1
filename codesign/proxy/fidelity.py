"""Fidelities: how large a proxy is and how long it trains, as YAML recipes to copy.

`demo`, `short`, `long`, `gpu-small` and `gpu-large` ship with codesign; a path names one's own.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cost_models import yamlfile
from cost_models.errors import InputError

FOLDER = Path(__file__).parent / "fidelities"


@dataclass(frozen=True)
class Fidelity:
    """One recipe. Every field is part of the key of a stored result, except `name`, `about` and `noise`.

    hidden, layers, head_dim, active_experts: the size that `scale.scale` brings a model to; of the experts
        that a token of the full model uses, at most `active_experts` routed ones are kept.
    table_values: most values that all tables of a proxy may have.
    vocab: tokens of the BPE vocabulary.
    sequence, batch, steps: tokens of a sequence, sequences of a step, steps. The learning rate rises over
        `warmup` of the steps and then falls linearly to zero, so every run is annealed.
    learning_rate: of AdamW; tables take `table_learning_rate` times it and no weight decay.
    validation_sequences: held-out windows, the same for every model.
    must_learn: nats below the unigram entropy that the loss must reach by half of the steps.
    device, dtype, expert_kernel, compile: "auto" chooses for the machine (`device.choose`).
    micro_batch: sequences that are in memory at once, 0: all of a step's.
    noise: bits per byte; times the square root of two, the standard deviation of the difference of two models
        trained with the same seed, as measured for this recipe on the bundled text.
    """

    name: str
    about: str
    hidden: int
    layers: int
    head_dim: int
    active_experts: int
    table_values: int
    vocab: int
    sequence: int
    batch: int
    steps: int
    learning_rate: float
    warmup: float
    table_learning_rate: float
    weight_decay: float
    balance_rate: float
    validation_sequences: int
    must_learn: float
    noise: float
    device: str = "auto"
    dtype: str = "auto"
    expert_kernel: str = "auto"
    threads: int = 1
    compile: str = "auto"
    micro_batch: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that a run trains on."""
        return self.sequence * self.batch * self.steps

    def determines(self) -> dict[str, Any]:
        """What of the recipe changes a result. What "auto" came to is part of the key by itself."""
        left_out = {"name", "about", "noise", "compile"}
        if not self.micro_batch:  # a field that came later: results that were there before keep their keys
            left_out.add("micro_batch")
        return {key: value for key, value in asdict(self).items() if key not in left_out}


def names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(fidelity: "str | Path | Fidelity") -> Fidelity:
    """Read a recipe by name or path. Raises InputError for an unknown name, field or value."""
    if isinstance(fidelity, Fidelity):
        return fidelity
    path = FOLDER / f"{fidelity}.yaml"
    if not path.exists():
        path = Path(fidelity)
        if path.suffix not in (".yaml", ".yml"):
            from search_spaces.reading import one_of  # pydantic, which a recipe that is there does not need

            raise InputError(f"fidelity, if no YAML file, {one_of(names(), str(fidelity))}")
    document = yamlfile.read(path)
    data = document.data if isinstance(document.data, dict) else {}
    data.setdefault("name", path.stem)
    known = {each.name: each for each in fields(Fidelity)}
    for key in data:
        if key not in known:
            raise document.error((key,), f"is no field of a fidelity; known are {', '.join(known)}")
    values = {}
    for key, each in known.items():
        if key not in data:
            if each.default is not each.default_factory:  # both are MISSING where a field is required
                continue
            raise document.error((), f"must have the field {key}")
        value = data[key]
        if each.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, each.type) or isinstance(value, bool):  # type: ignore[arg-type]
            raise document.error((key,), f"must be of type {each.type.__name__}, got {value!r}")  # type: ignore[union-attr]
        least = 0 if key == "micro_batch" else 1
        if each.type is int and value < least:
            raise document.error((key,), f"must be at least {least}, got {value}")
        values[key] = value
    if values["hidden"] % values["head_dim"]:
        raise document.error(
            ("head_dim",), f"must divide hidden, got {values['head_dim']} and {values['hidden']}"
        )
    return Fidelity(**values)
