"""The answers in words: every question is answered, with the figures of the evaluation."""

import re
from dataclasses import replace
from typing import Any

import numpy as np

import cost_models
from cost_models import Design, Host, Serving, System, TablePlacement, answers
from cost_models import answers_words as form
from cost_models.design import GIB

V41 = cost_models.read_model("deepseek-v4.1-flash")
QUESTIONS = (
    "Does it fit, and how many KV tokens are left?",
    "Accelerator memory, host, CXL or disk for this layout?",
    "Is the lookup hidden behind the layers before it?",
    "What does host memory cost, copies included?",
    "RAM or SSD, for decoding and for a cold prompt?",
    "Do table columns balance over tensor-parallel ranks?",
    "What do quantised rows save?",
    "From how many nodes does a CXL pool pay?",
    "What changes on a unified-memory machine?",
    "What binds, and what should the next dollar buy?",
    "How long until the first answer?",
)


def design(tier: str = "dram", accelerator: str = "mi355x", **serving: Any) -> Design:
    host = Host(dram_bytes=512 * GIB, ssd_bytes=1000 * GIB, ssd_drives=2)
    tables = TablePlacement(tier=tier)
    return Design(
        V41,
        System(accelerator=accelerator, accelerators=8, host=host),
        Serving(**({"tensor_parallel": 8, "concurrency": 64, "tables": tables} | serving)),
    )


def said(of: Design) -> dict[str, str]:
    return {one.question: one.sentence for one in answers.answers(cost_models.evaluate(of))}


def test_every_question_has_one_sentence_in_order() -> None:
    found = said(design())
    assert tuple(found) == QUESTIONS
    for sentence in found.values():
        assert sentence[0].isupper() and sentence.endswith(".")
        assert not any(word in sentence for word in ("nan", "inf ", "None", "array", "  "))


def test_a_model_without_tables_is_asked_about_the_rest() -> None:
    found = said(replace(design(), model=cost_models.read_model("llama-3.1-8b")))
    assert tuple(found) == (QUESTIONS[0], QUESTIONS[9], QUESTIONS[10])


def test_the_figures_are_those_of_the_evaluation() -> None:
    evaluation = cost_models.evaluate(design())
    found = said(design())
    assert f"{evaluation['memory.kv_tokens']:,.0f} KV tokens" in found[QUESTIONS[0]]
    assert "188.8 GiB" in found[QUESTIONS[3]] and "377.7 GiB" in found[QUESTIONS[3]]
    assert "frees 23.6 GiB per accelerator" in found[QUESTIONS[8]]
    assert "nvfp4 rows a copy is 85.8 GiB smaller" in found[QUESTIONS[6]]


def test_what_breaks_is_named_with_its_amount() -> None:
    found = said(design("hbm", "h100-sxm", tensor_parallel=4))
    assert found[QUESTIONS[0]].startswith("No: it breaks hbm by ")


def test_synchronous_reads_are_said_to_be_waited_for() -> None:
    slow = design(tables=TablePlacement("ssd", prefetch=False))
    found = said(slow)
    assert "waits" in found[QUESTIONS[2]] and "not prefetched" in found[QUESTIONS[2]]
    assert found[QUESTIONS[2]] != said(design())[QUESTIONS[2]]


def test_a_tier_without_room_is_not_recommended() -> None:
    found = said(design())[QUESTIONS[1]]
    assert "Not in this system: CXL memory" in found and "CXL memory 0" not in found


def test_one_memory_is_recognised() -> None:
    mac = replace(design(accelerator="apple-m3-ultra", tensor_parallel=1), system=System("apple-m3-ultra", 1))
    assert "one memory here" in said(mac)[QUESTIONS[8]]


def test_one_memory_is_offered_once() -> None:
    processor = Design(
        cost_models.read_model("engram-27b"), System(accelerator="ampereone-a192", accelerators=1), Serving()
    )
    found = said(processor)[QUESTIONS[1]]
    assert "host memory 0" not in found and found.endswith("Host memory is the same memory.")


def test_reads_that_are_hidden_are_shorter_than_their_window() -> None:
    """Time and window are those of one layer's tables, in one chunk of the prompt."""
    found = said(design(input_tokens=32768))[QUESTIONS[2]]
    for part in found.split(";"):
        if "yes" in part:
            reads, window = (
                float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
                for number, unit in re.findall(r"([\d.]+) (us|ms|s)\b", part)
            )
            assert reads < window
    assert found.count("yes") == 2


def test_the_host_that_starts_reads_is_told_from_reads_that_come_late() -> None:
    for concurrency, late in ((8, False), (4096, True)):
        of = design("ssd", concurrency=concurrency, phase="decode", input_tokens=128)
        sentence = said(of)[QUESTIONS[2]]
        result = cost_models.evaluate(of).result(0)
        starts, stall = float(result.parts.engine.host_step), float(result.lookup.decode.stall_s)
        assert form.time(stall) in sentence and form.time(starts) in sentence
        if late:
            assert sentence.startswith("In a decode step not all: " + form.time(stall - starts))
        else:
            assert stall == starts and sentence.startswith("In a decode step yes")


def test_a_layout_that_does_not_divide_is_mended_before_money_is_spent() -> None:
    found = said(design(tensor_parallel=3))
    assert "must divide the" in found[QUESTIONS[0]] and "layout by" not in found[QUESTIONS[0]]
    assert found[QUESTIONS[9]].endswith("Mend what does not divide first.")


def test_costs_of_prompts_alone_are_named_so() -> None:
    found = said(design(phase="prefill"))[QUESTIONS[1]]
    assert "USD/million prompts" in found and "Mtok" not in found and "e+" not in found


def test_one_rank_has_nothing_to_balance() -> None:
    assert "nothing to balance" in said(design(tensor_parallel=1, data_parallel=8))[QUESTIONS[5]]


def test_one_design_of_many_and_every_phase_have_text() -> None:
    many = cost_models.evaluate(design(concurrency=np.array([8, 64])))
    assert answers.text(many, 1) == answers.text(cost_models.evaluate(design()))
    for phase in ("prefill", "decode"):
        text = answers.text(cost_models.evaluate(design(phase=phase)))
        assert text.count("\n") == 2 * len(QUESTIONS) - 1
