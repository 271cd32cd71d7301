"""The suggested `rate` and `concurrency` put into a migration's file, whose comments and order stay."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.errors import ConfigError
from bulkmove.pipeline.placing import refuse_place, replace_file


def refuse_unwritable(path: Path, read: bytes, hosts: Iterable[str]) -> None:
    """Raises ConfigError where its owner may not write it, though it could be replaced, where its folder can't be written
    to, and where one of the hosts stands in `read`, which it holds, so that it can't be changed.
    """
    target = path.resolve()
    try:
        is_writable = bool(target.stat().st_mode & stat.S_IWUSR) and os.access(target, os.W_OK)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
    if not is_writable:
        raise ConfigError(f"{path}: may not be written: bench without --write, or let its owner write it")
    refuse_place(path.resolve(), "--write")
    _changed(path, read, [Suggestion(name, ("1/s",), 1, (), 1, "") for name in hosts])


def write_suggestions(path: Path, read: bytes, suggestions: Iterable[Suggestion]) -> tuple[str, ...]:
    """What was changed, a line each; nothing is written where nothing is to be.

    `read`: the file as it was when the bench began. Raises ConfigError where it is another by now, where a host is not
    in it as a table, and where it can't be written.
    """
    found = [s for s in suggestions if s.rate is not None or s.concurrency is not None]
    if not found:
        return ()
    try:
        target = path.resolve()
        if target.read_bytes() != read:
            raise ConfigError(f"{path}: was changed while the bench ran: nothing was written to it")
        mode = stat.S_IMODE(target.stat().st_mode)
        text, lines = _changed(path, read, found)
        replace_file(target, text.encode(), mode=mode)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
    return lines


def _changed(path: Path, read: bytes, suggestions: Iterable[Suggestion]) -> tuple[str, tuple[str, ...]]:
    """The file's text with what is suggested, and what was changed, a line each."""
    text = read.decode("utf-8-sig")
    lines: list[str] = []
    for each in suggestions:
        keys = _keys(each)
        try:
            text = _set(text, each.host, keys)
        except (TOMLKitError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}: hosts.{each.host}: stands there in a way that can't be changed:"
                " bench without --write, or state its keys in one table"
            ) from error
        lines += [
            f"hosts.{each.host}.{name} = {', '.join(value) if isinstance(value, list) else value}"
            for name, value in keys.items()
        ]
    return text, tuple(lines)


def _keys(suggestion: Suggestion) -> dict[str, str | list[str] | int]:
    keys: dict[str, str | list[str] | int] = {}
    if suggestion.rate is not None:
        keys["rate"] = suggestion.rate[0] if len(suggestion.rate) == 1 else list(suggestion.rate)
    if suggestion.concurrency is not None:
        keys["concurrency"] = suggestion.concurrency
    return keys


def _set(text: str, host: str, keys: Mapping[str, str | list[str] | int]) -> str:
    """Raises ValueError where the text says something else then. A host may stand in it in several places."""
    document, wanted = tomlkit.parse(text), tomllib.loads(text)
    table = document["hosts"][host]
    if not isinstance(table, MutableMapping):
        raise TypeError(host)
    table.update(keys)
    wanted["hosts"][host] |= keys
    changed = tomlkit.dumps(document)
    if tomllib.loads(changed) != wanted:
        raise ValueError(host)
    return changed
