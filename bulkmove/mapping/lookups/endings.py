"""What becomes of one value: what a person decided, what the table holds, or what `missing` says."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.lookups.asking import STAND_IN, SkipRecordError, StandIn, current
from bulkmove.mapping.lookups.collecting import Becomes, Collector, Miss
from bulkmove.mapping.lookups.decisions import Decisions
from bulkmove.mapping.lookups.index import Ambiguous
from bulkmove.mapping.lookups.keys import NOTHING, text_of
from bulkmove.settings import LookupSettings

UNRESOLVED = "unresolved"
DECIDED = "decision"
_LONGEST_VALUE = 80


class UnresolvedError(RejectRecordError):
    """Values that do not resolve: `told`, a sentence each, and what a person can do."""

    def __init__(self, told: Sequence[str], hint: str) -> None:
        super().__init__(f"{'; '.join(told)}; {hint}", cause=UNRESOLVED)
        self.told = tuple(told)
        self.hint = hint


class Endings:
    """The rules of one look-up, whatever its table is. With a `collector`, misses are put down instead of raised."""

    def __init__(
        self, settings: LookupSettings, decisions: Decisions, *, decided_in: str, collector: Collector | None
    ) -> None:
        self.settings = settings
        self._decisions = decisions
        self._decided_in = decided_in
        self._collector = collector

    def asked(self, key: object) -> tuple[str | None, str] | StandIn | None:
        """The outer value and the value that are to be looked up.

        None for an empty value; a stand-in where one of them is one. Raises RejectRecordError for what can't be
        looked up, TypeError where the mapper asks in the wrong form.
        """
        outer: object = None
        if isinstance(key, tuple) and len(key) == 2:
            outer, key = key
        elif self.settings.within is not None:
            raise TypeError(
                f"lookups.{self.settings.name} is asked with a pair of its {self.settings.within} and the value"
            )
        if isinstance(key, StandIn):
            return STAND_IN
        try:
            text = text_of(key)
            if text is None:
                return None
            if self.settings.within is None:
                return None, text
            return STAND_IN if isinstance(outer, StandIn) else (text_of(outer) or "", text)
        except TypeError as error:
            raise RejectRecordError(f"lookups.{self.settings.name}: {error}", cause=UNRESOLVED) from None

    def decided(self, outer: str | None, value: str) -> Any:
        """What a person decided, NOTHING where no one did. Raises SkipRecordError."""
        decision = self._decisions.find(self.settings, value, outer)
        if decision is None:
            return NOTHING
        if decision.kind == "skip":
            where = "" if outer is None else f" within {_shown(outer)}"
            said = (
                f"{self._decided_in} says to skip records with {_shown(value)}{where} ({self.settings.name})"
            )
            if (asking := current()) is not None:
                asking.skip(said)
            raise SkipRecordError(said)
        return _own(self.settings.default if decision.kind == "default" else decision.value)

    def missed(self, outer: str | None, value: str, found: Any) -> Any:
        """What `missing` says of a value that is not there, or (`found`) could mean several keys. Raises RejectRecordError."""
        rule = self.settings.missing
        asking = current()
        is_raised = rule == "reject" and (
            self._collector is None or (asking is not None and asking.raises_misses)
        )
        if self._collector is not None and not is_raised:
            miss = Miss(self.settings.name, outer, value, isinstance(found, Ambiguous))
            if asking is not None:
                asking.miss(self._collector, miss, is_rejecting=rule == "reject")
            else:
                self._collector.count((miss,), None)
        if rule != "reject":
            return _own(self.settings.default)
        if not is_raised:
            return STAND_IN
        # A decision holds for what is mapped after it.
        hint = f"decide in {self._decided_in}, then `bulkmove retry`"
        raise UnresolvedError((self.told(outer, value, found),), hint)

    def told(self, outer: str | None, value: str, found: Any) -> str:
        where = "" if outer is None else f" within {_shown(outer)}"
        if isinstance(found, Ambiguous):
            return f"lookups.{self.settings.name} has more than one value for {_shown(value)}{where}"
        return f"lookups.{self.settings.name} has no {_shown(value)}{where}"

    @property
    def is_collecting(self) -> bool:
        return self._collector is not None

    @property
    def becomes(self) -> Becomes:
        if self.settings.missing == "reject":
            return "rejected"
        return self.settings.missing


def _own(value: Any) -> Any:
    """Whoever changes a list or an object in one body must not change it in all."""
    return copy.deepcopy(value) if isinstance(value, dict | list) else value


def _shown(value: str) -> str:
    return repr(value if len(value) <= _LONGEST_VALUE else value[: _LONGEST_VALUE - 1] + "…")
