"""A search as a task: the loop of `worker` in this process, or in several that share the study."""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, replace
from typing import Any

import optuna

import cost_models
from codesign.errors import CodesignError, StudyError
from codesign.search import completion, executors
from codesign.search import study as studies
from codesign.search.samplers import by_name
from codesign.search.worker import Worker
from search_spaces import restore

_MOST_RESTARTS = 3  # of workers that die without a word


@dataclass(frozen=True)
class Task:
    """A search as plain values, for other processes. space: as `Space.stored`."""

    space: dict[str, Any]
    study: str
    url: str
    sampler: str
    seed: int
    trials: int
    startup: int
    completions: int | None
    store: str | None
    scenario: str | None
    overrides: dict[str, Any]
    executor: str = executors.LOCAL
    at_once: int | None = 1  # trainings that a worker has in flight; None: as the executor likes


def work(task: Task, study: optuna.Study | None = None) -> None:
    """Search in this process until the study is done."""
    space = restore(task.space)
    catalogue = cost_models.load_catalogue(task.scenario, task.overrides or None)
    record = study or studies.load(task.url, task.study)
    # a resumed study must not repeat the proposals it began with
    seed = task.seed + 1009 * len(record.get_trials(deepcopy=False))
    sampler = by_name(task.sampler, space, catalogue, seed, task.startup)
    record.sampler = sampler
    most = completion.MOST_PER_MODEL if task.completions is None else task.completions
    runner = executors.make(task.executor, task.at_once, task.store)
    try:
        Worker(
            record,
            task.url,
            space,
            catalogue,
            sampler,
            runner,
            executors.trainings_of(space),
            task.trials,
            task.startup,
            most,
        ).run()
    finally:
        runner.close()


class Crew:
    """Worker processes of one search. They load their libraries from the moment they are made, so that this takes
    no time of its own while the study is being set up; with `search` they get their task.

    trains: the search trains models, so its workers will need PyTorch.
    """

    def __init__(self, count: int, trains: bool) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._messages, self._trains = self._context.Queue(), trains
        self._idle = [self._start() for _ in range(count)]

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        """End those that never got a task: they have done nothing."""
        for process, tasks in self._idle:
            process.kill()
            process.join()
            tasks.close()

    def search(self, task: Task) -> None:
        """Search in all of them; a dead one is replaced. Ctrl-C ends all and keeps what is finished."""
        restarts, begun = 0, 0
        running: list[Any] = []
        try:
            while self._idle or running:
                while self._idle:
                    process, tasks = self._idle.pop()
                    running.append(process)
                    with contextlib.suppress(BrokenPipeError):  # dead already: seen below
                        tasks.send(replace(task, seed=task.seed + 7919 * begun))
                    begun += 1
                time.sleep(0.1)
                for process in [each for each in running if not each.is_alive()]:
                    running.remove(process)
                    if process.exitcode == 0:
                        continue
                    if process.exitcode == 1 and not self._messages.empty():
                        raise self._messages.get()
                    restarts += 1
                    if restarts > _MOST_RESTARTS:
                        raise StudyError(
                            f"{restarts} workers died (the last with status {process.exitcode}); is there enough "
                            "memory for so many? Go on with --resume and fewer --workers"
                        )
                    self._idle.append(self._start())
        except BaseException:
            for process in running:
                if process.is_alive() and process.pid:
                    os.kill(process.pid, signal.SIGINT)
            for process in running:
                process.join(timeout=30)
                process.kill()
            raise

    def _start(self) -> tuple[Any, Any]:
        """A process and the end of a pipe that its task goes into."""
        receiver, tasks = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_process, args=(receiver, self._messages, self._trains), daemon=False
        )
        process.start()
        receiver.close()  # with the only other end in the process, its death is seen here
        return process, tasks


def _process(tasks: Any, messages: Any, trains: bool) -> None:
    """The main function of a worker process."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if trains:
            importlib.import_module("codesign.proxy.training")
        try:
            task = tasks.recv()
        except EOFError:  # the search has ended before it began
            return
        with studies.storage_errors(task.url):
            work(task)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except CodesignError as error:
        messages.put(type(error)(str(error)))
        messages.close()
        messages.join_thread()
        raise SystemExit(1) from None
