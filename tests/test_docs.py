"""The documents keep up with the program: every verb and option is written down, and every link leads somewhere.

`python tests/test_docs.py` writes docs/commands.md anew from the command line itself.
"""

import argparse
import re
from pathlib import Path

import pytest

from codesign import cli

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs" / "commands.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def reference() -> str:
    """docs/commands.md: every verb with its arguments and examples."""
    verbs = next(
        action.choices
        for action in cli.build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    parts = [
        "# Commands\n\nWritten by `python tests/test_docs.py` from the command line itself. Every command prints text "
        "for people, or\nwith `--json` exactly one JSON document; progress and warnings go to stderr. Exit status: 0 "
        "done, 1 could not\n(one line on stderr says what, where and what to do), 2 wrong usage.\n"
    ]
    for name, parser in verbs.items():
        example = (parser.epilog or "").partition("Example:\n")[2]
        lines = [f"## codesign {name}\n", f"{parser.description}\n", "```sh"]
        lines += [line.strip() for line in example.splitlines()]
        lines += [
            "```\n",
            *(_argument(action) for action in parser._actions if action.dest not in ("help", "json")),
        ]
        parts.append("\n".join(lines).rstrip() + "\n")
    return "\n".join(parts)


def _argument(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or ()))
    name = " ".join(filter(None, [", ".join(action.option_strings), value if action.nargs != 0 else ""]))
    return f"- `{name or action.dest}`" + (f": {action.help}" if action.help else "")


def test_the_commands_are_written_down_as_they_are() -> None:
    assert COMMANDS.read_text(encoding="utf-8") == reference(), "run `python tests/test_docs.py`"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_is_in_the_documents(verb: str) -> None:
    assert any(f"codesign {verb}" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", re.sub(r"```.*?```", "", text, flags=re.S))
    targets = [first or second for first, second in links]
    local = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    assert not [target for target in local if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_can_be_parsed(page: Path) -> None:
    shown = re.findall(r"^(?:\$ )?codesign ([^#|>\n]*)", "\n".join(code_of(page)), flags=re.M)
    for line in shown:
        words = line.replace("\\", " ").split()
        if not words or any(word in ("...", "VERB") or word.isupper() for word in words):
            continue
        try:
            cli.build_parser().parse_args(words)
        except SystemExit as ended:
            assert ended.code == 0, f"{page.name}: codesign {line}"


def code_of(page: Path) -> list[str]:
    """The code blocks of a page, with continued lines joined."""
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)
    return [block.replace("\\\n", " ") for block in blocks]


if __name__ == "__main__":
    COMMANDS.write_text(reference(), encoding="utf-8")
