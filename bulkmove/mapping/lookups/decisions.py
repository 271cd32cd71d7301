"""What a person decided on values that no table resolves, as decisions.toml says it."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bulkmove.errors import ConfigError
from bulkmove.exact import canonical_json
from bulkmove.mapping.lookups.normal import normalise
from bulkmove.settings import LookupSettings

Kind = Literal["value", "skip", "default"]
UNDECIDED = "?"
SKIP = "skip"
DEFAULT = "default"


class Decision(NamedTuple):
    """What to do with one value: take `value`, skip the record on purpose, or take the look-up's default (else null)."""

    kind: Kind
    value: Any = None


class Decisions:
    """The decided entries of one migration; what is undecided (`"?"`) is left to the look-ups.

    `undecided`: how many such entries each look-up has.
    """

    def __init__(
        self,
        entries: Mapping[str, Mapping[tuple[str, str], Decision]] | None = None,
        *,
        undecided: Mapping[str, int] | None = None,
    ) -> None:
        self._entries = {name: dict(found) for name, found in (entries or {}).items() if found}
        self.undecided = dict(undecided or {})
        self._by_form: dict[str, dict[tuple[str, str], Decision | None]] = {}

    def find(self, lookup: LookupSettings, key: str, outer: str | None) -> Decision | None:
        """By the very value, else by its normal form where the look-up matches so and all that have the form agree."""
        entries = self._entries.get(lookup.name)
        if entries is None:
            return None
        decision = entries.get((outer or "", key))
        if decision is not None or lookup.match == "exact":
            return decision
        if lookup.name not in self._by_form:
            self._by_form[lookup.name] = _forms(entries)
        return self._by_form[lookup.name].get((outer or "", normalise(key)))

    def of(self, lookup: str) -> Mapping[tuple[str, str], Decision]:
        """What is decided of one look-up: by outer value ("" without `within`) and value."""
        return self._entries.get(lookup, {})

    def digest(self, lookup: str) -> str | None:
        """The same for the same decisions, whatever their order and comments; None where nothing is decided."""
        entries = self._entries.get(lookup)
        if entries is None:
            return None
        plain = sorted([outer, key, *decision] for (outer, key), decision in entries.items())
        return hashlib.sha256(canonical_json(plain)).hexdigest()


def _forms(
    entries: Mapping[tuple[str, str], Decision],
) -> dict[tuple[str, str], Decision | None]:
    forms: dict[tuple[str, str], Decision | None] = {}
    for (outer, key), decision in entries.items():
        form = (outer, normalise(key))
        forms[form] = decision if forms.get(form, decision) == decision else None
    return forms


def load_decisions(path: Path, lookups: Mapping[str, LookupSettings]) -> Decisions:
    """The decisions of a file that need not be there. Raises ConfigError with file, table and key. Blocks."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Decisions()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    found = {name: list(_table(path, name, table, lookups)) for name, table in document.items()}
    decided = {
        name: {key: decision for key, decision in entries if decision is not None}
        for name, entries in found.items()
    }
    undecided = {name: len(entries) - len(decided[name]) for name, entries in found.items()}
    for name, entries in decided.items():
        if (inline := lookups[name].inline) is not None:
            check_kinds(path, lookups[name], entries, inline.values())
    return Decisions(decided, undecided=undecided)


def check_kinds(
    path: Path,
    lookup: LookupSettings,
    decided: Mapping[tuple[str, str], Decision],
    values: Iterable[Any],
) -> None:
    """Raises ConfigError for text and fractions that stand where all values of the look-up are whole numbers."""
    kinds = set(map(type, values))
    if kinds != {int}:
        return
    for (outer, key), decision in decided.items():
        given = decision.value
        if decision.kind != "value" or type(given) is int:
            continue
        where = f"[{lookup.name}]" if lookup.within is None else f'[{lookup.name}."{outer}"]'
        raise ConfigError(
            f"{path}: {where} {key!r}: must be a whole number, as all values of lookups.{lookup.name} are, not"
            f" {given!r}{_meant(given)}"
        )


def _meant(given: object) -> str:
    if not isinstance(given, str):
        return ""
    if given.isdecimal():
        return f"; write {given} without quotes"
    close = get_close_matches(given.casefold(), (SKIP, DEFAULT), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _table(
    path: Path, name: str, table: Any, lookups: Mapping[str, LookupSettings]
) -> Iterator[tuple[tuple[str, str], Decision | None]]:
    if name not in lookups:
        close = get_close_matches(name, lookups, n=1)
        hint = f"did you mean [{close[0]}]?" if close else f"there are {', '.join(lookups) or 'none'}"
        raise ConfigError(f"{path}: [{name}]: there is no look-up of this name; {hint}")
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {name}: must be a table of values, as [{name}]")
    within = lookups[name].within
    if within is None:
        yield from _entries(path, f"[{name}]", "", table)
        return
    for outer, inner in table.items():
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{path}: [{name}] {outer!r}: values of this look-up stand in a table for each {within},"
                f' as [{name}."101"]'
            )
        yield from _entries(path, f'[{name}."{outer}"]', outer, inner)


def _entries(
    path: Path, where: str, outer: str, table: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str], Decision | None]]:
    """Undecided entries too: None."""
    for key, given in table.items():
        yield (outer, key), _decision(f"{path}: {where} {key!r}", given)


def _decision(where: str, given: Any) -> Decision | None:
    """None for what is undecided. Raises ConfigError."""
    if given == UNDECIDED:
        return None
    if given == SKIP:
        return Decision("skip")
    if given == DEFAULT:
        return Decision("default")
    if isinstance(given, dict):
        if set(given) != {"value"}:
            raise ConfigError(
                f'{where}: a table in place of a value must be {{ value = … }}, as {{ value = "skip" }}'
            )
        given = given["value"]
    elif given == "":
        raise ConfigError(
            f'{where}: is empty; write a value, "skip", "default" or "?" ({{ value = "" }} for an empty one)'
        )
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ConfigError(
            f'{where}: must be text, a number, "skip", "default" or "?", not a {type(given).__name__}'
        )
    if isinstance(given, float) and not math.isfinite(given):
        raise ConfigError(f"{where}: must not be {given}, which JSON can't carry")
    if isinstance(given, int) and not -(2**63) <= given < 2**64:
        raise ConfigError(f"{where}: must be a whole number of at most 64 bits; write it as text")
    return Decision("value", given)
