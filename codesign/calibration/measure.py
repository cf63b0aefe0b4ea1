"""Hardware in the loop: one design built, fed with real text, timed, and set beside its prediction.

Some prompts of real text go through the model one after the other; then all sequences decode in step, given the
text's own next tokens, so that table rows are read as text reads them. The prediction is `evaluate` of the scaled
design on the calibrated host, nothing else.

A step's time is what it takes on a machine of its own: the computing thread's processor time, and the time that reads
keep it waiting. Others can only lengthen a read or a step, so the lower quartile of each counts, over all reads and
steps of a phase, and the lowest tenth of the batches of reads, which are held up more often. Where reads run beside
the step, they begin with it and take a batch after the other; a set's rows are waited for as long as its reads end
after the processor time at which they are wanted. The wall clock's time is reported too. TTFT and TPOT follow from
both steps as in `cost_models.latency`.
"""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cost_models
from codesign import tokenizer
from codesign.calibration.engine import Engine
from codesign.calibration.power import Meter
from codesign.calibration.scaling import VOCAB, Room, Scaled, scale
from codesign.calibration.scratch import scratch
from codesign.calibration.tables import Counts, DriveTables, MemoryTables, Shape
from codesign.calibration.timing import one_core
from codesign.errors import InputError
from codesign.traffic.stream import requests
from cost_models import routing, tables, traffic
from cost_models.catalogue import userfile
from cost_models.design import Design

Report = Callable[[str], None]
Ids = NDArray[np.int64]

_PREFILLS = 4
_WARM_TOKENS = 400_000


@dataclass(frozen=True)
class Phase:
    """One step (a prompt, or a decode step of all sequences), in seconds: lower quartiles, see the module's text.

    stall_s: waiting for reads, and handing rows over; reading_s: what the reads themselves took. drive_reads: of a
    step. spread: between the quartiles of processor time, over the lower one.
    """

    step_s: float
    wall_s: float
    stall_s: float
    reading_s: float
    hit_rate: float
    drive_reads: float
    steps: int
    spread: float

    @property
    def crowding(self) -> float:
        """How much longer the step took by the wall clock than it would alone."""
        return self.wall_s / self.step_s


@dataclass(frozen=True)
class Measurement:
    """Measured and predicted; joules: per output token, None where nothing can be read (`no_energy` says why)."""

    scaled: Scaled
    prefill: Phase
    decode: Phase
    predicted: dict[str, float]
    joules: float | None
    no_energy: str

    def measured(self) -> dict[str, float]:
        """The same figures as `predicted`."""
        serving = self.scaled.design.serving
        lanes, output = float(serving.concurrency), max(float(serving.output_tokens), 2.0)
        decode, prefill = self.decode.step_s, self.prefill.step_s
        return {
            "ttft_s": prefill + (0.5 * decode if lanes > 1 else 0.0),
            "tpot_s": decode + (lanes - 1) / (output - 1) * prefill,
            "decode_step_s": decode,
            "prefill_s": prefill,
            "decode_lookup_s": self.decode.reading_s,
            "decode_stall_s": self.decode.stall_s,
            "prefill_stall_s": self.prefill.stall_s,
            "hit_rate": self.decode.hit_rate,
        }

    def document(self) -> dict[str, Any]:
        """The JSON of `codesign measure`."""
        measured = self.measured()
        return {
            "scale": list(self.scaled.changes),
            "measured": measured | {"j_per_token": self.joules},
            "predicted": self.predicted,
            "error": {
                key: self.predicted[key] / value - 1 if value > 0 else None for key, value in measured.items()
            },
            "steps": {name: asdict(phase) | {"crowding": phase.crowding}
                      for name, phase in (("prefill", self.prefill), ("decode", self.decode))},
            "no_energy": self.no_energy or None,
        }  # fmt: skip


