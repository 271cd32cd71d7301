"""Every cause has its hint, and the documentation says the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bulkmove.pipeline.causes import HINTS, hint

ROOT = Path(__file__).parents[3]
# Not listed by `failures`: they skip a record.
SKIPPING = {"gone-at-source", "deleted-at-source", "row-left", "part-left", "decided"}
# Calls that name a cause at this place.
_BY_PLACE = {"rejected": 1, "_outcome": 2}


def documented() -> dict[str, str]:
    """Causes with what to do about them, as the table of the documentation has them."""
    text = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    found: dict[str, str] = {}
    for line in text.partition("## Causes")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            for cause in re.findall(r"`([a-z-]+)`", cells[0]):
                found[cause] = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cells[3]).replace("`", "").strip(" |")
    return found


def named_in_code() -> Iterator[str]:
    for file in (ROOT / "bulkmove").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and "HELD" not in ast.dump(node):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                given = [each.value for each in node.keywords if each.arg == "cause"]
                given += node.args[_BY_PLACE[name] : _BY_PLACE[name] + 1] if name in _BY_PLACE else []
                for value in given:
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value


def test_the_documentation_and_the_hints_say_the_same() -> None:
    table = {cause: do for cause, do in documented().items() if cause not in SKIPPING}
    assert table == dict(HINTS)


def test_every_cause_that_the_code_names_has_a_hint() -> None:
    causes = {cause for cause in named_in_code() if re.fullmatch(r"[a-z]+(-[a-z]+)*", cause)} - SKIPPING
    assert len(causes) > 25
    assert sorted(causes - HINTS.keys() - {"rejected"}) == []


def test_a_cause_that_a_mapper_names_has_a_hint_too() -> None:
    assert hint("no-such-size") == "do as its message says: the mapper named this cause"
