"""`codesign spaces`: the shipped search spaces."""

import argparse

from codesign.plaintext import table
from codesign.verbs.answer import Answer

SUMMARY = "list the search spaces that ship with codesign"
EXAMPLE = "codesign spaces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no arguments of its own."""


def run(options: argparse.Namespace) -> Answer:
    """List name, objectives, number of parameters and purpose of every shipped space."""
    import search_spaces

    spaces = [search_spaces.load(name) for name in search_spaces.names()]
    document = [
        {
            "name": space.name,
            "description": space.description,
            "model_parameters": [parameter.name for parameter in space.model_parameters],
            "hardware_parameters": [parameter.name for parameter in space.hardware_parameters],
            "objectives": list(space.objectives),
            "trains": bool(space.quality),
        }
        for space in spaces
    ]
    rows = [
        [
            space.name,
            f"{len(space.model_parameters)} + {len(space.hardware_parameters)}",
            "trains" if space.quality else "no training",
            ", ".join(space.objectives),
            space.description,
        ]
        for space in spaces
    ]
    return Answer(document, lambda: table(["space", "parameters", "quality", "objectives", ""], rows, left=5))
