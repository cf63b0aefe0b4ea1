"""The scored bundles or networks as one SVG: large dots are kept, the line joins what nothing beats in both figures."""

from typing import Any

from codesign.export.charts import Point, scatter
from cost_models import OBJECTIVES

_STYLE = (
    "<style>svg { background: #fff; font: 11px sans-serif; } .grid { stroke: #dfe4ec; } .axis { font-size: 12px; } "
    ".other { fill: #0b5cad; fill-opacity: .45; } .chosen { fill: #a3380b; stroke: #fff; } "
    ".front { fill: none; stroke: #0b5cad; stroke-opacity: .6; }</style>"
)


def picture(document: dict[str, Any]) -> str:
    """A standalone SVG of the document of `codesign bundles`: the first objective against the last one."""
    if "skynet" in document:
        scored = [*document["bundles"], *document["networks"]]
        points = [Point(1e3 * p["fpga_s"], 100 * p["error"], p["name"], p["kept"]) for p in scored]
        return _alone(scatter(points, "FPGA, ms a picture (↓ is better)", "wrong digits, % (↓ is better)"))
    first, last = (OBJECTIVES[document["objectives"][place]] for place in (0, -1))
    points = [
        Point(one["values"][last.name], one["values"][first.name], one["bundle"], one["kept"])
        for one in document["bundles"]
        if one["values"]
    ]
    x, y = (1 if each.direction == "maximize" else -1 for each in (last, first))
    across, up = (f"{each.label}, {each.unit}" for each in (last, first))
    return _alone(scatter(points, across, up, better=(x, y)))


def _alone(svg: str) -> str:
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="630" ', 1).replace(
        ">", f">{_STYLE}", 1
    )
