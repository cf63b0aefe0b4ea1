"""What the trials of a study say: which were proposed, which are feasible, and what was learned of each model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from codesign.front import Matrix, signs
from search_spaces import Space


def is_completion(trial: FrozenTrial) -> bool:
    """Whether it is a trained model on other hardware, and was not proposed."""
    return "completes" in trial.user_attrs


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether it is complete and breaks no constraint."""
    return trial.state == TrialState.COMPLETE and all(amount <= 0 for amount in trial.constraints.values())


def count_proposed(trials: Sequence[FrozenTrial]) -> int:
    """Trials that count towards the number asked for: trained, told or running; no completions, none infeasible."""
    return sum(
        (t.state in (TrialState.COMPLETE, TrialState.RUNNING) and not is_completion(t))
        or (t.state == TrialState.PRUNED and "quality" in t.user_attrs)
        for t in trials
    )


def minimised_values(space: Space, trials: Iterable[FrozenTrial]) -> Matrix:
    """Objectives of the feasible trials, less is better: (n, objectives)."""
    rows = [t.values for t in trials if is_feasible(t)]
    return np.array(rows, dtype=float).reshape(-1, len(space.objectives)) * signs(space.objectives)


@dataclass(frozen=True)
class Observation:
    """A model that was trained, is in training (loss None), or was refused: no proxy of it can be made.

    fidelity: its place in `space.quality.fidelities`. seconds: that its training took, 0 if not known.
    """

    params: dict[str, Any]
    key: str
    loss: float | None = None
    standard_error: float = 0.0
    refused: bool = False
    fidelity: int = 0
    seconds: float = 0.0


def observations(space: Space, trials: Sequence[FrozenTrial], asking: int) -> list[Observation]:
    """What became of the models proposed so far, without that of the trial that asks."""
    found: dict[tuple[str, int], Observation] = {}
    names = space.quality.fidelities if space.quality else ("",)
    for trial in trials:
        attributes = trial.user_attrs
        key = attributes.get("model")
        if key is None or is_completion(trial) or trial.number == asking:
            continue
        params = {n: v for n, v in trial.params.items() if n.startswith("model.")}
        quality = attributes.get("quality") or {}
        fidelity = names.index(attributes["fidelity"]) if "fidelity" in attributes else len(names) - 1
        if trial.state == TrialState.COMPLETE or (trial.state == TrialState.PRUNED and quality):
            loss = quality["bits_per_byte"] if quality else (None if space.quality else 0.0)
            error, seconds = quality.get("standard_error") or 0.0, quality.get("seconds") or 0.0
            found[key, fidelity] = Observation(
                params, key, loss, error, fidelity=fidelity, seconds=float(seconds)
            )
        elif trial.state == TrialState.RUNNING:
            found.setdefault((key, fidelity), Observation(params, key, fidelity=fidelity))
        elif trial.state == TrialState.PRUNED and "reason" in attributes:
            found.setdefault((key, fidelity), Observation(params, key, refused=True, fidelity=fidelity))
    return list(found.values())
