"""From operators to TTFT, TPOT and throughput of a served model.

`steps` times one decode step and one prefill without table lookups, and how long each Engram layer lets its
lookup run beside the layers before it. `estimate` adds what the lookups do not hide and serves a request mix:
    decode step   all sequences in flight, at the mean context, input + output / 2 x (1 + spread^2)
    TPOT          (decode step + host + stall) / accepted + (C - 1) / (output - 1) x prefill
                  and at least C x the time in which the engine's front end streams one token
since each of the other C - 1 requests interrupts a request's decoding with its own prefill once, inside steps whose
host time is counted. In waves half of them do, and the other half delay its first token. Requests for which the KV
cache has no room wait until others have ended.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models import constants, host_compute, passes
from cost_models.catalogue.names import distinct as distinct_names
from cost_models.design import Model, Name, Number, Serving
from cost_models.distinct import Distinct
from cost_models.masks import choose
from cost_models.operators import ACTIVATION_BYTES, COMPUTE_TYPES, Floats, operators
from cost_models.parts import Parts
from cost_models.plans import plan, targets

# Start of a transfer between two accelerators: aiconfigurator's constant, systems/h100_sxm.yaml (p2p_latency).
_TRANSFER_S = 10e-6
_DESIGNS_AT_ONCE = 2048  # keeps the (operators, designs) arrays in the second-level cache


@dataclass(frozen=True)
class Steps:
    """One decode step and one whole prefill, without table lookups; scalars or (designs,).

    phase: of serving; the step that a phase leaves out is 0. batch: sequences per replica.
    *_window_s: time before each layer that waits for table rows, (targets,) or (targets, designs); of prefill
        in one chunk. *_tokens: new tokens of a decode step, or of one prefill chunk, of a whole replica.
    *_flops, *_bytes: of one accelerator, by compute type and through its memory.
    """

    model: Model
    serving: Serving
    parts: Parts
    batch: Number
    tokens_per_sequence: Number
    decode_step_s: Number
    prefill_s: Number
    host_s: Number
    decode_window_s: Floats
    prefill_window_s: Floats
    decode_tokens: Number
    prefill_tokens: Number
    prefill_chunks: Number
    decode_flops: dict[str, Number]
    prefill_flops: dict[str, Number]
    decode_bytes: Number
    prefill_bytes: Number
    # of one accelerator's share, by host_compute.WORK; none where processors compute nothing
    decode_host: dict[str, Number] = field(default_factory=dict)
    prefill_host: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """What a user sees; times in seconds, scalars or (designs,). output_tokens_per_s is of the whole system."""

    ttft_s: Number
    tpot_s: Number
    decode_step_s: Number
    prefill_s: Number
    output_tokens_per_s: Number
    output_tokens_per_s_per_accelerator: Number


def steps(
    model: Model, serving: Serving, parts: Parts, batch: Number | None = None, tokens_per_sequence: Number = 1
) -> Steps:
    """Time the steps of a model on its parts.

    batch: sequences decoded at once per replica; None: serving.concurrency.
    tokens_per_sequence: new tokens per sequence that one decode step checks (more than 1 with speculation).
    """
    batch = serving.concurrency if batch is None else batch
    distinct = Distinct(_columns(model, serving, parts, batch, tokens_per_sequence))
    spread = distinct.spread(_by_constants(model, serving.phase, distinct, parts.accelerator.name))
    lanes = np.maximum(batch / serving.data_parallel, 1.0)
    return Steps(
        model=model, serving=serving, parts=parts, batch=batch, tokens_per_sequence=tokens_per_sequence,
        decode_flops={kind: spread.pop(f"decode_{kind}") for kind in COMPUTE_TYPES},
        prefill_flops={kind: spread.pop(f"prefill_{kind}") for kind in COMPUTE_TYPES},
        decode_host=_of_host(spread, "decode"), prefill_host=_of_host(spread, "prefill"),
        **spread | {"host_s": constants.host_s(serving.engine, lanes, spread["host_s"])},
    )  # fmt: skip


def _of_host(spread: dict[str, Any], phase: str) -> dict[str, Number]:
    names = {name: f"{phase}_{host_compute.PREFIX}{name}" for name in host_compute.WORK}
    return {name: spread.pop(key) for name, key in names.items() if key in spread}


def estimate(
    steps: Steps,
    stall_decode_s: Number = 0.0,
    stall_prefill_s: Number = 0.0,
    replicas: Number = 1,
    accepted_tokens: Number = 1.0,
    in_flight: Number | None = None,
) -> Latency:
    """Serve a request mix (or one phase) with the given stalls per decode step and per whole prefill.

    replicas: copies of the model; accepted_tokens: per sequence and decode step (more than 1 with speculation).
    in_flight: sequences per replica, those that wait with them; None: all are decoded at once.
    """
    serving, batch = steps.serving, steps.batch
    decode = steps.decode_step_s + stall_decode_s
    prefill = steps.prefill_s + stall_prefill_s
    ranks = serving.tensor_parallel * serving.data_parallel * serving.pipeline_parallel
    if serving.phase == "prefill":
        ttft, tpot, rate = prefill, 0.0 * prefill, batch / prefill
    elif serving.phase == "decode":
        ttft, tpot = 0.0 * decode, decode / accepted_tokens
        rate = batch / tpot
    else:
        decode = decode + steps.host_s
        output = np.maximum(serving.output_tokens, 2)
        lanes = np.maximum(batch / serving.data_parallel, 1.0)  # requests that share one rank's steps
        interrupting = (lanes - 1.0) * choose(serving.waves, 0.5, 1.0)
        tpot = decode / accepted_tokens + interrupting / (output - 1.0) * prefill
        # tokens that a step accepts together are streamed together; each rank of requests has its own front end
        tpot = np.maximum(tpot, lanes * (steps.parts.engine.stream_token / accepted_tokens))
        # a new request waits for the running step, or for half of the prompts that came with it
        waiting = choose(serving.waves, interrupting * prefill, 0.5 * decode * np.minimum(lanes - 1.0, 1.0))
        prefill = prefill + steps.host_s
        ttft = prefill + waiting
        served_s = ttft + (output - 1.0) * tpot
        rate = batch * output / served_s
        if in_flight is not None:
            # by Little's law a request spends in_flight / (batch / served_s) from end to end
            ttft = ttft + (in_flight / batch - 1.0) * served_s
    return Latency(ttft, tpot, decode, prefill, replicas * rate, rate / ranks)


def at_rate(served: Latency, serving: Serving, rate: Number) -> Latency:
    """The same where only so many requests arrive a second at the whole system: no more tokens than they ask for."""
    ranks = served.output_tokens_per_s / served.output_tokens_per_s_per_accelerator
    tokens = np.minimum(served.output_tokens_per_s, rate * serving.output_tokens)
    return replace(served, output_tokens_per_s=tokens, output_tokens_per_s_per_accelerator=tokens / ranks)


def breakdown(steps: Steps) -> list[dict[str, Any]]:
    """Where the time of a scalar design goes: {operator, layer_group, flops, bytes, time_s, bound}.

    Rows of one decode step; of the prefill for phase "prefill". FLOPs and bytes are those of one accelerator;
    `bound` is compute, memory, network or overhead, whichever takes most.
    """
    distinct = Distinct(
        _columns(steps.model, steps.serving, steps.parts, steps.batch, steps.tokens_per_sequence)
    )
    one, layout = distinct.columns, _layout(distinct.columns)
    phase = "prefill" if steps.serving.phase == "prefill" else "decode"
    machine = _machine(one, constants.key(str(steps.parts.accelerator.name)))
    work = (_prefill_work if phase == "prefill" else _decode_work)(one, steps.serving.phase)
    result = passes.run(
        steps.model, phase, work, machine, layout, keep=True, host=host_compute.processors(one)
    )
    table, chunks = operators(steps.model), float(work.chunks[0])
    attention = plan(steps.model, phase, machine.fitted).attention
    rows = []
    for timed in result.timed:
        for i, members in enumerate(timed.rows.members):
            once = timed.rows is attention or bool(timed.rows.columns["last_token"][i, 0])
            for row in members:
                count = float(table.count[row]) * (1.0 if once else chunks)
                rows.append((row, {
                    "operator": table.operator[row], "layer_group": table.group[row],
                    "flops": count * float(timed.flops[i, 0]), "bytes": count * float(timed.bytes[i, 0]),
                    "time_s": count * float(timed.term.time_s[i, 0]), "bound": _bound(timed.kind, timed.term, i),
                }))  # fmt: skip
    waiting = float(_pipeline_s(one, work, steps.model)[0])
    ordered = [row for _, row in sorted(rows, key=lambda item: item[0])]
    if waiting:
        ordered.append({"operator": "pipeline transfer", "layer_group": "", "flops": 0.0, "bytes": 0.0,
                        "time_s": waiting * chunks, "bound": "network"})  # fmt: skip
    return ordered


def _columns(
    model: Model, serving: Serving, parts: Parts, batch: Number, tokens_per_sequence: Number
) -> dict[str, Number]:
    accelerator = parts.accelerator
    peaks: dict[str, Number] = {}
    peak = accelerator.peak_flops["bf16"]
    for kind in COMPUTE_TYPES:
        # that of the next wider type where the part has none
        peaks[f"peak.{kind}"] = peak = accelerator.peak_flops.get(kind, peak)
    return {
        "batch": batch, "queries": tokens_per_sequence,
        "tensor": serving.tensor_parallel, "expert": serving.expert_parallel,
        "data": serving.data_parallel, "pipeline": serving.pipeline_parallel,
        "input": serving.input_tokens, "output": serving.output_tokens,
        "chunk": serving.prefill_chunk, "kv_budget": serving.kv_budget, "output_spread": serving.output_spread,
        "memory_bandwidth": accelerator.memory_bandwidth, "link_bandwidth": accelerator.scale_up_bandwidth,
        "link_group": accelerator.scale_up_group, "network_bandwidth": parts.node.network_bandwidth,
        **peaks, **host_compute.columns(model, serving, parts),
    }  # fmt: skip


def _by_constants(model: Model, phase: str, distinct: Distinct, names: Name) -> dict[str, Floats]:
    """Evaluate the distinct designs part by part, so that constants are numbers, in stretches that fit in cache."""
    columns = distinct.columns
    size = len(columns["batch"])
    each, index = distinct_names(distinct.first(names))
    keys = [constants.key(name) for name in each]
    if index is None:
        groups = {keys[0]: np.arange(0)}
    else:
        unlike = list(dict.fromkeys(keys))
        which = np.array([unlike.index(key) for key in keys])[index]
        groups = {key: np.flatnonzero(which == i) for i, key in enumerate(unlike)}
    hosted = host_compute.used(columns)
    if hosted is not None:
        return _with_hosts(model, phase, columns, groups, hosted)
    if len(groups) == 1 and size <= _DESIGNS_AT_ONCE:
        return _steps(model, phase, columns, next(iter(groups)))
    result: dict[str, Floats] = {}
    for key, members in groups.items():
        alone = len(groups) == 1
        mine = columns if alone else {name: column.take(members) for name, column in columns.items()}
        for start in range(0, len(mine["batch"]), _DESIGNS_AT_ONCE):
            stretch = slice(start, start + _DESIGNS_AT_ONCE)
            done = _steps(model, phase, {name: column[stretch] for name, column in mine.items()}, key)
            for name, values in done.items():
                if name not in result:
                    result[name] = np.empty((*values.shape[:-1], size))
                result[name][..., stretch if alone else members[stretch]] = values
    return result


def _with_hosts(
    model: Model,
    phase: str,
    columns: dict[str, Floats],
    groups: dict[str, NDArray[np.int64]],
    hosted: NDArray[np.bool_],
) -> dict[str, Floats]:
    """As `_by_constants`, with designs whose processors compute nothing apart, as they would be alone."""
    size = len(hosted)
    plain = {name: v for name, v in columns.items() if not name.startswith(host_compute.PREFIX)}
    result: dict[str, Floats] = {}
    for key, members in groups.items():
        members = np.arange(size) if len(groups) == 1 else members
        for some, own in ((members[hosted[members]], columns), (members[~hosted[members]], plain)):
            for start in range(0, len(some), _DESIGNS_AT_ONCE):
                stretch = some[start : start + _DESIGNS_AT_ONCE]
                done = _steps(model, phase, {name: column[stretch] for name, column in own.items()}, key)
                for name, values in done.items():
                    result.setdefault(name, np.zeros((*values.shape[:-1], size)))[..., stretch] = values
    return result


def _machine(one: dict[str, Floats], fitted: str) -> passes.Machine:
    return passes.Machine(
        {kind: one[f"peak.{kind}"] for kind in COMPUTE_TYPES}, one["memory_bandwidth"],
        np.maximum(one["link_bandwidth"], 1.0), np.maximum(one["link_group"], 1.0),
        np.maximum(one["network_bandwidth"], 1.0), fitted,
    )  # fmt: skip


def _layout(one: dict[str, Floats]) -> passes.Layout:
    return passes.Layout(one["tensor"], one["expert"], one["data"])


def _steps(model: Model, phase: str, one: dict[str, Floats], fitted: str) -> dict[str, Floats]:
    """All results of steps for up to _DESIGNS_AT_ONCE designs: (..., designs)."""
    if len(one["batch"]) == 1:  # passes.run wants two: see its module's text
        twice = _steps(model, phase, {name: np.repeat(column, 2) for name, column in one.items()}, fitted)
        return {name: values[..., :1] for name, values in twice.items()}
    machine, layout, host = _machine(one, fitted), _layout(one), host_compute.processors(one)
    zero, stages = np.zeros_like(one["batch"]), one["pipeline"]
    piped = bool((stages > 1).any())
    result: dict[str, Floats] = {"host_s": zero + constants.of(fitted)["host"]["step_s"]}
    for which, work in (("decode", _decode_work(one, phase)), ("prefill", _prefill_work(one, phase))):
        if phase in ("", which):
            done = passes.run(model, which, work, machine, layout, host=host)
        else:
            done = passes.Pass(zero, zero, np.zeros((len(targets(model)), len(zero))))
        step_s, of_accelerator = done.time_s, {"bytes": done.bytes, **done.flops}
        names = ["bytes", *COMPUTE_TYPES]
        if host is not None:
            of_accelerator |= {host_compute.PREFIX + name: v for name, v in done.host.items()}
            names += [host_compute.PREFIX + name for name in host_compute.WORK]
        if piped:
            # Chunks follow each other through the pipeline: all but the first cost one stage only.
            passing = (1.0 + (work.chunks - 1.0) / stages) / work.chunks
            step_s = step_s * passing + _pipeline_s(one, work, model) * work.chunks
            of_accelerator = {name: values / stages for name, values in of_accelerator.items()}
        result["decode_step_s" if which == "decode" else "prefill_s"] = step_s
        result[f"{which}_window_s"] = done.window_s
        for name in names:
            result[f"{which}_{name}"] = of_accelerator.get(name, zero)
        result[f"{which}_tokens"] = work.tokens * one["data"]
    result["decode_tokens"] = result["decode_tokens"] * stages
    result["prefill_chunks"] = work.chunks
    return result


def _decode_work(one: dict[str, Floats], phase: str) -> passes.Work:
    sequences = np.maximum(one["batch"] / (one["data"] * one["pipeline"]), 1.0)
    kept = np.where(one["kv_budget"] > 0, np.minimum(one["input"], one["kv_budget"]), one["input"])
    # at a random moment a request in flight has E[L^2] / (2 E[L]) of its answer behind it (renewal theory)
    context = kept if phase == "decode" else kept + 0.5 * one["output"] * (1.0 + one["output_spread"] ** 2)
    tokens = sequences * one["queries"]
    return passes.Work(tokens, tokens, sequences, one["queries"], context, np.ones_like(tokens))


def _prefill_work(one: dict[str, Floats], phase: str) -> passes.Work:
    """One prompt of a request mix, or the whole batch at once for phase "prefill"; chunks are of equal size."""
    sequences = (
        np.maximum(one["batch"] / one["data"], 1.0) if phase == "prefill" else np.ones_like(one["batch"])
    )
    tokens = sequences * one["input"]
    chunks = np.maximum(np.ceil(tokens / one["chunk"]), 1.0)
    return passes.Work(tokens / chunks, sequences, sequences, one["input"], one["input"], chunks)


def _pipeline_s(one: dict[str, Floats], work: passes.Work, model: Model) -> Floats:
    """Activations pass from stage to stage once per pass."""
    message = work.tokens * model.hidden * ACTIVATION_BYTES
    near = one["tensor"] * one["data"] * one["pipeline"] <= one["link_group"]
    bandwidth = np.maximum(np.where(near, one["link_bandwidth"], one["network_bandwidth"]), 1.0)
    return (one["pipeline"] - 1.0) * (message / bandwidth + _TRANSFER_S)


def _bound(kind: str, term: Any, row: int) -> str:
    if kind == "collective":
        shares = {"network": term.memory_s, "overhead": term.overhead_s}
    elif kind == "host":
        shares = {
            "host compute": term.compute_s, "host memory": term.memory_s, "handover": term.overhead_s
        }  # fmt: skip
    else:
        shares = {"compute": term.compute_s, "memory": term.memory_s, "overhead": term.overhead_s}
    values = {
        name: float(np.broadcast_to(value, term.time_s.shape)[row, 0]) for name, value in shares.items()
    }
    return max(values, key=lambda name: values[name])
