"""The card on caches of table rows."""

import re
from dataclasses import replace

from cost_models import read_model
from cost_models.design import Design, Serving, TablePlacement
from cost_models.traffic import Profile
from dashboard.figures import traffic
from dashboard.figures.card import Card
from dashboard.view import View


def card(profile: str, concurrency: int = 64) -> Card:
    """The card of a design that names a profile."""
    serving = Serving(concurrency=concurrency, tables=TablePlacement(traffic=profile))
    found = traffic.card(View(), Design(read_model("engram-27b"), serving=serving), 7)
    assert found
    return found


def share(one: Card) -> int:
    """Hits of the first order with one percent of the rows."""
    return int(re.findall(r"serves (\d+)%", one.reading)[0])


def test_hits_rise_with_the_cache_and_follow_the_profile_that_the_design_names() -> None:
    found = {name: card(name) for name in ("bundled-text", "code")}
    for name, one in found.items():
        assert [line["name"] for line in one.figure["data"]][::2] == ["order 2, LRU", "order 2, S3-FIFO"]
        for line in one.figure["data"]:
            assert all(low <= high + 1e-9 for low, high in zip(line["y"], line["y"][1:], strict=False))
        assert Profile.load(name).about["text"] in one.reading and f"profile {name}" in one.reading
    assert share(found["code"]) > share(found["bundled-text"]) + 10, (
        "code comes back to the same pairs more often"
    )


def test_the_load_is_that_of_the_design() -> None:
    assert "1 sequences in flight" in card("code", 1).reading
    assert card("code", 1).figure["data"][0]["y"] != card("code", 64).figure["data"][0]["y"]


def test_a_design_without_tables_has_no_such_card() -> None:
    model = replace(read_model("engram-27b"), engram=None)
    assert traffic.card(View(), Design(model), 0) is None
