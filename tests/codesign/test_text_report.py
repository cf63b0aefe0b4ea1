"""The text of `codesign evaluate`."""

from codesign.report import report, time_table
from codesign.verdict import verdict
from cost_models import Design, Serving, System, evaluate, read_model


def test_an_operator_is_one_line_however_many_kinds_of_layers_have_it() -> None:
    def row(operator: str, group: str, time_s: float, bound: str) -> dict[str, object]:
        return {
            "operator": operator,
            "layer_group": group,
            "time_s": time_s,
            "flops": 1e9,
            "bytes": 2**30,
            "bound": bound,
        }

    breakdown = [
        row("attention", "moe x30", 2e-3, "memory"),
        row("attention", "moe+engram x2", 1e-3, "overhead"),
        row("output head", "", 1e-3, "memory"),
        row("gate", "moe+engram x2", 1e-6, "overhead"),
    ]
    lines = [line.split() for line in time_table({"breakdown": breakdown}).splitlines()]
    assert lines[1] == [
        "attention",
        "32",
        "layers",
        "3",
        "ms",
        "75.0",
        "%",
        "2",
        "G",
        "2",
        "GiB",
        "memory",
    ]
    assert lines[2][:4] == ["output", "head", "1", "ms"]
    assert lines[3][:3] == ["1", "smaller", "ones"]


def test_a_layout_that_does_not_divide_is_said_in_words() -> None:
    broken = {"feasible": False, "violations": {"layout": 3, "hbm": 2**31}, "reasons": ["4 over 3 nodes"]}
    assert verdict(broken) == "Not feasible: breaks hbm by 2 GiB; 4 over 3 nodes."
    assert verdict(broken | {"violations": {"layout": 3}}) == "Not feasible: 4 over 3 nodes."


def test_what_a_prompt_costs_is_not_called_a_token() -> None:
    design = Design(read_model("dense-4b"), System(), Serving(phase="prefill"))
    text = report(evaluate(design).document())
    assert "prompts/s" in text and "USD/M prompts" in text and "J/prompt" in text and "KV tokens" in text
    assert "M tokens" not in text and "J/token" not in text
