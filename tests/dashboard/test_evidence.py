"""What was checked of a design is shown beside what was predicted."""

from dashboard import evidence

CONFIRMED = {
    "short": {
        "searched": {"rank": 1}, "stopped": None,
        "confirmed": {"bits_per_byte": 2.1234, "standard_error": 0.004, "values": [2.12, 2.13, 2.12], "rank": 3,
                      "rank_range": [2, 5]},
    }
}  # fmt: skip
MEASURED = {
    "scale": ["2 layers"], "measured": {"ttft_s": 0.2, "tpot_s": 0.01, "hit_rate": 0.0},
    "predicted": {"ttft_s": 0.25, "tpot_s": 0.009, "hit_rate": 0.0},
}  # fmt: skip


def test_a_confirmed_model_says_its_ranks_and_its_doubt() -> None:
    said = str(evidence.panel({"confirmed": CONFIRMED}))
    assert (
        "3 other seeds: 2.123 ± 0.0040 bits per byte, rank 3 (noise allows 2 to 5); the search had rank 1"
        in said
    )
    stopped = {"short": {"confirmed": None, "stopped": "loss grew without bound", "searched": {"rank": 2}}}
    assert "loss grew without bound" in str(evidence.panel({"confirmed": stopped}))


def test_a_measured_design_shows_both_values_and_the_error() -> None:
    said = str(evidence.panel({"measured": MEASURED}))
    for text in ("200 ms", "250 ms", "+25%", "-10%", "2 layers"):
        assert text in said
    assert "Not measured: no room" in str(evidence.panel({"measured": {"reason": "no room"}}))


def test_nothing_checked_is_nothing_shown() -> None:
    assert evidence.panel({}) == []
