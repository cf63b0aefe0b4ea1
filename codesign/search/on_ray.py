"""Trainings on a Ray cluster; the search itself, its storage and its store stay where it was started.

Ray starts a training again when its process or its node dies. Only when it gives up is the training lost, and
then its design is queued again like that of any dead worker.
"""

from concurrent.futures import Future
from typing import Any

from codesign.errors import CodesignError, InputError, LostTrainingError, StudyError, TrainingError
from codesign.proxy import Quality, Store
from codesign.search.executors import Trained, Training

_RESTARTS = 4  # of one training by Ray, after its process or node died
_MOST_AT_ONCE = 256


class OnRay:
    """Trains on the cluster that RAY_ADDRESS names, else on the one this machine belongs to, else on this machine.

    Each training asks Ray for the CPUs of its recipe, and for a GPU where the recipe may use one and the
    cluster has any. slots: default, as many as the cluster has room for.
    """

    def __init__(self, slots: int | None, store: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise InputError("--executor ray needs Ray; pip install 'codesign[ray]'") from None
        self._ray = ray
        self._started = not ray.is_initialized()
        try:
            if self._started:
                ray.init(log_to_driver=False, logging_level="ERROR", configure_logging=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise StudyError(f"the Ray cluster cannot be reached: {str(error).splitlines()[0]}") from None
        resources = ray.cluster_resources()
        self._cluster_gpus = float(resources.get("GPU", 0.0))
        room = int(resources.get("CPU", 1))
        if self._cluster_gpus:
            room = min(room, int(self._cluster_gpus))
        self.slots = slots or max(1, min(room, _MOST_AT_ONCE))
        self._store = Store(store)
        self._refs: dict[Future[Trained], Any] = {}

    def submit(self, training: Training) -> "Future[Trained]":
        """Send a training to the cluster."""
        task = self._ray.remote(
            num_cpus=training.fidelity.threads, num_gpus=self.gpus_of(training), max_retries=_RESTARTS
        )(_train)
        reference = task.remote(training)
        future: Future[Trained] = Future()
        reference.future().add_done_callback(lambda answer: self._finish(answer, future))
        self._refs[future] = reference
        return future

    def close(self) -> None:
        """Cancel what still runs, and leave the cluster."""
        for future, reference in self._refs.items():
            if not future.done():
                self._ray.cancel(reference, force=True)
        if self._started:
            self._ray.shutdown()

    def gpus_of(self, training: Training) -> float:
        """GPUs that Ray is asked for."""
        wanted = training.fidelity.device
        if wanted == "cuda" or (wanted == "auto" and self._cluster_gpus):
            return 1.0
        return 0.0

    def _finish(self, answer: "Future[tuple[Trained, list[Quality]]]", future: "Future[Trained]") -> None:
        """Keep what was made in this machine's store too, before the search hears of it."""
        try:
            trained, made = answer.result()
            for quality in made:
                self._store.put(quality)
            future.set_result(trained)
        except self._ray.exceptions.RayTaskError as error:  # raised by the training itself
            future.set_exception(_cause(error.cause))
        except self._ray.exceptions.RayError as error:
            future.set_exception(LostTrainingError(f"Ray lost a training: {str(error).splitlines()[0]}"))
        except Exception as error:
            future.set_exception(error)


def _cause(error: BaseException | None) -> Exception:
    """What a training raised on its node, or what to do where it could not even begin."""
    if isinstance(error, CodesignError):
        return error
    if isinstance(error, ImportError) or "failed to import" in str(error).lower():
        return TrainingError(
            "codesign is not installed on every node of the Ray cluster; pip install 'codesign[ray]'"
        )
    return error if isinstance(error, Exception) else TrainingError(f"a training on Ray ended with {error!r}")


class _Noting(Store):
    """A store that remembers what was put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Quality] = []

    def put(self, quality: Quality) -> None:
        """Write a result, and remember it."""
        super().put(quality)
        self.made.append(quality)


def _train(training: Training) -> tuple[Trained, list[Quality]]:
    """The task on a node: its own store is asked first; what is new goes back too."""
    store = _Noting()
    return training.run(store), store.made
