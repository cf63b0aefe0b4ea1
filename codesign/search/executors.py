"""Where trainings run: in this process, in several of this machine, or on a Ray cluster (`on_ray`)."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from codesign.errors import InputError, LostTrainingError, TrainingError
from cost_models.design import Model
from search_spaces import Space

if TYPE_CHECKING:
    from codesign import corpus
    from codesign.proxy import Fidelity, Quality, Store

LOCAL = "local"
NAMES = (LOCAL, "ray")
MOST_LOST = 8  # trainings lost with their machine before something must be wrong


@dataclass(frozen=True)
class Training:
    """One training as plain values, for other processes and machines. mode: as in `proxy.judge`."""

    model: Model
    fidelity: "Fidelity"
    seed: int
    corpus: "corpus.Spec"
    mode: str = "proxy"

    def run(self, store: "Store") -> "Trained":
        """Look into the store, or train now."""
        from codesign import proxy

        fresh: list[int] = []
        quality = proxy.judge(
            self.model, fidelity=self.fidelity, seed=self.seed, corpus=self.corpus, store=store,
            mode=self.mode, progress=lambda step, steps, loss: fresh.append(step),
        )  # fmt: skip
        return Trained(quality, not fresh)


@dataclass(frozen=True)
class Trained:
    """What a training found. stored: it was there already."""

    quality: "Quality"
    stored: bool

    def document(self) -> dict[str, Any]:
        """What a trial keeps of it, as its user attribute `quality`."""
        quality = self.quality
        return {
            "bits_per_byte": quality.bits_per_byte, "standard_error": quality.standard_error,
            "fidelity": quality.fidelity, "seconds": quality.seconds, "tokens": quality.tokens,
            "key": quality.key, "reason": quality.reason, "stored": self.stored,
            "belief": quality.details["belief"],
        }  # fmt: skip


def trainings_of(space: Space) -> Callable[[Model, str | None], Training] | None:
    """How the quality of a model is measured in this space, at the fidelity of a name (None: the last one).

    None where nothing is trained.
    """
    quality = space.quality
    if quality is None:
        return None
    from codesign.proxy import fidelity

    recipes = {name: fidelity.load(beside(space, name)) for name in quality.fidelities}
    corpus = quality.corpus and beside(space, quality.corpus)
    return lambda model, name: Training(
        model, recipes[name or quality.fidelity], quality.seed, corpus, quality.mode
    )


def beside(space: Space, name: str) -> str:
    """A file that a space names, relative to the space's own; other names as they are."""
    path = Path(space.file).parent / name
    return str(path) if path.exists() else name


class Executor(Protocol):
    """Runs trainings. slots: how many at once. A training that was lost with its process or machine raises
    `LostTrainingError`; it may be tried again."""

    slots: int

    def submit(self, training: Training) -> "Future[Trained]":
        """Start a training; its future never outlives the executor."""

    def close(self) -> None:
        """End every training that still runs."""


class Here:
    """Trains in this process, at once: `submit` returns when it is done. Ctrl-C goes through."""

    slots = 1

    def __init__(self, store: str | None, threads: int = 0) -> None:
        self._store, self._threads = store, threads

    def submit(self, training: Training) -> "Future[Trained]":
        """Train now."""
        return done(lambda: run_with(training, self._store, self._threads))

    def close(self) -> None:
        """Nothing runs."""


class Processes:
    """Trains in several processes of this machine, each with its part of the cores."""

    def __init__(self, slots: int, store: str | None) -> None:
        self.slots, self._store = slots, store
        self._threads = max(1, (os.cpu_count() or 1) // slots)
        context = multiprocessing.get_context("spawn")
        # Ctrl-C reaches all processes of a terminal; this one says what happens then
        self._pool = ProcessPoolExecutor(slots, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))

    def submit(self, training: Training) -> "Future[Trained]":
        """Train as soon as a process is free."""
        try:
            return self._pool.submit(run_with, training, self._store, self._threads)
        except (OSError, ValueError) as error:  # the pool is just noticing that a process has died
            raise BrokenProcessPool(str(error)) from None

    def close(self) -> None:
        """End the processes; nothing that had finished is lost."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


def run_with(training: Training, store: str | None, threads: int) -> Trained:
    """Run a training with a store by its path and so many threads of torch (0: as torch likes)."""
    from codesign import proxy

    if threads:
        import torch

        torch.set_num_threads(threads)
    return training.run(proxy.Store(store))


def done(act: Callable[[], Trained]) -> "Future[Trained]":
    """The future of something that is done now."""
    future: Future[Trained] = Future()
    try:
        future.set_result(act())
    except Exception as error:
        future.set_exception(error)
    return future


def make(name: str, workers: int | None, store: str | None) -> Executor:
    """The executor of a name; workers: trainings at once. Raises InputError for an unknown one."""
    if name == "ray":
        from codesign.search.on_ray import OnRay

        return OnRay(workers, store)
    check(name)
    return Here(store) if workers in (None, 1) else Processes(int(workers or 1), store)


def check(name: str) -> None:
    """Raises InputError for the name of no executor."""
    if name not in NAMES:
        from search_spaces.reading import one_of

        raise InputError(f"--executor {one_of(NAMES, name)}")


def run_all(executor: Executor, trainings: Sequence[Training]) -> Iterator[tuple[int, Trained]]:
    """Every training with its index, as they finish; begun in their order. A lost one is tried again.

    Raises TrainingError where processes die.
    """
    try:
        yield from _run_all(executor, trainings)
    except BrokenProcessPool:
        raise TrainingError(
            "a training process died; is there enough memory? Go on with the same command and fewer --workers"
        ) from None


def _run_all(executor: Executor, trainings: Sequence[Training]) -> Iterator[tuple[int, Trained]]:
    waiting = list(range(len(trainings)))
    running: dict[Future[Trained], int] = {}
    lost = 0
    while waiting or running:
        while waiting and len(running) < executor.slots:
            index = waiting.pop(0)
            running[executor.submit(trainings[index])] = index
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            index = running.pop(future)
            try:
                yield index, future.result()
            except LostTrainingError:
                lost += 1
                if lost > MOST_LOST:
                    raise
                waiting.insert(0, index)
