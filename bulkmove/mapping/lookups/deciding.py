"""decisions.toml, written for a person: what is decided stays as it is, what is to be decided stands as "?"."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, Comment, InlineTable, KeyType, SingleKey, String

from bulkmove.errors import ConfigError
from bulkmove.exact import is_utf8
from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.mapping.lookups.decisions import UNDECIDED
from bulkmove.settings import LookupSettings

_HEAD = (
    'What becomes of values that no look-up resolves. Write in place of each "?":',
    '  a value to take, as 63933 or "text" · "skip": such records are skipped · "default": the look-up\'s default, else null',
    'What stays "?" becomes what `missing` of its look-up says. { value = "skip" } is the text "skip" itself.',
    '`bulkmove plan` adds and removes "?" lines, and leaves all others as they are.',
)
_BECOMES = {"rejected": "", "null": "; becomes null", "default": "; becomes the default"}
_LONGEST_NAME = 60
Table = MutableMapping[Any, Any]


def merge_decisions(
    path: Path,
    unresolved: Sequence[Unresolved],
    *,
    lookups: Mapping[str, LookupSettings],
    is_whole: bool = True,
) -> bool:
    """Put what is unresolved into the decisions file; whether the file was written (it is not where nothing changes).

    Decided entries, comments and their order stay. Undecided entries of these `lookups` that did not occur any
    more go, unless only a part of the source was read (`is_whole` False). Written in one step, readable by its
    owner alone. Raises ConfigError where the file can't be read or written. Blocks.
    """
    old = _read(path)
    document = _parsed(path, old or "")
    occurring = [each for each in unresolved if is_utf8(each.value + (each.within or ""))]
    if is_whole:
        _remove_gone(document, lookups, occurring)
    if old is None:
        for line in _HEAD:
            document.add(tomlkit.comment(line))
        document.add(tomlkit.nl())
    groups: dict[tuple[str, str | None], list[Unresolved]] = {}
    for each in occurring:
        groups.setdefault((each.lookup, each.within), []).append(each)
    added = _Added(old or "")
    for group in groups.values():
        _put(document, group, added)
    new = added.in_text(tomlkit.dumps(document))
    if new == old or (old is None and not occurring):
        return False
    _write(path, new)
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error


def _parsed(path: Path, text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _remove_gone(
    document: tomlkit.TOMLDocument, lookups: Mapping[str, LookupSettings], occurring: Sequence[Unresolved]
) -> None:
    occur: dict[tuple[str, str | None], set[str]] = {}
    for each in occurring:
        occur.setdefault((each.lookup, each.within), set()).add(each.value)
    for name in lookups.keys() & set(document):
        table = document[name]
        if not isinstance(table, AbstractTable | OutOfOrderTableProxy):
            continue
        # Only with `within` is a table in a table one of values: elsewhere it is a value, { value = "?" }.
        if lookups[name].within is None:
            _remove_from(table, occur.get((name, None), set()))
            continue
        for outer in list(table):
            inner = table[outer]
            if isinstance(inner, AbstractTable | OutOfOrderTableProxy):
                _remove_from(inner, occur.get((name, str(outer)), set()))
                if not inner and not _has_comments(inner):
                    del table[outer]


def _remove_from(table: Table, occurring: set[str]) -> None:
    for value in [each for each, given in table.items() if given == UNDECIDED and each not in occurring]:
        del table[value]


def _has_comments(table: AbstractTable | OutOfOrderTableProxy) -> bool:
    return isinstance(table, OutOfOrderTableProxy) or any(
        isinstance(item, Comment) for _, item in table.value.body
    )


class _Added:
    """New entries of tables that stand in a document as one mark each, and are put in its place in the finished text.

    To append entries to a table takes tomlkit the square of their number.
    """

    def __init__(self, old: str) -> None:
        # For private use, so that no comment has it (see `_plain`).
        self._mark = "\ue000"
        while self._mark in old:
            self._mark += "\ue000"
        self._groups: list[Sequence[Unresolved]] = []

    def mark(self, group: Sequence[Unresolved]) -> SingleKey:
        self._groups.append(group)
        return _quoted(f"{self._mark}{len(self._groups) - 1}")

    def in_text(self, text: str) -> str:
        entry = re.compile(rf'^(.*)"{self._mark}(\d+)" = "\?"$', re.MULTILINE)
        return entry.sub(self._lines, text) if self._groups else text

    def _lines(self, found: re.Match[str]) -> str:
        before = found[1]  # an indent, or the table's own name: region."Cluj" = "?"
        group = self._groups[int(found[2])]
        return "\n".join(
            f'{before}{_quoted(each.value).as_string()} = "?"  # {_said(each)}' for each in group
        )


def _put(document: tomlkit.TOMLDocument, group: Sequence[Unresolved], added: _Added) -> None:
    """Add undecided entries of one table, or tell what holds of them now."""
    lookup, within = group[0].lookup, group[0].within
    parent: Table = document
    if within is not None:
        if lookup not in document:
            document.append(lookup, tomlkit.table(is_super_table=True))
        parent = document[lookup]
    name = lookup if within is None else within
    if name in parent:
        _extend(parent[name], group, added)
    elif isinstance(parent, InlineTable):
        parent[name] = {each.value: UNDECIDED for each in group}
    else:
        new = tomlkit.parse(f'[{_quoted(name).as_string()}]\n{added.mark(group).as_string()} = "?"\n\n')
        _append(parent, name if within is None else _quoted(name), new[name])


def _extend(table: Table, group: Sequence[Unresolved], added: _Added) -> None:
    if isinstance(table, InlineTable):  # within its braces no comment can stand
        for each in group:
            table.setdefault(each.value, UNDECIDED)
        return
    for each in group:
        if table.get(each.value) == UNDECIDED:
            table[each.value] = _undecided(each)
    if new := [each for each in group if each.value not in table]:
        _append(table, added.mark(new), tomlkit.string(UNDECIDED))


def _append(table: Table, key: str | SingleKey, item: Any) -> None:
    if isinstance(table, AbstractTable | tomlkit.TOMLDocument):
        table.append(key, item)
    else:  # a table that stands in several places of the file
        table[key] = item


def _undecided(each: Unresolved) -> String:
    item = tomlkit.string(UNDECIDED)
    item.comment(_said(each))
    item.trivia.comment_ws = "  "
    return item


def _quoted(key: str) -> SingleKey:
    """Values of records are always quoted, also where TOML would not ask for it."""
    return SingleKey(key, KeyType.Basic)


def _said(each: Unresolved) -> str:
    records = "1 record" if each.records == 1 else f"{each.records:,} records"
    first = "" if each.first_id is None else f", as {each.first_id}"
    near = ""
    if each.is_ambiguous:
        pairs = ", ".join(f"{_name(c.key)} → {_name(c.value)}" for c in each.candidates)
        near = f"; could be {pairs}"
    elif each.candidates:
        pairs = ", ".join(f"{_name(c.key)} → {_name(c.value)} ({c.score:.0f} %)" for c in each.candidates)
        near = f"; nearest: {pairs}"
    return _plain(f"{records}{first}{_BECOMES[each.becomes]}{near}")


def _name(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _plain(text: str) -> str:
    """What a TOML comment can hold: no line breaks, no control characters, nothing without UTF-8."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _write(path: Path, text: str) -> None:
    """Never half written, and never readable by others: values may be personal data."""
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from its first byte
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
