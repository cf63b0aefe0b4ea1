"""One design with everything an export says about it, from a trial of a study or from a design file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cost_models
from codesign.errors import StudyError
from codesign.export.trained import Training
from cost_models.design import Design

if TYPE_CHECKING:
    from codesign import results


@dataclass(frozen=True)
class Specification:
    """A design, its prices and quality, and where it stands.

    quality: {bits_per_byte, standard_error, fidelity} or None.
    scenario, overrides: as `load_catalogue` takes them.
    origin: where the design comes from, for people. trial, front: its number and the front of its study, as
    `codesign front --json` has it; None and empty for a finished model.
    training: what its proxy was trained with; None where no quality is known.
    belief: how far published laws and how far trainings made the quality (proxy/belief.py), or None.
    """

    design: Design
    quality: dict[str, Any] | None = None
    scenario: str | None = None
    overrides: Mapping[str, float | str] = field(default_factory=dict)
    origin: str = ""
    trial: int | None = None
    front: list[dict[str, Any]] = field(default_factory=list)
    training: Training | None = None
    belief: Mapping[str, Any] | None = None

    def catalogue(self, changes: Mapping[str, float | str] | None = None) -> "cost_models.Catalogue":
        """The catalogue at the prices of this design, with further figures changed."""
        return cost_models.load_catalogue(self.scenario, {**self.overrides, **(changes or {})})

    def evaluation(self) -> "cost_models.Evaluation":
        """All figures of the design at its prices."""
        return cost_models.evaluate(self.design, self.catalogue())

    def document(self) -> dict[str, Any]:
        """The JSON document of `codesign evaluate`."""
        return self.evaluation().document(quality=self.quality)


def from_design(
    path: str | Path, scenario: str | None = None, overrides: Mapping[str, float | str] | None = None
) -> Specification:
    """A design file; `scenario` and `overrides` go before what the file says."""
    file = cost_models.read_design_file(path)
    file.check_prices()
    specification = Specification(
        file.design,
        file.quality,
        scenario if scenario is not None else file.scenario,
        {**file.overrides, **(overrides or {})},
        origin=Path(path).name,  # the folder is nobody's business who reads the report
        training=Training(file.quality["fidelity"]) if file.quality and file.quality["fidelity"] else None,
    )
    file.check_names(specification.catalogue())
    return specification


def from_study(
    study: str,
    storage: str,
    trial: int | None = None,
    best: str | None = None,
    scenario: str | None = None,
    overrides: Mapping[str, float | str] | None = None,
) -> Specification:
    """A trial of a study: by number, the best in one objective, or else the knee of the front.

    `scenario` and `overrides` go before the prices of the study, and choose and order its front too.
    Raises StudyError where the study, the trial or a feasible design is missing.
    """
    from codesign import results

    designs = results.Reader(study, storage).read()
    own = designs.attributes
    prices = scenario or own.get("scenario"), {**(own.get("overrides") or {}), **(overrides or {})}
    front = results.front(designs, *prices) if scenario or overrides else results.front(designs)
    if trial is None and best is not None:
        trial = results.best(designs, best)
    if trial is None:
        knees = [entry["trial"] for entry in front if entry["knee"]]
        if not knees:
            raise StudyError(
                f"study {study!r} has no feasible design yet; search on, or name one with --trial"
            )
        trial = knees[0]
    origin = f"trial {trial} of study {study}"
    return Specification(
        designs.design(trial),
        designs.quality(trial),
        *prices,
        origin,
        trial,
        front,
        _training(designs, trial),
        (_measured(designs, trial).get("quality") or {}).get("belief"),
    )


def _measured(designs: "results.Designs", trial: int) -> dict[str, Any]:
    """Attributes of the trial whose training a trial uses: its own, or of the one that it completes."""
    own = designs.trial(trial).user_attrs
    return dict(designs.trial(own["completes"]).user_attrs if "completes" in own else own)


def _training(designs: "results.Designs", trial: int) -> Training | None:
    """What the proxy of a trial was trained with; None where the space trains nothing."""
    from codesign.search.executors import beside

    space = designs.space
    if space.quality is None:
        return None
    asked, first = space.quality, _measured(designs, trial)
    return Training(
        beside(space, asked.fidelity),
        asked.seed,
        asked.corpus and beside(space, asked.corpus),
        str((first.get("quality") or {}).get("key") or ""),
    )
