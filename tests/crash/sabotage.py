"""Takes one protection out of the product, in a process of its own: the judge must see what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bulkmove.connectors.merchantpro import processing
from bulkmove.entries import Settled
from bulkmove.ledger import chunks, questions
from bulkmove.load.verdicts import Doubts
from bulkmove.model import BatchRule, State
from bulkmove.pipeline import arriving, intake, settling


def intents_forgotten() -> None:
    """What was sent and has no answer counts as never sent."""
    _put(questions, "intents", lambda *_, **__: [])


def doubts_count_as_written() -> None:
    """Whatever was sent is taken to be there."""

    def judge(_self: Any, items: Any, **_: Any) -> list[Settled]:
        return [Settled(item.member, State.WRITTEN, target_id=item.target_id) for item in items]

    _put(Doubts, "judge", judge)


def read_back_at_once() -> None:
    """Nobody waits until the host must be done with a write that it gave no answer to."""

    async def go_on(*_: Any) -> bool:
        return True

    _put(settling, "_wait_until", go_on)


def bodies_mixed_up() -> None:
    """What is sent after a restart is another record's."""
    unpack = chunks.unpack

    def mixed(blob: bytes) -> list[Any]:
        kept = unpack(blob)
        bodies = [each.body for each in kept]
        return [each._replace(body=body) for each, body in zip(kept, bodies[1:] + bodies[:1], strict=True)]

    _put(questions, "unpack", mixed)


def a_record_passed_over() -> None:
    """One record of each page is never put down."""
    new_records = arriving.new_records

    async def fewer(*arguments: Any) -> Any:
        fresh, keyless = await new_records(*arguments)
        return fresh[1:], keyless

    _put(intake, "new_records", fewer)


def handlers_called_again() -> None:
    """A call that can't be repeated without effect is taken for one that can."""
    repeatable = BatchRule("single", is_repeatable=True)
    _put(processing, "_RULES", {"create": repeatable, "update": repeatable})


def _put(place: Any, name: str, what: Any) -> None:
    if not hasattr(place, name):
        raise AttributeError(f"{place!r} has no {name}: what was taken out is somewhere else now")
    setattr(place, name, what)


SABOTAGE: Mapping[str, Callable[[], None]] = {
    made.__name__: made
    for made in (
        intents_forgotten,
        doubts_count_as_written,
        read_back_at_once,
        bodies_mixed_up,
        a_record_passed_over,
        handlers_called_again,
    )
}
