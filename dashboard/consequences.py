"""What a what-if did, in words. Pure."""

from collections import Counter

import numpy as np

from dashboard import phase, whatif, words
from dashboard.designs import Designs, Mask
from dashboard.view import View

_POINTS = 128  # along a change of price


def changed(before: Designs, after: Designs) -> str:
    """What a what-if did: who joins and leaves the front, what it costs now, what broke, what the front is made of."""
    gone, came = before.front & ~after.front, after.front & ~before.front
    parts = [f"{words.many(int(came.sum()), 'design')} {'joins' if came.sum() == 1 else 'join'} the front and "
             f"{int(gone.sum())} {'leaves' if gone.sum() == 1 else 'leave'} it"
             if came.any() or gone.any() else "the front keeps its designs"]  # fmt: skip
    if after.knee is not None and after.knee != before.knee:
        row = after.row(after.knee)
        assert row is not None
        parts.append(f"the knee moves from #{before.knee} to #{after.knee} ({words.naming(after, row)})")
    both = before.front & after.feasible
    for name in after.objectives:
        was, now = (designs.table[name].to_numpy(float)[both] for designs in (before, after))
        known = (was > 0) & (now > 0)
        ratio = float(np.median(now[known] / was[known])) if known.any() else 1.0
        if abs(ratio - 1) >= 0.005:
            parts.append(
                f"its {after.columns[name].label} {'rises' if ratio > 1 else 'falls'} by {_percent(ratio)} (median)"
            )
    broken = before.feasible & ~after.feasible
    if broken.any():
        parts.append(f"{words.many(int(broken.sum()), 'design')} now {'breaks' if broken.sum() == 1 else 'break'} "
                     f"the space's {' or '.join(_reasons(after, broken)[:2]) or 'limits'}")  # fmt: skip
    parts += [
        shift for name in words.NAMING[:3] if name in after.columns if (shift := _shift(before, after, name))
    ]
    return "With this change " + "; ".join(parts) + "."


def switch(before: Designs, after: Designs, view: View, usual: float) -> str:
    """`The cheapest design ... has tables in DRAM below 31 USD/GB, ...`: where a change of one price flips it, or "".

    usual: the price before, in the quantity's unit. Cost grows along a line with a price, so that both ends give all
    between. Looked at are the designs as good as the knee within the noise, where the view's limits keep them at both.
    """
    asked = [whatif.QUANTITIES[name] for name in view.change if name in whatif.QUANTITIES]
    tier = next((name for name in words.NAMING[:2] if name in after.columns), "")
    if len(asked) != 1 or not asked[0].costs or view.scenario or not tier or phase.PRICE not in after.columns:
        return ""
    price = asked[0]
    ends = usual, view.change[price.name]
    both = phase.good_enough(after) & before.feasible & after.feasible & before.kept(view) & after.kept(view)
    rows = np.flatnonzero(both)
    if not len(rows):
        return ""
    costs = [designs.table[phase.PRICE].to_numpy(float)[rows] for designs in (before, after)]
    if ends[0] > ends[1]:
        ends, costs = ends[::-1], costs[::-1]
    along = np.linspace(0, 1, _POINTS)
    start, slope = costs[0], costs[1] - costs[0]
    best = np.argmin(start + along[:, None] * slope, axis=1)
    winners = after.texts(tier)[rows][best]
    flips = np.flatnonzero(winners[1:] != winners[:-1])
    if not len(flips):
        return ""
    one, two = best[flips], best[flips + 1]
    crossings = (start[two] - start[one]) / (slope[one] - slope[two])
    edges = [price.text(float(ends[0] + at * (ends[1] - ends[0]))) for at in crossings]
    parts = [f"{_tables(winners[0])} below {edges[0]}"]
    parts += [f"{_tables(winners[n + 1])} from {low} to {high}"
              for n, low, high in zip(flips, edges, edges[1:], strict=False)]  # fmt: skip
    parts.append(f"{_tables(winners[-1])} above {edges[-1]}")
    return f"The cheapest design as good as the knee has {', '.join(parts)}."


def _tables(tier: str) -> str:
    return "no tables" if tier == "-" else f"tables in {tier.upper()}"


def _percent(ratio: float) -> str:
    """`8%`; with a decimal where it is little."""
    return f"{abs(ratio - 1):.1%}" if abs(ratio - 1) < 0.095 else f"{abs(ratio - 1):.0%}"


def _reasons(designs: Designs, broken: Mask) -> list[str]:
    """The limits of the space that some designs break, the one that most of them break first."""
    counts = Counter(
        {column.label: int((designs.table[column.name].to_numpy(float)[broken] > 0).sum())
         for column in designs.named("violation")}
    )  # fmt: skip
    return [label for label, count in counts.most_common() if count]


def _shift(before: Designs, after: Designs, name: str) -> str:
    """`table tier on the front: hbm 12 → 3, cxl 0 → 9`: how many designs of the front have which value."""
    texts = after.texts(name)
    moves = []
    for value in np.unique(texts):
        then, now = (int((designs.front & (texts == value)).sum()) for designs in (before, after))
        if then != now:
            moves.append((-abs(now - then), f"{'none' if value == '-' else value} {then} → {now}"))
    return (
        f"{after.columns[name].label} on the front: {', '.join(text for _, text in sorted(moves)[:4])}"
        if moves
        else ""
    )
