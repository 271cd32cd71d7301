"""What every Source promises: pages that hold together, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import anyio

from bulkmove.entries import Span
from bulkmove.errors import BulkmoveError
from bulkmove.exact import encode_json, is_utf8
from bulkmove.extract import ReadPage, Tally, first_spans, read_keyset
from bulkmove.extract.once import read_unkeyed
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import Source
from bulkmove.testing import source_faults
from bulkmove.testing.running import Check, NotKeptError, not_given
from bulkmove.testing.trials import FEWEST_ROWS, SourceTrial

_SHORT = 7
_FAR = 10_000


def source_checks() -> list[Check[SourceTrial]]:
    """All checks of a Source. Those of keys are for keyset lists, those of faults for what has a transport."""
    return [
        the_trial_is_fit,
        a_page_is_no_longer_than_asked,
        ids_are_text,
        data_are_objects_that_json_carries,
        a_total_is_of_the_list_not_of_the_page,
        has_next_is_true_or_none,
        an_offset_past_the_end_brings_nothing,
        a_query_can_be_asked_again,
        queries_asked_together_do_not_mix,
        the_reader_brings_every_row,
        the_users_own_filters_take_effect,
        keys_are_whole_seconds_in_ascending_order,
        between_two_keys_comes_all_that_lies_there,
        nothing_comes_from_outside_of_two_keys,
        *source_faults.CHECKS,
    ]


async def the_trial_is_fit(trial: SourceTrial) -> None:
    """It has rows enough, and one page brings them."""
    if len(set(trial.ids)) < FEWEST_ROWS or len(trial.ids) > trial.source.listing.page_limit:
        raise NotKeptError(
            f"a trial needs {FEWEST_ROWS} rows or more, and at most the page_limit of {trial.source.listing.page_limit}"
        )
    shown = _ids(await _whole(trial))
    if shown != set(trial.ids):
        raise NotKeptError(
            f"one page brought {len(shown)} rows, and {len(trial.ids)} stand there: {_differ(shown, trial.ids)}"
        )


async def a_page_is_no_longer_than_asked(trial: SourceTrial) -> None:
    for limit in (1, _SHORT, trial.source.listing.page_limit):
        page = await trial.source.fetch(PageQuery(limit))
        if not 0 < len(page.records) <= limit:
            raise NotKeptError(f"asked for {limit} rows, the source gave {len(page.records)}")


async def ids_are_text(trial: SourceTrial) -> None:
    for record in (await _whole(trial)).records:
        is_id = record.id is None or (type(record.id) is str and bool(record.id) and is_utf8(record.id))
        if not is_id:
            raise NotKeptError(f"a record's id is {record.id!r}, and ids are text, or None")
        if record.version is not None and type(record.version) is not str:
            raise NotKeptError(f"a record's version is {record.version!r}, and versions are text, or None")


async def data_are_objects_that_json_carries(trial: SourceTrial) -> None:
    for record in (await _whole(trial)).records:
        try:
            is_object = isinstance(record.data, dict) and bool(encode_json(record.data))
        except (TypeError, ValueError) as error:
            raise NotKeptError(f"the data of record {record.id} can't be JSON: {error}") from error
        if not is_object:
            raise NotKeptError(f"the data of record {record.id} are of type {type(record.data).__name__}")


async def a_total_is_of_the_list_not_of_the_page(trial: SourceTrial) -> None:
    for query in (PageQuery(1), PageQuery(_SHORT, _SHORT)):
        total = (await trial.source.fetch(query)).total
        if total is not None and (type(total) is not int or total < len(trial.ids)):
            raise NotKeptError(
                f"a page of {query.limit} tells a total of {total!r}, and {len(trial.ids)} rows match"
            )


async def has_next_is_true_or_none(trial: SourceTrial) -> None:
    """Where more follows it is not False, and behind the last row it is not True."""
    first = await trial.source.fetch(PageQuery(_SHORT))
    if first.has_next is False:
        raise NotKeptError("has_next is False on a first page that more rows follow")
    if (await _whole(trial)).has_next is True:
        raise NotKeptError("has_next is True on a page that holds the whole list")


async def an_offset_past_the_end_brings_nothing(trial: SourceTrial) -> None:
    page = await trial.source.fetch(PageQuery(_SHORT, _SHORT * _FAR))
    if page.records or page.has_next is True:
        raise NotKeptError(
            f"{_SHORT * _FAR} rows in, behind the end, the source gave {len(page.records)} rows"
        )


async def a_query_can_be_asked_again(trial: SourceTrial) -> None:
    pages = [await _whole(trial) for _ in range(3)]
    if len({frozenset(_ids(page)) for page in pages}) > 1:
        raise NotKeptError("the same query brought other rows when it was asked again")


async def queries_asked_together_do_not_mix(trial: SourceTrial) -> None:
    """Each gets its own answer, whoever is answered first."""
    whole = trial.source.listing.page_limit
    queries = [PageQuery(whole), PageQuery(1), PageQuery(_SHORT), PageQuery(_SHORT, _SHORT * _FAR)] * 2
    pages: dict[int, Page] = {}

    async def fetch(place: int, query: PageQuery) -> None:
        pages[place] = await trial.source.fetch(query)

    async with anyio.create_task_group() as tasks:
        for place, query in enumerate(queries):
            tasks.start_soon(fetch, place, query)
    lengths = [len(pages[place].records) for place in range(len(queries))]
    if lengths != [len(trial.ids), 1, _SHORT, 0] * 2 or _ids(pages[0]) != set(trial.ids):
        raise NotKeptError(
            f"asked at once for {len(trial.ids)}, 1, {_SHORT} and 0 rows, twice, it gave {lengths}"
        )


async def the_reader_brings_every_row(trial: SourceTrial) -> None:
    """As a migration reads it, in short pages, with the proof that the list was read whole."""
    read = await _read(trial.source, limit=_SHORT)
    if read != set(trial.ids):
        raise NotKeptError(f"read in pages of {_SHORT}, {_differ(read, trial.ids)}")


async def the_users_own_filters_take_effect(trial: SourceTrial) -> None:
    if trial.narrowed is None:
        not_given("narrowed source")
    source, ids = trial.narrowed
    if not 0 < len(ids) < len(trial.ids):
        raise NotKeptError("a narrowed source has to leave out some rows, and not all")
    read = await _read(source, limit=_SHORT)
    if read != set(ids):
        raise NotKeptError(f"with its filters, {_differ(read, ids)}")


async def keys_are_whole_seconds_in_ascending_order(trial: SourceTrial) -> None:
    records = await _keyed(trial)
    wrong = next((record for record in records if type(record.key) is not int), None)
    if wrong is not None:
        raise NotKeptError(f"the key of record {wrong.id} is {wrong.key!r}, and keys are whole seconds")
    keys = _keys(records)
    if keys != sorted(keys):
        raise NotKeptError("the keys of a page are not in ascending order")


async def between_two_keys_comes_all_that_lies_there(trial: SourceTrial) -> None:
    keys = _keys(await _keyed(trial))
    for low, high in _bounds(keys):
        found = _keys(await _between(trial.source, low, high))
        for key in set(keys):
            wanted = keys.count(key)
            if _is_between(key, low, high) and found.count(key) != wanted:
                raise NotKeptError(
                    f"after {low} and before {high} there are {wanted} rows of key {key}; {found.count(key)} came"
                )


async def nothing_comes_from_outside_of_two_keys(trial: SourceTrial) -> None:
    """Rows at the very bounds may come or not."""
    keys = _keys(await _keyed(trial))
    for low, high in _bounds(keys):
        for key in _keys(await _between(trial.source, low, high)):
            if not _is_between(key, None if low is None else low - 1, None if high is None else high + 1):
                raise NotKeptError(f"a row of key {key} came, asked for after {low} and before {high}")


async def _whole(trial: SourceTrial) -> Page:
    return await trial.source.fetch(PageQuery(trial.source.listing.page_limit))


async def _keyed(trial: SourceTrial) -> Sequence[Record]:
    if trial.source.listing.reading != "keyset":
        not_given("keyset list")
    return (await _whole(trial)).records


def _bounds(keys: list[int]) -> list[tuple[int | None, int | None]]:
    ordered = sorted(set(keys))
    low, high = ordered[len(ordered) // 4], ordered[len(ordered) * 3 // 4]
    return [(low, high), (low, None), (None, high), (low - 1, low + 1)]


async def _between(source: Source, low: int | None, high: int | None) -> Sequence[Record]:
    return (await source.fetch(PageQuery(source.listing.page_limit, after=low, before=high))).records


def _is_between(key: int, low: int | None, high: int | None) -> bool:
    return (low is None or key > low) and (high is None or key < high)


async def _read(source: Source, *, limit: int) -> set[str]:
    """The ids that a migration's reader brings."""
    seen: set[str] = set()

    async def keep(records: Sequence[Record]) -> None:
        seen.update(record.id for record in records if record.id is not None)

    async def keep_page(page: ReadPage) -> None:
        await keep(page.records)

    async def no_split(shortened: Span, new: Span) -> None:
        del shortened, new

    listing = source.listing
    try:
        if listing.reading == "keyset":
            keys = _keys((await source.fetch(PageQuery(listing.page_limit))).records)
            first = min(keys) if listing.first_key is None else listing.first_key
            last = max(keys) if listing.last_key is None else listing.last_key
            spans = first_spans(first, upper=last + 1, count=2, lower=listing.first_key)
            await read_keyset(
                source, spans, limit=limit, workers=lambda: 2, sink=keep_page, on_split=no_split
            )
        else:
            async with Tally() as tally:
                await read_unkeyed(source, concurrency=lambda: 2, sink=keep, tally=tally)
    except BulkmoveError as error:
        raise NotKeptError(f"a migration's reader gave it up: {error}") from error
    return seen


def _keys(records: Sequence[Record]) -> list[int]:
    return [record.key for record in records if record.key is not None]


def _ids(page: Page) -> set[str]:
    return {record.id for record in page.records if record.id is not None}


def _differ(shown: Collection[str], expected: Collection[str]) -> str:
    missing, odd = set(expected) - set(shown), set(shown) - set(expected)
    return f"{len(missing)} rows are missing {sorted(missing)[:3]}, {len(odd)} are not of the list {sorted(odd)[:3]}"
