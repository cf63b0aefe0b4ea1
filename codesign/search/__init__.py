"""Which design next, and how the search over them is run: `run` is the door."""

from typing import Any

from search_spaces import Space


def run(space: Space, study: str, storage: str, **options: Any) -> dict[str, Any]:
    """Search a space; see `codesign.search.session.run`, which is loaded on first use."""
    from codesign.search import session

    return session.run(space, study, storage, **options)
