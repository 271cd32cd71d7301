"""What became of the pieces of bodies that were divided by field: a body is settled when all of its pieces were answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bulkmove.entries import Item, Member, Sent, Settled
from bulkmove.model import State


@dataclass(slots=True)
class Division:
    """The bodies that were divided together. What failed or was refused in one piece is left out of those that follow.

    A host may read a row, change it and write all of it back: two pieces of one body must not be on their way at once.
    """

    _on_the_wire: set[Member] = field(default_factory=set)
    _whole: dict[Member, Item] = field(default_factory=dict)
    _left: Counter[Member] = field(default_factory=Counter)
    _written: dict[Member, list[str]] = field(default_factory=dict)
    _failed: dict[Member, list[str]] = field(default_factory=dict)
    _refused: dict[Member, tuple[Settled, Sent]] = field(default_factory=dict)

    def begin(self, groups: Iterable[Sequence[Item]], pieces: Iterable[Sequence[Item]]) -> None:
        """`groups`: bodies, some of which were divided; `pieces`: theirs."""
        for piece in pieces:
            self._left.update(item.member for item in piece)
        self._whole = {item.member: item for group in groups for item in group if item.member in self._left}

    def send(self, pieces: Iterable[Item]) -> None:
        """These are on their way, until they end."""
        self._on_the_wire.update(item.member for item in pieces)

    def must_wait(self, pieces: Iterable[Item]) -> bool:
        """Whether another piece of one of their bodies is on its way."""
        return any(item.member in self._on_the_wire for item in pieces)

    def going_on(self, items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
        """The pieces that are to be sent, and those that are left out."""
        going_on: list[Item] = []
        left_out: list[Item] = []
        for item in items:
            is_over = item.member in self._failed or item.member in self._refused
            (left_out if is_over else going_on).append(item)
        return going_on, left_out

    def wholes(self, pieces: Iterable[Item]) -> list[Item]:
        """The bodies of those pieces that are to be sent."""
        going_on, _ = self.going_on(pieces)
        return [self._whole[item.member] for item in going_on]

    def note(self, pieces: Sequence[Item], settled: Iterable[Settled], sent: Sent) -> None:
        """What an answer told of pieces of one change."""
        names = _names(pieces[0])
        for each in settled:
            if each.state is State.REJECTED:
                self._refused.setdefault(each.member, (each, sent))
            else:
                self._written.setdefault(each.member, []).extend(names)

    def fail(self, pieces: Iterable[Item]) -> None:
        """Nothing told what became of these: their bodies stay open."""
        for item in pieces:
            self._failed.setdefault(item.member, []).extend(_names(item))

    def end(self, pieces: Iterable[Item]) -> list[Item]:
        """These were answered, given up or left out; the bodies of which no piece is left."""
        ended = []
        for item in pieces:
            self._on_the_wire.discard(item.member)
            self._left[item.member] -= 1
            if not self._left[item.member]:
                ended.append(self._whole[item.member])
        return ended

    def is_on_the_way(self, member: Member) -> bool:
        """Whether a piece is left."""
        return self._left[member] > 0

    def is_open(self, member: Member) -> bool:
        """Whether nothing told what became of a piece, and nothing was refused."""
        return member in self._failed and member not in self._refused

    def refused_by(self, member: Member) -> Sent | None:
        """The request that refused a piece."""
        return self._refused[member][1] if member in self._refused else None

    def refusal(self, member: Member) -> Settled | None:
        """The outcome where a piece was refused; the message names what of the body was written."""
        if member not in self._refused:
            return None
        refused, _ = self._refused[member]
        parts = [refused.message] if refused.message else []
        if written := sorted(self._written.get(member, ())):
            parts.append(
                f"its {', '.join(written)} {'was' if len(written) == 1 else 'were'} written all the same"
            )
        if failed := sorted(self._failed.get(member, ())):
            parts.append(
                f"whether its {', '.join(failed)} {'was' if len(failed) == 1 else 'were'} is not known"
            )
        return refused._replace(message="; ".join(parts) or None)


def _names(piece: Item) -> list[str]:
    return [str(name) for name in piece.body]
