"""Carbon: of the electricity of a million output tokens, and of making the system (figures of ACT)."""

from dataclasses import dataclass

from cost_models.catalogue import Catalogue
from cost_models.design import Number, Serving, System
from cost_models.energy import HOST_TIERS, Energy, utilisation
from cost_models.parts import Parts


@dataclass(frozen=True)
class Carbon:
    """Grams of CO2e per million output tokens from electricity; kilograms from making the parts, by part."""

    operational_g_per_mtok: Number
    embodied_kg: Number
    by_part: dict[str, Number]


def carbon(
    parts: Parts, system: System, serving: Serving, energy: Energy, tokens_per_s: Number, catalogue: Catalogue
) -> Carbon:
    """Carbon of a system; the static draw of idle hours is charged to the tokens of the busy ones."""
    busy = utilisation(serving, catalogue)
    joules = energy.j_per_token + energy.static_w * (1.0 - busy) / (busy * tokens_per_s)
    by_part: dict[str, Number] = {
        "accelerators": system.accelerators * parts.accelerator.embodied_kg,
        "nodes": system.nodes * parts.node.embodied_kg,
    }
    for name in HOST_TIERS:
        tier = parts.tiers[name]
        by_part[name] = system.nodes / tier.nodes_sharing * tier.embodied_kg_per_byte * tier.capacity_bytes
    return Carbon(
        operational_g_per_mtok=joules * 1e6 * catalogue.value("grid", "intensity") * 1e3,
        embodied_kg=sum(by_part.values()),
        by_part=by_part,
    )
