"""A confirmation says which models kept their rank."""

from typing import Any

from dashboard.figures import confirmed
from dashboard.view import View


def entry(trial: int, before: int, now: int, allowed: tuple[int, int], loss: float) -> dict[str, Any]:
    return {
        "trials": [trial], "searched": {"rank": before, "bits_per_byte": 2.3}, "stopped": None,
        "confirmed": {"bits_per_byte": loss, "standard_error": 0.002, "rank": now, "rank_range": list(allowed)},
    }  # fmt: skip


DOCUMENT = {
    "fidelity": "short", "seeds": [1, 2, 3], "rank_correlation": 0.33, "left": [4], "joined": [],
    "models": [entry(4, 1, 3, (2, 3), 2.16), entry(7, 2, 1, (1, 2), 2.11), entry(9, 3, 2, (1, 3), 2.13),
               {"trials": [5], "searched": {"rank": 4, "bits_per_byte": 2.4}, "confirmed": None, "stopped": "grew"}],
}  # fmt: skip


def test_ranks_that_moved_beyond_the_noise_stand_out() -> None:
    card = confirmed.card(View(), DOCUMENT)
    assert card is not None
    assert "3 models of the front trained again" in card.reading and ": 1 changed rank" in card.reading
    assert (
        "best is #7, which the search had at rank 2" in card.reading and "1 designs leave" not in card.reading
    )
    same, moved = card.figure["data"]
    assert moved["x"] == [2.16] and "#4" in moved["text"][0] and moved["error_x"]["array"] == [0.002]
    assert same["x"] == [2.11, 2.13]
    assert card.figure["layout"]["yaxis"]["ticktext"][0] == "#7  rank 2 → 1"


def test_nothing_confirmed_is_no_card() -> None:
    assert confirmed.card(View(), {"fidelity": "short", "models": DOCUMENT["models"][3:]}) is None