def measure(
    design: Design,
    hardware: Path,
    folder: Path,
    report: Report,
    room: Room | None = None,
    text: Ids | None = None,
) -> Measurement:
    """Build, run and predict one design on the host that the hardware file was measured on.

    folder: for the table file, which is removed afterwards. text: token ids to replay, one long piece; None: the
    bundled text. Raises InputError for what cannot be built here, CodesignError for a full disk.
    """
    if not userfile.efficiency(str(hardware)):
        raise InputError(
            f"{hardware}: holds no measured kernels; make it with `codesign calibrate --out {hardware}`"
        )
    scaled = scale(design, hardware, room)
    predicted = predict(scaled.design)
    design, serving = scaled.design, scaled.design.serving
    shape = _shape(design)
    report("reading the text")
    lanes = _Lanes(text if text is not None else _bundled(report), int(serving.concurrency))
    with (
        scratch(folder, shape.file_bytes if serving.tables.tier == "ssd" else 0) as place,
        one_core() as cores,
    ):
        report("building the model and its tables")
        rows = _tables(design, shape, place / "tables.bin", cores)
        try:
            return _run(scaled, predicted, rows, lanes, report)
        finally:
            rows.close()


def predict(design: Design) -> dict[str, float]:
    """What the ordinary cost models say of a scaled design."""
    evaluation = cost_models.evaluate(design)
    result = evaluation.result()
    document = evaluation.document()
    latency, decode, prefill = document["latency"], result.lookup.decode, result.lookup.prefill
    return {
        **{key: float(latency[key]) for key in ("ttft_s", "tpot_s", "decode_step_s", "prefill_s")},
        "decode_lookup_s": float(decode.time_s),
        "decode_stall_s": float(decode.stall_s),
        "prefill_stall_s": float(prefill.stall_s),
        "hit_rate": float(decode.hit_rate),
    }


def _run(
    scaled: Scaled,
    predicted: dict[str, float],
    rows: MemoryTables | DriveTables,
    lanes: "_Lanes",
    report: Report,
) -> Measurement:
    serving = scaled.design.serving
    prompt, answer = int(serving.input_tokens), int(serving.output_tokens)
    sequences = int(serving.concurrency)
    exponent = routing.exponent(scaled.design.model)
    engine = Engine(scaled.config, rows, sequences, prompt + max(answer, 2), exponent=exponent)
    if isinstance(rows, DriveTables) and rows.cache.capacity:
        report("warming the cache of rows")
        _warm(engine, rows, lanes, scaled.design)
    meter = Meter()
    prompts: list[_Step] = []
    decodes: list[_Step] = []
    report("prefill and decode")
    engine.prefill(0, lanes.take(0, prompt))  # first calls choose kernels
    for number in range(_PREFILLS):
        ids = lanes.take(number % sequences, prompt)
        prompts.append(_step(lambda s=number % sequences, i=ids: engine.prefill(s, i), rows))  # type: ignore[misc]
    for sequence in range(_PREFILLS, sequences):
        engine.assume(sequence, lanes.take(sequence, prompt))
    for _ in range(max(answer, 2)):
        ids = lanes.take_each()
        decodes.append(_step(lambda i=ids: engine.decode(i), rows))  # type: ignore[misc]
    joules = meter.joules()
    return Measurement(
        scaled, _phase(prompts), _phase(decodes), predicted,
        None if joules is None else joules / (len(decodes) * sequences), meter.reason,
    )  # fmt: skip


@dataclass(frozen=True)
class _Step:
    cpu_s: float
    wall_s: float
    counts: Counts


def _step(run: Callable[[], object], rows: MemoryTables | DriveTables) -> _Step:
    rows.counts = Counts()
    wall, cpu = time.perf_counter(), time.thread_time()
    run()
    return _Step(time.thread_time() - cpu, time.perf_counter() - wall, rows.counts)


def _phase(steps: list[_Step]) -> Phase:
    """Hit rates and reads are those of all steps together."""
    each = [s.counts for s in steps]
    computing = np.array([s.cpu_s - s.counts.reading_s for s in steps])
    low, high = np.percentile(computing, [25, 75])
    singles = [t for c in each for t in c.singles]
    batches = _full([batch for c in each for batch in c.batches])
    single_s = float(np.percentile(singles, 25)) if singles else 0.0
    read_s = float(np.percentile([t / n for n, t in batches], 10)) if batches else 0.0
    waits = [sum(n for n, _ in c.takes) * single_s if c.singles else _wait(c.takes, read_s) for c in each]
    work = np.percentile([c.work_s for c in each], 25)
    wait, distinct = float(np.median(waits)), sum(c.distinct for c in each)
    reads = float(np.mean([c.drive_reads for c in each]))
    return Phase(
        step_s=float(low) + wait,
        wall_s=float(np.percentile([s.wall_s for s in steps], 25)),
        stall_s=wait + float(work),
        reading_s=reads * (single_s or read_s) or float(work),
        hit_rate=sum(c.hits for c in each) / distinct if distinct else 0.0,
        drive_reads=reads,
        steps=len(steps),
        spread=float((high - low) / low),
    )


