"""Every check of a Ledger finds the one thing that is broken for it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulkmove.entries import Entry, Intent, Item, Member, Settled, Span, TargetKey
from bulkmove.errors import LedgerError
from bulkmove.ledger import SqliteLedger
from bulkmove.model import Counts
from bulkmove.protocols import Ledger
from bulkmove.testing import LedgerTrial, NotKeptError, ledger_checks, run_check
from bulkmove.testing.trials import OTHER_ROUTE, ROUTE
from tests.conformance.broken import SAID, Broken
from tests.conformance.ledgers import after_crash, begun, sqlite_ledger

Instead = Mapping[str, Callable[..., Any]]
CHECKS = {check.__name__: check for check in ledger_checks()}


async def nothing(*_: Any, **__: Any) -> None:
    pass


def encoded_anew() -> Instead:
    async def next_pending(ledger: Ledger, route: str, after: int) -> Any:
        found = await ledger.next_pending(route, after)
        if found is None:
            return None
        return found[0], [item._replace(encoded=orjson.dumps(item.body)) for item in found[1]]

    return {"next_pending": next_pending}


def backwards() -> Instead:
    async def next_pending(ledger: Ledger, route: str, after: int) -> Any:
        found = await ledger.next_pending(route, after)
        return None if found is None else (found[0], found[1][::-1])

    return {"next_pending": next_pending}


def late_to_know() -> Instead:
    async def known(ledger: Ledger, route: str, ids: Sequence[str]) -> set[str]:
        return set(sorted(await ledger.known(route, ids))[:-1])

    return {"known": known}


def all_routes_in_one() -> Instead:
    async def known(ledger: Ledger, _: str, ids: Sequence[str]) -> set[str]:
        return await ledger.known(ROUTE, ids) | await ledger.known(OTHER_ROUTE, ids)

    return {"known": known}


def numbered_from_one() -> Instead:
    numbers = count(1)
    return {"reserve_chunk": lambda _: next(numbers)}


def by_the_best() -> Instead:
    async def counts(ledger: SqliteLedger, route: str) -> Counts:
        await ledger.counts(route)
        with closing(sqlite3.connect(ledger.path)) as connection:
            rows = connection.execute(
                "SELECT b, count(*) FROM (SELECT min(state) AS b FROM records WHERE route ="
                " (SELECT id FROM routes WHERE name = ?) GROUP BY source_id) GROUP BY b",
                (route,),
            ).fetchall()
        names = ("skipped", "unchanged", "written", "seen", "pending", "rejected", "unknown")
        return Counts(**{names[state]: number for state, number in rows})

    return {"counts": counts}


def records_for_bodies() -> Instead:
    async def written(ledger: Ledger, route: str) -> int:
        return (await ledger.counts(route)).written

    return {"written": written}


def marking_all_at_once() -> Instead:
    async def mark(ledger: Ledger, route: str, **steps: Any) -> None:
        await ledger.mark(route, **{"is_read": False, "is_finished": False, **steps})

    return {"mark": mark}


def settling(change: Callable[[Sequence[Settled]], Sequence[Settled]], **forced: Any) -> Instead:
    async def settle(ledger: Ledger, route: str, settled: Sequence[Settled], **more: Any) -> None:
        await ledger.settle(route, change(settled), **{**more, **forced})

    return {"settle": settle}


def the_first_outcome_alone() -> Instead:
    noted: set[Member] = set()

    def first(settled: Sequence[Settled]) -> list[Settled]:
        new = [each for each in settled if each.member not in noted]
        noted.update(each.member for each in new)
        return new

    return settling(first)


def going_on_after_a_failure() -> Instead:
    async def open_intent(ledger: Ledger, route: str, members: Sequence[Member]) -> int:
        try:
            return await ledger.open_intent(route, members)
        except LedgerError:
            return 99

    return {"open_intent": open_intent}


def parking_without_outcomes() -> Instead:
    async def park(ledger: Ledger, route: str, doubtful: Sequence[Member], **more: Any) -> None:
        await ledger.park(route, doubtful, **{**more, "settled": ()})

    return {"park": park}


def blaming_everyone() -> Instead:
    async def park(ledger: Ledger, route: str, doubtful: Sequence[Member], **more: Any) -> None:
        await ledger.park(route, doubtful, **{**more, "refusal": None})

    return {"park": park}


def whole_chunks() -> Instead:
    async def items(ledger: Ledger, route: str, members: Sequence[Member]) -> list[Item]:
        del members
        found: list[Item] = []
        chunk = 0
        while (page := await ledger.next_pending(route, chunk)) is not None:
            chunk = page[0]
            found += page[1]
        return found

    return {"items": items}


def finished_all_the_same() -> Instead:
    async def revive(ledger: Ledger, route: str) -> int:
        number = await ledger.revive_unknown(route)
        await ledger.mark(route, is_finished=True)
        return number

    return {"revive_unknown": revive}


def spans_as_they_are_told() -> Instead:
    async def save_spans(ledger: Ledger, route: str, spans: Sequence[Span]) -> None:
        for span in spans:
            await ledger.add_page(route, [], chunk=ledger.reserve_chunk(), span=span)

    return {"save_spans": save_spans}


def growing_spans() -> Instead:
    async def save_spans(ledger: SqliteLedger, route: str, spans: Sequence[Span]) -> None:
        await ledger.save_spans(route, spans)
        rows = [(span.upper, span.id) for span in spans]
        await ledger.change(lambda c: c.executemany("UPDATE spans SET upper = ? WHERE id = ?", rows))

    return {"save_spans": save_spans}


def pages_in_two_steps() -> Instead:
    async def add_page(ledger: Ledger, route: str, entries: Sequence[Entry], **more: Any) -> None:
        span = more.pop("span", None)
        await ledger.add_page(route, [], chunk=ledger.reserve_chunk(), span=span)
        await ledger.counts(route)
        await ledger.add_page(route, entries, **more)

    return {"add_page": add_page}


def raw_rows_as_bodies() -> Instead:
    async def add_page(ledger: Ledger, route: str, entries: Sequence[Entry], **more: Any) -> None:
        await ledger.add_page(route, entries, **{**more, "is_raw": False})

    return {"add_page": add_page}


def the_last_to_claim() -> Instead:
    async def add_page(ledger: SqliteLedger, route: str, entries: Sequence[Entry], **more: Any) -> None:
        await ledger.add_page(route, entries, **more)
        rows = [(entry.source_id, entry.key) for entry in entries]
        await ledger.change(lambda c: c.executemany("UPDATE keys SET source_id = ? WHERE key = ?", rows))

    return {"add_page": add_page}


def rows_by_their_showings() -> Instead:
    shown: Counter[str] = Counter()

    async def add_keys(ledger: Ledger, name: str, keys: Sequence[TargetKey]) -> None:
        shown.update(key.key for key in keys)
        await ledger.add_keys(name, keys)

    async def find_keys(ledger: Ledger, name: str, keys: Sequence[str]) -> dict[str, TargetKey]:
        found = await ledger.find_keys(name, keys)
        return {key: each._replace(rows=shown[key]) for key, each in found.items()}

    return {"add_keys": add_keys, "find_keys": find_keys}


def intents(change: Callable[[list[Intent]], list[Intent]]) -> Instead:
    async def told(ledger: Ledger, route: str) -> list[Intent]:
        return change(await ledger.intents(route))

    return {"intents": told}


def of_this_run_alone() -> Instead:
    mine: set[int] = set()

    async def open_intent(ledger: Ledger, route: str, members: Sequence[Member]) -> int:
        mine.add(number := await ledger.open_intent(route, members))
        return number

    return {
        "open_intent": open_intent,
        **intents(lambda found: [intent for intent in found if intent.id in mine]),
    }


def with_attempts_for_ever() -> Instead:
    async def items(ledger: Ledger, route: str, members: Sequence[Member]) -> list[Item]:
        return [item._replace(attempts=item.attempts + 1) for item in await ledger.items(route, members)]

    return {"items": items}


def intents_first() -> Instead:
    """What was handed over waits for whatever is read next; an intent does not."""
    waiting: list[Callable[[], Any]] = []

    def later(name: str) -> Callable[..., Any]:
        async def hand_over(ledger: Any, *args: Any, **more: Any) -> None:
            waiting.append(lambda: getattr(ledger, name)(*args, **more))

        return hand_over

    return {"add_page": later("add_page"), "settle": later("settle")}


def looking(name: str, **instead: Callable[..., Any]) -> Instead:
    """`sweep` or `unconfirmed`, broken."""
    return {name: lambda ledger, *args: Broken(getattr(ledger, name)(*args), instead)}


async def never(*_: Any) -> bool:
    return False


async def each_showing(sweep: Any, rows: Sequence[tuple[str, str]]) -> None:
    await sweep.note([(key, f"{row}-{place}") for place, (key, row) in enumerate(rows)])


async def all_that_were_put_down(ledger: SqliteLedger, route: str, after: str, most: int) -> list[str]:
    del route
    with closing(sqlite3.connect(ledger.path)) as connection:
        rows = connection.execute(
            "SELECT source_id FROM records WHERE source_id > ? AND body = 0 LIMIT ?", (after, most)
        )
        return [row[0] for row in rows]


async def all_at_once(ledger: Ledger, route: str, most: int) -> tuple[int, list[str]]:
    found = await ledger.gone_at_source(route, most + 1)
    return len(found[1][:most]), found[1][:most]


BROKEN: dict[str, Callable[[], Instead]] = {
    "what_was_put_down_comes_back": encoded_anew,
    "pending_bodies_come_in_the_order_of_their_mapping": backwards,
    "what_was_handed_over_is_seen_at_once": late_to_know,
    "routes_are_kept_apart": all_routes_in_one,
    "chunk_numbers_rise": numbered_from_one,
    "a_record_counts_by_its_worst_body": by_the_best,
    "written_counts_bodies": records_for_bodies,
    "target_ids_come_in_the_order_of_the_bodies": lambda: {
        "target_ids": lambda ledger, route, source_id: ledger.target_ids(route, source_id)[::-1]
    },
    "steps_of_a_route_stay_as_they_are": marking_all_at_once,
    "an_intent_is_there_until_it_is_settled": lambda: settling(lambda each: each, intent=None),
    "an_outcome_is_noted_once": the_first_outcome_alone,
    "an_outcome_of_what_was_never_put_down_fails": lambda: settling(
        lambda settled: [each for each in settled if each.member.source_id != "none"]
    ),
    "after_a_failure_nothing_is_noted_any_more": going_on_after_a_failure,
    "what_was_parked_is_in_doubt_and_the_rest_is_not": parking_without_outcomes,
    "attempts_are_counted_where_a_record_may_be_to_blame": blaming_everyone,
    "items_are_the_open_bodies_that_are_named": whole_chunks,
    "what_is_unknown_can_be_looked_at_again": finished_all_the_same,
    "requests_have_numbers_of_their_own": lambda: {"reserve_request": lambda _: 1},
    "spans_are_read_with_their_pages": spans_as_they_are_told,
    "spans_only_shrink": growing_spans,
    "a_page_is_put_down_whole_or_not_at_all": pages_in_two_steps,
    "rows_are_kept_as_they_were_read_until_they_are_mapped": raw_rows_as_bodies,
    "a_reading_that_did_not_end_is_forgotten": lambda: {"drop_seen": nothing},
    "a_key_belongs_to_whoever_claims_it_first": the_last_to_claim,
    "keys_of_the_list_are_counted_by_their_rows": rows_by_their_showings,
    "keys_are_read_anew_until_they_were_read_whole": lambda: {"drop_keys": nothing},
    "whether_a_list_is_atomic_is_kept": lambda: {"set_atomic": nothing},
    "what_was_handed_over_is_kept_when_it_is_closed": lambda: {"settle": nothing},
    "an_intent_outlives_its_run": of_this_run_alone,
    "what_was_parked_outlives_its_run": lambda: intents(
        lambda found: [replace(intent, refusal=None) for intent in found]
    ),
    "failures_of_an_earlier_run_are_no_record_s_fault": with_attempts_for_ever,
    "changes_are_durable_in_their_order": intents_first,
    "a_ledger_adds_up": lambda: {"check_balance": nothing},
    "what_left_the_source_is_named": lambda: {"gone_at_source": all_at_once},
    "ids_that_were_read_come_in_their_order": lambda: {"read_ids": all_that_were_put_down},
    "the_most_bytes_of_a_request_are_kept": lambda: {"set_max_bytes": nothing},
    "a_sweep_tells_what_is_there_twice": lambda: looking("sweep", note=each_showing),
    "a_sweep_is_due_where_a_write_was_in_doubt": lambda: looking("sweep", is_due=never),
    "changes_of_many_rows_are_kept_until_they_are_seen": lambda: looking("unconfirmed", confirm=nothing),
}


@asynccontextmanager
async def broken_ledger(directory: Path, name: str) -> AsyncIterator[LedgerTrial]:
    """Each hold of the store is broken anew."""
    async with sqlite_ledger(directory) as whole:

        @asynccontextmanager
        async def hold() -> AsyncIterator[Ledger]:
            async with whole.open() as ledger:
                yield Broken(ledger, BROKEN[name]())

        yield replace(whole, open=hold)


@asynccontextmanager
async def without_its_log(directory: Path) -> AsyncIterator[LedgerTrial]:
    """A store that keeps in memory what it calls durable."""
    async with sqlite_ledger(directory) as whole:
        yield replace(whole, after_crash=lambda: begun(directory / "empty.ledger.db"))


@asynccontextmanager
async def with_a_hole(directory: Path) -> AsyncIterator[LedgerTrial]:
    """A store that loses one change and keeps a later one."""
    path = directory / "a.ledger.db"

    @asynccontextmanager
    async def left() -> AsyncIterator[Ledger]:
        copy = directory / "left.ledger.db"
        async with begun(after_crash(path, copy)) as ledger:
            await ledger.change(lambda c: c.execute("DELETE FROM records WHERE source_id = 'a0'"))
            await ledger.change(
                lambda c: c.execute(
                    "INSERT OR IGNORE INTO records (route, source_id, body, state, run)"
                    " VALUES (1, 'a29', 0, 4, 1)"
                )
            )
            yield ledger

    async with sqlite_ledger(directory) as whole:
        yield replace(whole, after_crash=left)


STORES: dict[str, Callable[[Path], Any]] = {
    "an_intent_is_durable_when_it_is_open": without_its_log,
    "a_body_is_durable_when_that_is_asked_for": without_its_log,
    "a_crash_never_takes_one_change_and_leaves_an_earlier": with_a_hole,
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_finds_what_is_broken(name: str, tmp_path: Path) -> None:
    opened = STORES.get(name) or (lambda directory: broken_ledger(directory, name))
    with pytest.raises(NotKeptError, match=SAID):
        run_check(CHECKS[name], lambda: opened(tmp_path))
