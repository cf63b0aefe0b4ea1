"""The card on caches of table rows."""

import re

from cost_models.traffic import Profile
from dashboard.figures import traffic
from dashboard.view import View


def test_hits_rise_with_the_cache_and_follow_the_profile() -> None:
    found = {name: traffic.card(View(), name) for name in ("bundled-text", "code")}
    for card in found.values():
        assert [line["name"] for line in card.figure["data"]][::2] == ["order 2, LRU", "order 2, S3-FIFO"]
        for line in card.figure["data"]:
            assert all(low <= high + 1e-9 for low, high in zip(line["y"], line["y"][1:], strict=False))
    text, code = (int(re.findall(r"(\d+)%", card.reading)[0]) for card in found.values())
    assert code > text + 10, "code comes back to the same pairs more often"
    assert Profile.load("code").about["text"] in found["code"].reading
