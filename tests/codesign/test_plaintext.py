"""Quantities as people read them, and aligned tables."""

import pytest

from codesign.plaintext import count, duration, number, percent, size, sparkline, table


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (number, None, "-"),
        (number, float("inf"), "-"),
        (number, 0.0, "0"),
        (number, 8.0, "8"),
        (number, 49098.0, "49,098"),
        (number, 0.012345, "0.0123"),
        (number, 2319.4, "2,320"),
        (number, 9.996, "10.0"),
        (number, -3.14159, "-3.14"),
        (number, 7.7e-6, "7.70e-06"),
        (size, 0, "0 B"),
        (size, 80 * 2**30, "80 GiB"),
        (size, 1536, "1.50 KiB"),
        (duration, 0.0, "0 s"),
        (duration, 0.00683, "6.83 ms"),
        (duration, 1.5, "1.50 s"),
        (duration, 2e-8, "20 ns"),
        (count, 26.7e9, "26.7 B"),
        (count, 900, "900"),
        (percent, 0.123, "12 %"),
    ],
)
def test_forms(form, value, text) -> None:  # type: ignore[no-untyped-def]
    assert form(value) == text


def test_a_table_is_aligned() -> None:
    assert table(["", "USD"], [["accelerators", "1.60"], ["dram", "10"]]).splitlines() == [
        "               USD",
        "accelerators  1.60",
        "dram            10",
    ]


def test_a_sparkline_goes_from_the_least_to_the_greatest_value() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert sparkline([]) == ""
    long = sparkline([float(i) for i in range(1000)], width=8)
    assert long == "▁▂▃▄▅▆▇█"
