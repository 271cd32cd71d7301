"""Every check of a Source finds the one thing that is broken for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, cast

import anyio.lowlevel
import orjson
import pytest

from bulkmove.errors import BadAnswerError, BulkmoveError
from bulkmove.model import Page, PageQuery, Record, Request
from bulkmove.protocols import Source
from bulkmove.testing import NotKeptError, SourceTrial, run_check, source_checks
from tests.conformance.broken import SAID, Broken
from tests.conformance.tiny import TinyHost, TinySource

Fetch = Callable[[Any, PageQuery], Awaitable[Page]]
CHECKS = {check.__name__: check for check in source_checks()}


def changed(change: Callable[[Page, PageQuery], Page]) -> Fetch:
    """What was fetched, changed."""

    async def fetch(source: Source, query: PageQuery) -> Page:
        return change(await source.fetch(query), query)

    return fetch


def asked(change: Callable[[PageQuery], PageQuery]) -> Fetch:
    """Another question than the one that was asked."""

    async def fetch(source: Source, query: PageQuery) -> Page:
        return await source.fetch(change(query))

    return fetch


def each(change: Callable[[Record], Record]) -> Fetch:
    return changed(lambda page, _: replace(page, records=[change(record) for record in page.records]))


def forgetful() -> Fetch:
    numbers = count()

    async def fetch(source: Source, query: PageQuery) -> Page:
        page = await source.fetch(query)
        return page if next(numbers) % 2 == 0 else replace(page, records=page.records[1:])

    return fetch


def with_one_memory() -> Fetch:
    asked_last: list[PageQuery] = []

    async def fetch(source: Source, query: PageQuery) -> Page:
        asked_last.append(query)
        await anyio.lowlevel.checkpoint()
        return await source.fetch(asked_last[-1])

    return fetch


async def empty_where_it_fails(source: Source, query: PageQuery) -> Page:
    try:
        return await source.fetch(query)
    except BadAnswerError:
        return Page((), None, has_next=False)


async def always_a_bad_answer(source: Source, query: PageQuery) -> Page:
    try:
        return await source.fetch(query)
    except BulkmoveError as error:
        raise BadAnswerError("something went wrong") from error


def sulking() -> Fetch:
    failures: list[BulkmoveError] = []

    async def fetch(source: Source, query: PageQuery) -> Page:
        if failures:
            raise failures[0]
        try:
            return await source.fetch(query)
        except BulkmoveError as error:
            failures.append(error)
            raise

    return fetch


async def refusals_are_empty(source: TinySource, query: PageQuery) -> Page:
    response = await source.transport.send(source.request(params={"offset": "0", "limit": "5"}))
    return Page((), 0, has_next=False) if not response.is_success else await source.fetch(query)


async def decoding_for_itself(source: TinySource, query: PageQuery) -> Page:
    response = await source.transport.send(
        Request("GET", "/rows", {"offset": "0", "limit": "5"}, is_repeatable=True)
    )
    orjson.loads(response.body)
    return await source.fetch(query)


BROKEN: dict[str, Callable[[], Fetch]] = {
    "the_trial_is_fit": lambda: changed(lambda page, _: replace(page, records=page.records[1:])),
    "a_page_is_no_longer_than_asked": lambda: asked(lambda query: replace(query, limit=query.limit + 1)),
    "ids_are_text": lambda: each(lambda record: record._replace(id=cast("str", int(record.id or 0)))),
    "data_are_objects_that_json_carries": lambda: each(lambda record: record._replace(data={"x": object()})),
    "a_total_is_of_the_list_not_of_the_page": lambda: changed(
        lambda page, _: replace(page, total=len(page.records))
    ),
    "has_next_is_true_or_none": lambda: changed(lambda page, _: replace(page, has_next=False)),
    "an_offset_past_the_end_brings_nothing": lambda: asked(
        lambda query: replace(query, offset=min(query.offset, 30))
    ),
    "a_query_can_be_asked_again": forgetful,
    "queries_asked_together_do_not_mix": with_one_memory,
    "the_reader_brings_every_row": lambda: changed(
        lambda page, query: (
            page
            if query.limit == 100
            else replace(page, records=[record for record in page.records if record.id != "17"])
        )
    ),
    "keys_are_whole_seconds_in_ascending_order": lambda: changed(
        lambda page, _: replace(page, records=page.records[::-1])
    ),
    "between_two_keys_comes_all_that_lies_there": lambda: asked(
        lambda query: replace(query, after=None if query.after is None else query.after + 1)
    ),
    "nothing_comes_from_outside_of_two_keys": lambda: asked(lambda query: replace(query, before=None)),
    "another_answer_than_a_list_is_a_bad_answer": lambda: empty_where_it_fails,
    "a_body_that_is_no_json_fails_the_request": lambda: decoding_for_itself,
    "a_refused_page_is_no_empty_page": lambda: refusals_are_empty,
    "what_the_transport_raises_comes_out_as_it_is": lambda: always_a_bad_answer,
    "after_a_fault_it_is_as_before": sulking,
}


@asynccontextmanager
async def tiny(broken: Fetch | None = None, **settings: Any) -> AsyncIterator[SourceTrial]:
    host = TinyHost.of(40)
    transport = host.transport()
    source = TinySource(transport, **settings)
    narrowed = TinySource(transport, filters={"ref": "r1"})
    yield SourceTrial(
        source if broken is None else Broken(source, {"fetch": broken}),
        list(host.rows),
        narrowed=(narrowed, [row_id for row_id in host.rows if row_id.startswith("1")]),
        transport=transport,
    )


@asynccontextmanager
async def with_filters_that_have_no_effect() -> AsyncIterator[SourceTrial]:
    async with tiny() as trial:
        yield replace(trial, narrowed=(trial.source, ["1", "2"]))


def careless(row: Any) -> Record:
    return Record(str(row["id"]), row["at"], None, row)


OTHERWISE: dict[str, Callable[[], Any]] = {
    "the_users_own_filters_take_effect": with_filters_that_have_no_effect,
    "a_list_of_what_are_no_rows_does_no_harm": lambda: tiny(read_row=careless),
    "reading_can_be_repeated": lambda: tiny(request=partial(Request, "GET", "/rows", decode=orjson.loads)),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_source_that_keeps_all_promises_passes(name: str) -> None:
    run_check(CHECKS[name], tiny)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_finds_what_is_broken(name: str) -> None:
    opened = OTHERWISE.get(name) or (lambda: tiny(BROKEN[name]()))
    with pytest.raises(NotKeptError, match=SAID if name != "after_a_fault_it_is_as_before" else "raised"):
        run_check(CHECKS[name], opened)
