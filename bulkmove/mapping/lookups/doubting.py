"""Decisions held against the rows of their look-up: what can't be, and what is likely a slip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bulkmove.mapping.lookups.decisions import Decisions, check_kinds
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import text_of
from bulkmove.settings import LookupSettings

_MOST_TOLD = 5


def doubts_of(path: Path, lookup: LookupSettings, decisions: Decisions, index: Index) -> Iterator[str]:
    """A sentence for each decision that fits none of the rows, which were loaded whole.

    A value may be right all the same: the list need not be complete. Raises ConfigError for what can't be: text where
    all values are whole numbers.
    """
    decided = decisions.of(lookup.name)
    if not decided:
        return
    check_kinds(path, lookup, decided, index.values())
    if lookup.inline is not None:
        return  # a table that stands in the configuration itself is no list of all that there is
    told = list(_doubts(path, lookup, decisions, index))
    yield from told[:_MOST_TOLD]
    if len(told) > _MOST_TOLD:
        yield f"{path.name}: [{lookup.name}]: and {len(told) - _MOST_TOLD} more decisions that fit none of its rows"


def _doubts(path: Path, lookup: LookupSettings, decisions: Decisions, index: Index) -> Iterator[str]:
    known = {text_of(value) for value in index.values() if not isinstance(value, dict | list)}
    strange: set[str] = set()
    for (outer, key), decision in decisions.of(lookup.name).items():
        where = f"{path.name}: [{lookup.name}]"
        if lookup.within is not None:
            where = f'{path.name}: [{lookup.name}."{outer}"]'
            if outer not in index.outers:
                if outer not in strange:
                    strange.add(outer)
                    yield f"{where}: no row of lookups.{lookup.name} has the {lookup.within} {outer!r}"
                continue
        if decision.kind != "value":
            continue
        value = text_of(decision.value)
        if value not in known:
            yield f"{where} {key!r}: no row of lookups.{lookup.name} has the {lookup.value} {decision.value!r}"
        elif lookup.within is not None and value not in map(_text, index.values(outer)):
            yield (
                f"{where} {key!r}: the {lookup.value} {decision.value!r} belongs to another {lookup.within}"
                f" than {outer!r}"
            )


def _text(value: object) -> str | None:
    return None if isinstance(value, dict | list) else text_of(value)
