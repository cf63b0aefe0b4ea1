"""Where trainings run: in order, at most so many at once, lost ones again, and dead processes in one line."""

import contextlib
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import cost_models
from codesign.errors import InputError, LostTrainingError, TrainingError
from codesign.proxy import fidelity
from codesign.search import executors
from codesign.search.executors import Processes, Trained, Training, run_all


@pytest.fixture
def trainings(folder: Path) -> list[Training]:
    """Three of the same model, told apart by their seeds."""
    recipe, model = fidelity.load(folder / "tiny.yaml"), cost_models.read_model("moe-27b")
    return [Training(model, recipe, seed, None) for seed in range(3)]


class Scripted:
    """Trains nothing: does with each seed what it is told, and counts how often."""

    slots = 2

    def __init__(self, script: Callable[[int, int], None]) -> None:
        self._script, self.tries = script, dict.fromkeys(range(3), 0)

    def submit(self, training: Training) -> "Future[Trained]":
        self.tries[training.seed] += 1
        act: Any = self._script
        return executors.done(lambda: act(training.seed, self.tries[training.seed]))

    def close(self) -> None:
        pass


def test_a_lost_training_is_tried_again(trainings: list[Training]) -> None:
    def lose_the_second_twice(seed: int, time: int) -> None:
        if seed == 1 and time <= 2:
            raise LostTrainingError("its machine is gone")

    executor = Scripted(lose_the_second_twice)
    assert sorted(index for index, _ in run_all(executor, trainings)) == [0, 1, 2]
    assert executor.tries == {0: 1, 1: 3, 2: 1}


def test_what_is_lost_again_and_again_is_given_up(trainings: list[Training]) -> None:
    def lose(seed: int, time: int) -> None:
        raise LostTrainingError("its machine is gone")

    with pytest.raises(LostTrainingError):
        list(run_all(Scripted(lose), trainings))


def test_a_process_that_dies_is_said_in_one_line(trainings: list[Training], tmp_path: Path) -> None:
    executor = Processes(2, str(tmp_path))
    submit = executor.submit

    def killed(training: Training) -> "Future[Trained]":
        future = submit(training)
        for process in (executor._pool._processes or {}).values():
            with contextlib.suppress(ProcessLookupError):  # dead since the training before
                os.kill(process.pid, signal.SIGKILL)
        return future

    executor.submit = killed  # type: ignore[method-assign]
    try:
        with pytest.raises(TrainingError, match="a training process died"):
            list(run_all(executor, trainings))
    finally:
        executor.close()


def test_an_unknown_executor_is_said() -> None:
    with pytest.raises(InputError, match="--executor must be one of local, ray, got 'rai'; did you mean ray"):
        executors.make("rai", 1, None)
