"""The noise of a study's own trainings, measured at its start where no shipped figure holds."""

import sys

from codesign import proxy
from codesign.proxy import fidelity, rank_study
from codesign.proxy.noise import Noise, find
from codesign.search.executors import beside
from cost_models.errors import InputError
from search_spaces import Space

SEEDS, MODELS = 3, 2


def measured(space: Space, store: proxy.Store) -> Noise | None:
    """The noise of a space's recipe on its own text: known, or from a few trainings now.

    None for the bundled text, whose noise stands in the recipe, for a space without trainings, and for one
    with a single model, where there is nothing to compare. Later results of `store` carry what is found.
    """
    quality = space.quality
    if quality is None or quality.mode == "prior" or quality.corpus is None:
        return None
    recipe = fidelity.load(beside(space, quality.fidelity))
    corpus = beside(space, quality.corpus)
    known = find(store, recipe, corpus)
    if known is not None:
        return known
    try:
        models = [model for _, model in rank_study.draw(space, MODELS, 0, recipe)]
    except InputError:
        return None
    print(f"measuring the noise of {recipe.name} on {corpus}: {MODELS * SEEDS} trainings", file=sys.stderr)
    return proxy.calibrate(models, recipe, SEEDS, corpus, store)
