"""What goes into the ledger and comes out of it: frozen values, shared by all that read or write records.

Those that exist once a record are named tuples: a frozen dataclass of eleven fields takes 1 µs more to make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bulkmove.model import JsonObject, State


class Entry(NamedTuple):
    """One body of one source record, as it is first put down.

    `body` is its JSON, kept until its outcome; None where nothing is to be sent. `target_id` set: the body
    updates that row. `key` is the natural key that the body claims on its target's list. `digest` is the
    hash of the body, `version` and `source_digest` tell a later change of the source record. `record` is that as JSON,
    where it is kept because it was rejected before anything was sent.
    """

    source_id: str
    part: int
    state: State
    body: bytes | None = None
    target_id: str | None = None
    key: str | None = None
    digest: bytes | None = None
    version: str | None = None
    source_digest: bytes | None = None
    cause: str | None = None
    message: str | None = None
    record: bytes | None = None


Refusal = Literal["named", "unnamed", "rejected"]


class Member(NamedTuple):
    """Names one body in the ledger: source id, which of its bodies, and the chunk that keeps it."""

    source_id: str
    part: int
    chunk: int


class Kept(NamedTuple):
    """One kept body: whose it is, which row it updates (None: it creates), the natural key it claims."""

    source_id: str
    part: int
    target_id: str | None
    key: str | None
    body: bytes


class Item(NamedTuple):
    """One mapped body on its way to the target. `attempts` counts the sends of this run that nothing settled."""

    member: Member
    target_id: str | None
    key: str | None
    encoded: bytes
    body: JsonObject
    attempts: int = 0
    failed_at: float | None = None


class Sent(NamedTuple):
    """A write request that was answered, or given up: how many bodies it carried, and how it was answered, in words.

    Times are epoch seconds of this machine.
    """

    id: int
    sent_at: float
    answered_at: float
    bodies: int
    said: str


class Settled(NamedTuple):
    """What became of one body. `answer`: the beginning of what the host said where it refused it.

    `encoded`: the body, where it was written and whoever settles it holds it; it is kept where its route keeps bodies.
    """

    member: Member
    state: State
    target_id: str | None = None
    cause: str | None = None
    message: str | None = None
    answer: str | None = None
    encoded: bytes | None = None


class Joined(NamedTuple):
    """One change of many rows. `unseen`: its fields that never come back on reading, with commas between them.

    `is_divided`: several requests made it, each of some of its fields, and the last of them other changes, too.
    """

    body: bytes
    unseen: str
    is_divided: bool = False


class Unconfirmed(NamedTuple):
    """A row that was changed along with others, and was not seen to hold the change yet.

    `resent`: how often it was sent again because the row did not; `shows`: what it showed instead, where that was
    looked at since.
    """

    target_id: str
    source_id: str
    part: int
    body: bytes
    resent: int
    shows: str | None


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that was about to be sent, or was, and that nothing has settled.

    `sent_at` (epoch seconds of this machine) is no earlier than its last send. `refusal`: its host answered
    400, so that what became of the members depends on whether the host is atomic. They are the good items
    where the bad ones were "named", else any of them may be bad. "rejected": nothing of them was written, and they
    wait to be sent once more; the target is looked at for what somebody else wrote meanwhile.
    """

    id: int
    sent_at: float
    members: Sequence[Member]
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """How far one span of a keyset list is proven read. Keys are epoch seconds."""

    id: int
    lower: int | None
    upper: int
    reached: int | None
    is_done: bool
    evidence: int


@dataclass(frozen=True, slots=True)
class RouteProgress:
    """How far a route is.

    `cutoff`: keys after it belong to a later pass. `expected`: how many records the source told, None where it
    didn't. `is_read`: all of it was read. `sent_until`: no request of an earlier run was sent after it; `unsettled_at`:
    when an earlier run, of whatever route, last sent something that may land after its repetition did (both in epoch
    seconds of this machine, 0 where there was none).
    """

    cutoff: int | None
    is_read: bool
    is_finished: bool
    spans: Sequence[Span]
    expected: int | None = None
    sent_until: float = 0.0
    unsettled_at: float = 0.0


class TargetKey(NamedTuple):
    """One natural key of a target's list.

    `rows`: how many rows held it when the list was read, before the first write of this migration; 0 where
    only this migration claims it. `fields`: a short hash of each field of the row. `owner`: the route and
    source id whose body claimed the key, None where none did.
    """

    key: str
    target_id: str | None
    rows: int
    fields: str | None
    owner: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class ListState:
    """What is known of a target's list. `is_atomic`: whether a 400 on an array leaves nothing written; None: unknown.

    `max_bytes`: the most that is sent to it in one request; None where its host refused none as too large.
    """

    is_read: bool
    is_atomic: bool | None
    max_bytes: int | None = None
