"""The view and the address are two forms of one value, and no address breaks the page."""

import math

from hypothesis import given
from hypothesis import strategies as st

from dashboard.view import MOST_PICKS, PAGES, View

_NAMES = st.sampled_from(["tpot_s", "bits_per_byte", "model.engram_share", "serving.tables.tier"])
_NUMBERS = st.floats(-1e6, 1e6).map(lambda number: float(f"{number:.5g}"))
_TRIALS = st.integers(0, 10**6)
_VIEWS = st.builds(
    View,
    page=st.sampled_from(PAGES),
    theme=st.sampled_from(["", "light", "dark"]),
    x=_NAMES,
    y=_NAMES,
    log=st.sampled_from([(), ("x",), ("x", "z")]),
    colour=_NAMES,
    front_only=st.booleans(),
    limits=st.dictionaries(_NAMES, st.tuples(_NUMBERS, _NUMBERS)),
    only=st.dictionaries(
        _NAMES, st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3).map(tuple)
    ),
    lasso=st.one_of(st.just(()), st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=3, max_size=9).map(tuple)),
    trial=st.one_of(st.none(), _TRIALS),
    picks=st.lists(_TRIALS, unique=True, max_size=MOST_PICKS).map(tuple),
    scenario=st.sampled_from(["", "pre_shortage"]),
    change=st.dictionaries(st.sampled_from(["dram", "context"]), _NUMBERS),
    saved=st.dictionaries(
        st.text("abc &=%é/", min_size=1, max_size=8),
        st.lists(_TRIALS, min_size=1, max_size=4).map(tuple),
        max_size=2,
    ),
)


@given(_VIEWS)
def test_the_address_gives_the_view_again(view: View) -> None:
    assert View.parse("?" + view.query()) == view


@given(st.text())
def test_any_text_is_an_address(text: str) -> None:
    view = View.parse(text)
    assert View.parse(view.query()) == view


def test_what_is_not_understood_is_left_out() -> None:
    view = View.parse(
        "?min.tpot_s=nan&max.tpot_s=inf&pick=1,x,2,3,4,5&page=nowhere&theme=pink&if.dram=a&trial=-4&z[]=1"
    )
    assert view == View(picks=(1, 2, 3, 4))
    assert all(math.isfinite(value) for value in view.change.values())


def test_picking_twice_takes_back_and_a_fifth_pick_drops_the_first() -> None:
    view = View().pick(1).pick(2).pick(1)
    assert view.picks == (2,)
    for trial in (3, 4, 5, 6):
        view = view.pick(trial)
    assert view.picks == (3, 4, 5, 6)


def test_a_part_changes_exactly_with_its_fields() -> None:
    one, other = View(x="tpot_s", trial=3), View(x="tpot_s", trial=4)
    assert one.part("x", "y") == other.part("x", "y")
    assert one.part("trial") != other.part("trial")