def _full(batches: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Those of at least half the largest size: a short one says little of a drive that is read in parallel."""
    most = max((n for n, _ in batches), default=0)
    return [(n, t) for n, t in batches if 2 * n >= most]


def _wait(takes: list[tuple[int, float]], read_s: float) -> float:
    """Time that a step waits for sets whose reads follow each other from its beginning."""
    waited = finished = 0.0
    for reads, wanted in takes:
        finished += reads * read_s
        waited += max(0.0, finished - wanted - waited)
    return waited


def _shape(design: Design) -> Shape:
    model = design.model
    if model.engram is None:
        return Shape((), 1)
    return Shape(tuple(int(each.sum()) for each in tables.rows(model)), model.engram.head_dim)


def _tables(design: Design, shape: Shape, path: Path, cores: set[int]) -> MemoryTables | DriveTables:
    placement = design.serving.tables
    if placement.tier != "ssd" or not shape.rows:
        return MemoryTables(shape)
    cached = int(placement.cache_bytes / tables.row_bytes(design.model)) if placement.cache_tier else 0
    return DriveTables(shape, path, bool(placement.prefetch), cached, cores)


def _warm(engine: Engine, rows: DriveTables, lanes: "_Lanes", design: Design) -> None:
    """Pass text through the cache until it has been filled several times over, or the text's share is used up."""
    model = design.model
    profile = traffic.Profile.load(str(design.serving.tables.traffic))
    engram = model.engram
    assert engram is not None
    each = [(order, float(tables.rows(model)[:, i].mean()), tables.sets(engram) * engram.heads)
            for i, order in enumerate(tables.orders(engram))]  # fmt: skip
    eviction = float(np.asarray(profile.eviction_time(each, rows.cache.capacity, lanes.count)).max())
    wanted = int(min(3 * eviction, _WARM_TOKENS)) if math.isfinite(eviction) else _WARM_TOKENS
    length = engine.history.shape[1]
    for _ in range(max(1, wanted // (lanes.count * length))):
        for sequence in range(lanes.count):
            engine.history[sequence] = lanes.take(sequence, length)
        found = engine.rows(slice(0, lanes.count), 0, length)
        shaped = [one.reshape(lanes.count, length, -1) for one in found]
        for start in range(0, length, 8):  # a few tokens of every sequence at a time, as they decode
            rows.warm([one[:, start : start + 8].reshape(-1) for one in shaped])
    rows.fill()


class _Lanes:
    """The text as so many sequences, each reading on from its own place."""

    def __init__(self, ids: Ids, count: int) -> None:
        self.ids, self.count = ids, count
        self.at = [len(ids) // count * number for number in range(count)]

    def take(self, lane: int, tokens: int) -> Ids:
        """The next tokens of one sequence; the text begins again at its end."""
        places = (self.at[lane] + np.arange(tokens)) % len(self.ids)
        self.at[lane] = (self.at[lane] + tokens) % len(self.ids)
        return self.ids[places].astype(np.int64)

    def take_each(self) -> Ids:
        """The next token of every sequence."""
        return np.concatenate([self.take(lane, 1) for lane in range(self.count)])


def _bundled(report: Report) -> Ids:
    """The bundled text in canonical ids, requests in random order as the traffic profile has them."""
    report("tokens of the bundled text (made once)")
    tokens = tokenizer.encode("bundled", VOCAB)
    starts = tokens.starts
    documents = [tokens.canonical[tokens.ids[a:b]] for a, b in itertools.pairwise(starts)]
    return requests(documents).ids.astype(np.int64)
