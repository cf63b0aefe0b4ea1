"""What-ifs over the designs of a study, one after another; the last answers are kept."""

from collections import OrderedDict
from collections.abc import Callable

from codesign.costing import Columns, Costing
from cost_models.catalogue import Catalogue
from cost_models.design import Design

MOST_LOADS = 8


class Recoster:
    """Figures of the same designs under one what-if after another.

    A change of load needs every model's operators again, a change of prices one call: so the two are kept apart.
    """

    def __init__(self, costing: Costing, usual: Columns | None = None) -> None:
        """usual: the figures as the study has them, where they are known."""
        self.costing = costing
        self._loads: OrderedDict[str, Columns] = OrderedDict({} if usual is None else {"": usual})

    def figures(
        self, load: str, prices: Catalogue | None, usual: Catalogue, change: Callable[[Design], Design]
    ) -> Columns:
        """The figures under a change.

        load: names what `change` does to load and limits, "" for nothing; prices: None for the usual ones.
        """
        found = self._loads.get(load)
        if found is None:
            found = self.costing.changed(usual, change) if load else self.costing.costed(usual)
            self._loads[load] = found
            while len(self._loads) > MOST_LOADS:
                self._loads.popitem(last=False)
        return found if prices is None else self.costing.repriced(found, prices, change)
