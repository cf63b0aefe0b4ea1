"""What `codesign evaluate` says of Medusa heads and of a cut KV cache."""

from dataclasses import replace

from cost_models import Design, Serving, System, answers, evaluate, read_model


def _said(heads: int = 0, **serving: object) -> dict[str, str]:
    model = replace(read_model("llama-3.1-8b"), medusa_heads=heads)
    design = Design(model, System(accelerators=1), Serving(**{"input_tokens": 16384} | serving))  # type: ignore[arg-type]
    return {answer.question: answer.sentence for answer in answers.answers(evaluate(design))}


def test_heads_pay_for_one_user_and_not_for_many() -> None:
    question = "Do the Medusa heads pay?"
    alone = _said(3, concurrency=1, medusa_tree=31)[question]
    assert alone.startswith("Yes: 3 heads and 31 guesses a step yield 2.3")
    assert "vicuna-7b" in alone and "medusa_acc.csv" in alone
    many = _said(3, concurrency=128, input_tokens=512)
    assert many[question].startswith("No:") and "times as long" in many[question]
    assert "they pay up to about" in many[question]
    assert question not in _said(0)
    assert question not in _said(3, phase="prefill")


def test_a_cut_cache_says_what_it_saves_and_what_its_quality_rests_on() -> None:
    question = "What does the cut KV cache save and cost?"
    cut = _said(concurrency=8, kv_budget=2048)[question]
    assert cut.startswith("2,048 of 16,384 prompt positions stay (12 %)")
    assert "97.9 +- 1.1 % of the long-context score" in cut and "2.1 % more bits per byte" in cut
    assert "arXiv 2404.14469v2, table 1" in cut and "choosing them adds" in cut
    assert _said(kv_budget=20_000)[question].startswith("Nothing:")
    assert question not in _said()
