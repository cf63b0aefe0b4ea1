"""Medusa: how many tokens a decode step yields when it checks a tree of guesses (arXiv 2401.10774).

Head k guesses the token k + 2 places on, and its rank-r guess is right with probability a_k(r). A node of the
tree is a path of ranks (r_0, ..., r_d), one a head. With heads taken as independent, a step of one certain token
and the nodes of a tree yields
    E = 1 + sum over nodes v of the product over d of a_d(v_d)   tokens.
The best tree of n nodes holds the n paths of the largest products, found greedily, since a path is never likelier
than its parent nor than its better sibling. What such a step costs is the business of latency.py: it
computes 1 + n tokens a sequence, with the logits of all heads.
"""

import heapq
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cost_models import yamlfile
from cost_models.architecture import parameters
from cost_models.design import Model, Number, Serving
from cost_models.errors import InputError

PUBLISHED = "published"
MOST_NODES = 1024
_FILE = Path(__file__).with_name("acceptance.yaml")

Path_ = tuple[int, ...]


@dataclass(frozen=True)
class Acceptance:
    """How often heads are right. guesses[k][r]: probability that the rank-r guess of head k is the token.

    parameters: of the model it was measured on. source: where, for people.
    """

    name: str
    source: str
    parameters: float
    guesses: tuple[tuple[float, ...], ...]

    def first(self, heads: int) -> "Acceptance":
        """The same with so many heads; more than were measured are never right."""
        return Acceptance(self.name, self.source, self.parameters, self.guesses[:heads])


@dataclass(frozen=True)
class Speculation:
    """tokens_per_step: computed per sequence and decode step; accepted_tokens: of which so many are kept.

    Scalars or (designs,); 1 and 1 without heads. acceptance: what says so, None without heads.
    """

    tokens_per_step: Number
    accepted_tokens: Number
    acceptance: Acceptance | None


def speculate(model: Model, serving: Serving) -> Speculation:
    """What the heads of a model and the tree of a serving make of a decode step.

    Raises InputError for an acceptance table that cannot be read.
    """
    if not model.medusa_heads:
        return Speculation(1, 1.0, None)
    found = acceptance(model, serving.medusa_acceptance)
    yields = _yields(found.first(model.medusa_heads))
    nodes = np.minimum(serving.medusa_tree, len(yields) - 1)
    expected = np.asarray(yields)[np.asarray(nodes, dtype=int)]
    return Speculation(1 + nodes, float(expected) if expected.ndim == 0 else expected, found)


def acceptance(model: Model, name: str = PUBLISHED) -> Acceptance:
    """The table of a file, or the published one of the model that is nearest in size (without tables and heads).

    Raises InputError with file and line for what is wrong.
    """
    if name != PUBLISHED:
        found = _of_file(name)
        if len(found) != 1:
            raise InputError(f"{name}: must hold one table of acceptance, got {len(found)}")
        return found[0]
    count = parameters(model)
    size = math.log(count.total - count.tables - count.by_part["medusa"])
    return min(_of_file(str(_FILE)), key=lambda one: abs(math.log(one.parameters) - size))


def tree(found: Acceptance, nodes: int) -> list[Path_]:
    """The tree of so many nodes that yields most tokens, likeliest first; fewer where there are no more guesses."""
    return [path for _, path in _grown(found, nodes)]


def expected_tokens(found: Acceptance, paths: list[Path_]) -> float:
    """Tokens that a step yields with any tree, one certain token included; ranks that were not measured count 0."""
    return 1.0 + sum(_probability(found, path) for path in paths)


@lru_cache(maxsize=256)
def _yields(found: Acceptance) -> tuple[float, ...]:
    """Tokens a step yields with the best tree of 0, 1, 2, ... nodes."""
    return tuple(np.cumsum([1.0, *(probability for probability, _ in _grown(found, MOST_NODES))]))


def _grown(found: Acceptance, nodes: int) -> list[tuple[float, Path_]]:
    frontier: list[tuple[float, Path_]] = [(-_probability(found, (0,)), (0,))]
    taken: list[tuple[float, Path_]] = []
    while frontier and len(taken) < nodes:
        negative, path = heapq.heappop(frontier)
        if negative == 0.0:
            break
        taken.append((-negative, path))
        for other in ((*path[:-1], path[-1] + 1), (*path, 0)):  # the next sibling and the first child
            heapq.heappush(frontier, (-_probability(found, other), other))
    return taken


def _probability(found: Acceptance, path: Path_) -> float:
    if len(path) > len(found.guesses):
        return 0.0
    ranks = zip(found.guesses, path, strict=False)
    return math.prod(guesses[rank] if rank < len(guesses) else 0.0 for guesses, rank in ranks)


def _of_file(path: str) -> tuple[Acceptance, ...]:
    """The tables of a file, read again when it has changed."""
    place = Path(path)
    return _read(path, place.stat().st_mtime_ns if place.exists() else 0)


@lru_cache(maxsize=32)
def _read(path: str, changed: int) -> tuple[Acceptance, ...]:
    document = yamlfile.read(Path(path))
    entries = document.data.get("tables") if isinstance(document.data, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise document.error(("tables",), "must map names to tables of acceptance")
    return tuple(_table(document, str(name), entry) for name, entry in entries.items())


def _table(document: yamlfile.Document, name: str, entry: Any) -> Acceptance:
    place = ("tables", name)
    if not isinstance(entry, dict) or not isinstance(entry.get("parameters"), int | float):
        raise document.error(place, "must have parameters, source and correct")
    correct: Any = entry.get("correct")
    good = isinstance(correct, list) and all(
        isinstance(row, list) and row and all(isinstance(x, int | float) and 0 <= x <= 1 for x in row)
        for row in correct
    )
    if not good:
        raise document.error((*place, "correct"), "must hold a list of shares from 0 to 1 for each head")
    guesses = tuple(tuple(float(x) for x in np.diff([0.0, *row])) for row in correct)
    if any(rank < 0 for row in guesses for rank in row):
        raise document.error((*place, "correct"), "must not fall with the number of guesses")
    return Acceptance(name, str(entry.get("source", document.file)), float(entry["parameters"]), guesses)
