"""The mismatch files: of each route all records with a sign each, and those that differ with what does.

`ROUTE.combined` is as `rclone check --combined` writes it: `= id`, `- id`, `+ row`, `* id`, `! id`.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import orjson

from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.kept import Outcome
from bulkmove.cutover.verify.result import SIGNS
from bulkmove.errors import ConfigError
from bulkmove.ledger.file import PRIVATE

# All, what differs and how, and a list of ids for each outcome.
_ENDINGS: Mapping[str, str] = {
    "combined": "combined",
    "differences": "differences.jsonl",
    "missing": "missing-on-target",
    "different": "differ",
    "extra": "extra",
    "doubled": "doubled",
    "stale": "stale",
    "new": "new",
    "error": "error",
}
_FOLDER = 0o700
_PLACE = re.compile(r"\[\d+\]")


def write_files(connection: sqlite3.Connection, route: str, directory: Path) -> Counter[str]:
    """Write the files of a route, in the place of those of an earlier verification; how many bodies differ in each field.

    Files and directory are the owner's alone. Raises ConfigError where they can't be written.
    """
    fields: Counter[str] = Counter()
    try:
        directory.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = _Files(stack, directory, route)
            for each in kept.told(connection, route):
                _write(each, files)
                if isinstance(each.detail, dict):
                    fields.update({_PLACE.sub("[]", path) for path in each.detail.get("fields", ())})
    except OSError as error:
        raise ConfigError(
            f"{error.filename or directory}: can't be written ({error.strerror}); see --out"
        ) from error
    return fields


class _Files:
    """The files of one route: those that name everything, and of the lists those that have something to name."""

    def __init__(self, stack: ExitStack, directory: Path, route: str) -> None:
        self._stack = stack
        stem = re.sub(r"[^\w.-]", "_", route)
        self._paths = {name: directory / f"{stem}.{ending}" for name, ending in _ENDINGS.items()}
        for path in self._paths.values():
            path.unlink(missing_ok=True)
        self._open: dict[str, TextIO] = {}
        for name in ("combined", "differences"):
            self[name]

    def __getitem__(self, name: str) -> TextIO:
        if name not in self._open:
            descriptor = os.open(self._paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
            self._open[name] = self._stack.enter_context(os.fdopen(descriptor, "w", encoding="utf-8"))
        return self._open[name]


def _write(each: Outcome, files: _Files) -> None:
    sign = SIGNS.get(each.outcome)
    if sign is None:
        return  # expected not to be there, open, or not kept
    name = _name(each)
    files["combined"].write(f"{sign} {name}\n")
    if each.outcome == "equal":
        return
    files[each.outcome].write(f"{name}\n")
    line: dict[str, object] = {"outcome": each.outcome}
    if each.outcome != "extra":
        line |= {"source_id": each.source_id, "body": each.body}
    line["row"] = each.row
    if isinstance(each.detail, dict):
        line |= each.detail
    files["differences"].write(orjson.dumps(line).decode() + "\n")


def _name(each: Outcome) -> str:
    """The source's id, a further body's number behind it; the row's id of a row that no record stands for."""
    name = each.source_id or each.row or ""
    name = name if name.isprintable() else json.dumps(name)
    return f"{name}#{each.body + 1}" if each.body else name
