"""The text of `codesign evaluate`."""

from codesign.report import time_table


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
        "B",
        "2",
        "GiB",
        "memory",
    ]
    assert lines[2][:4] == ["output", "head", "1", "ms"]
    assert lines[3][:3] == ["1", "smaller", "ones"]
