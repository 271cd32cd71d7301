"""What must hold in the end, told from what the hosts did and saw: nothing of the product is asked but its ledger.

lost      a record that was never read, is called written and is not there, or was rejected though nothing is wrong with it
doubled   a record that was created more than once
wrong     a row that is not what its record maps to, a stranger's row that was changed, a row that nobody asked for
unknown   a record that ended unknown although the target could have told

Whether a record is there can't be told where the target does not keep its key, or (of a shop that is known to drop
keys) as long as no row was created there that would show one. An update that its host failed on again and again may have
been done, and so may a change of a row that was deleted since. Nothing else may end unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from bulkmove.model import State
from tests.simulation.calls import Bodies, Created, Row


class Noted(NamedTuple):
    """One body in the ledger."""

    source_id: str
    part: int
    state: State
    target_id: str | None
    cause: str | None


class Violation(NamedTuple):
    """`kind`: lost, doubled, wrong, unknown, or another word for what broke."""

    kind: str
    text: str


class Check(Protocol):
    """What must hold of one route."""

    @property
    def route(self) -> str: ...

    @property
    def may_stay_open(self) -> bool:
        """Whether the run may end with 5 and records pending: nothing of the target's rows shows their key."""
        ...

    def violations(self, noted: Sequence[Noted], *, has_failed: bool) -> Iterator[Violation]:
        """`has_failed`: something went wrong on the way, so that a record may have been set aside."""
        ...


class SourceHost(Protocol):
    """`stood()`: ids of what was there from beginning to end; `served`: each version that was shown, by id."""

    @property
    def served(self) -> Mapping[str, Sequence[Row]]: ...

    def stood(self) -> set[str]: ...


class TargetHost(Protocol):
    @property
    def orders(self) -> Mapping[str, Row]: ...

    @property
    def created(self) -> Sequence[Created]: ...

    @property
    def bodies(self) -> Bodies: ...

    @property
    def shows_keys(self) -> bool: ...

    def keeps(self, key: str) -> bool: ...


def never_read(name: str, stood: set[str], known: set[str]) -> Iterator[Violation]:
    """Whatever stood at the source from beginning to end has to be in the ledger."""
    for source_id in sorted(stood - known):
        yield Violation("lost", f"{name} {source_id} stood from beginning to end, and was never read")


def exit_code_of(counts: Mapping[str, Mapping[str, int]]) -> int:
    return 3 if any(each["rejected"] or each["unknown"] for each in counts.values()) else 0
