"""`codesign bundles`: bottom-up, which building blocks are worth composing; and which features pay on a front."""

import argparse
import sys
from pathlib import Path
from typing import Any

from codesign.plaintext import number, table
from codesign.verbs.answer import Answer
from codesign.verbs.options import add_prices, add_storage, overrides

SUMMARY = "score building blocks alone and keep the good ones, or try features on the front of a study"
EXAMPLE = """
codesign bundles bundles --out kept.yaml          # score every block of the shipped space `bundles`, keep the best
codesign search kept.yaml --sampler group-pso --study composed --trials 60
codesign bundles --features composed              # switches on the front: what pays, what does not
codesign bundles digits                           # the same flow on pictures, with SkyNet's own boards
"""
PICTURES = "digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SPACE, or a study whose front gets features."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "space", metavar="SPACE", nargs="?", help="a space file or name; `digits`: the flow on pictures"
    )
    what.add_argument("--features", metavar="STUDY", help="try switches on the front of this study")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the space, narrowed to the kept bundles"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw what was scored")
    parser.add_argument("--seed", type=int, metavar="K", default=0, help="seed of the trainings on digits")
    add_storage(parser)
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Score bundles, or try features."""
    if options.features:
        from codesign.bundles.features import features

        document = features(options.features, options.storage)
        return Answer(document, lambda: _features_text(document))
    if options.space == PICTURES:
        from codesign.bundles.vision.flow import run as pictures

        document = pictures(options.seed, lambda text: print(text, file=sys.stderr))
        text = _pictures_text(document)
    else:
        document = _scored(options)
        text = _text(document, options.out)
    if options.picture:
        from codesign.bundles.picture import picture

        options.picture.write_text(picture(document), encoding="utf-8")
    return Answer(document, lambda: text)


def _scored(options: argparse.Namespace) -> dict[str, Any]:
    import cost_models
    import search_spaces
    from codesign.bundles.alone import alone
    from codesign.bundles.narrowed import narrowed

    space = search_spaces.load(options.space)
    catalogue = cost_models.load_catalogue(options.scenario, overrides(options))
    scored = alone(
        space, catalogue, progress=lambda n, of, name: print(f"{n + 1} of {of}: {name}", file=sys.stderr)
    )
    if options.out:
        options.out.write_text(narrowed(space, scored), encoding="utf-8")
    return {
        "space": space.name,
        "objectives": list(space.objectives),
        "bundles": [one.document() for one in scored],
    }


def _text(document: dict[str, Any], out: Path | None) -> str:
    objectives = document["objectives"]
    rows = [
        [
            "*" if one["kept"] else "",
            one["bundle"],
            *(number(one["values"].get(name), 4) for name in objectives),
            one["reason"] or "",
        ]
        for one in document["bundles"]
    ]
    kept = sum(one["kept"] for one in document["bundles"])
    lines = [table(["", "bundle", *objectives, ""], rows, left=2)]
    lines.append(f"\n{kept} of {len(rows)} bundles are beaten by no other in every objective (*).")
    lines.append("Each alone, at the best feasible hardware for each figure.")
    lines += [
        f"The proxies of these are one and the same: {', or '.join(names)}."
        for names in _same_proxy(document)
    ]
    if out:
        lines.append(
            f"The narrowed space: {out}; search it with `codesign search {out} --sampler group-pso`."
        )
    return "\n".join(lines)


def _same_proxy(document: dict[str, Any]) -> list[list[str]]:
    """Bundles that a proxy of this size cannot tell apart: only their costs differ."""
    alike: dict[str, list[str]] = {}
    for one in document["bundles"]:
        if one["proxy"]:
            alike.setdefault(one["proxy"], []).append(one["bundle"])
    return [names for names in alike.values() if len(names) > 1]


def _features_text(document: dict[str, Any]) -> str:
    names = list(document["features"][0]["change"])
    rows = [
        [
            one["feature"],
            f"{one['pays']} of {one['applies']}",
            *(_percent(one["change"][name]) for name in names),
            one["quality"],
        ]
        for one in document["features"]
    ]
    head = (
        f"Tried on {document['tried']} of {document['front']} designs of the front of {document['study']}.\n"
    )
    return head + table(["feature", "pays on", *names, "quality"], rows)


def _pictures_text(document: dict[str, Any]) -> str:
    parts = []
    for stage in ("bundles", "networks"):
        rows = [
            ["*" if p["kept"] else "", p["name"], f"{100 * p['error']:.1f} +- {100 * p['standard_error']:.1f}",
             f"{1e3 * p['fpga_s']:.1f}", f"{p['weights']:,}"]
            for p in document[stage]
        ]  # fmt: skip
        parts.append(table(["", stage, "error, %", "FPGA, ms", "weights"], rows, left=2))
    rows = [
        [f["feature"], f["on"], f"{100 * f['error_change']:+.1f} +- {100 * f['noise']:.1f}",
         _percent(f["time_change"]), "yes" if f["pays"] else "no"]
        for f in document["features"]
    ]  # fmt: skip
    parts.append(table(["feature", "on", "error, points", "time", "pays"], rows, left=2))
    rows = [
        [r["quantity"], number(r["published"], 4), number(r["predicted"], 4), _percent(r["error"]),
         "fitted" if r["fitted"] else ""]
        for r in document["skynet"]
    ]  # fmt: skip
    parts.append(table(["SkyNet", "published", "predicted", "error", ""], rows))
    return "\n\n".join(parts)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} %"
