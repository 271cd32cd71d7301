"""The suggested `rate` and `concurrency` put into a migration's file, whose comments and order stay."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable

from bulkmove.cutover.bench.result import refuse_place
from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.errors import ConfigError
from bulkmove.pipeline.placing import replace_file


def refuse_unwritable(path: Path) -> None:
    """Raises ConfigError where its owner may not write it, though it could be replaced, or where its folder can't be written to."""
    target = path.resolve()
    try:
        is_writable = bool(target.stat().st_mode & stat.S_IWUSR) and os.access(target, os.W_OK)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
    if not is_writable:
        raise ConfigError(f"{path}: may not be written: bench without --write, or let its owner write it")
    refuse_place(path.resolve(), "--write")


def write_suggestions(path: Path, read: bytes, suggestions: Iterable[Suggestion]) -> tuple[str, ...]:
    """What was changed, a line each; nothing is written where nothing is to be.

    `read`: the file as it was when the bench began. Raises ConfigError where it is another by now, where a host is not
    in it as a table, and where it can't be written.
    """
    found, lines = [s for s in suggestions if s.rate is not None or s.concurrency is not None], list[str]()
    if not found:
        return ()
    try:
        target = path.resolve()
        if target.read_bytes() != read:
            raise ConfigError(f"{path}: was changed while the bench ran: nothing was written to it")
        mode = stat.S_IMODE(target.stat().st_mode)
        document = tomlkit.parse(read.decode("utf-8-sig"))
        for each in found:
            lines += _set(document, each, path)
        replace_file(target, tomlkit.dumps(document).encode(), mode=mode)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
    except TOMLKitError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    return tuple(lines)


def _set(document: tomlkit.TOMLDocument, suggestion: Suggestion, path: Path) -> Iterable[str]:
    host = document.get("hosts", {}).get(suggestion.host)
    if not isinstance(host, (AbstractTable, tomlkit.items.InlineTable)):
        raise ConfigError(f"{path}: hosts.{suggestion.host}: stands there in a way that can't be changed")
    if suggestion.rate is not None:
        rates = list(suggestion.rate)
        host["rate"] = rates[0] if len(rates) == 1 else rates
        yield f"hosts.{suggestion.host}.rate = {', '.join(rates)}"
    if suggestion.concurrency is not None:
        host["concurrency"] = suggestion.concurrency
        yield f"hosts.{suggestion.host}.concurrency = {suggestion.concurrency}"
