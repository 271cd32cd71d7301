"""Whole runs between shops in memory, on a real ledger."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from bulkmove import clock
from bulkmove.errors import HostUnavailableError, InDoubtError, LedgerRefusedError, RejectRecordError
from bulkmove.events import Event, RecordsRead, RecordsSettled
from bulkmove.ledger.file import migrations
from bulkmove.model import JsonObject, Listing, PageQuery, Verdict, WriteItem, WriteResult
from bulkmove.pipeline.status import status_of
from bulkmove.protocols import MapContext
from bulkmove.transport.attempts import Attempt, note_attempt
from tests.doubles import ARRAY, JOINED, ONCE, SINGLE, Shop, Trap, apply_all
from tests.trial import Trial, copy_key

SORTED = Listing(reading="keyset", page_limit=10)


def rows(count: int, **more: Any) -> list[JsonObject]:
    return [{"key": f"k{n:03}", "value": n, "at": 1000 + n, **more} for n in range(1, count + 1)]


def old_and_new(count: int = 25, *, page: int = 10, **new: Any) -> dict[str, Shop]:
    return {"old": Shop.of(rows(count), listing=Listing("passes", page)), "new": Shop(**new)}


def once_each(shop: Shop, count: int) -> bool:
    return shop.values("key") == [f"k{n:03}" for n in range(1, count + 1)]


@pytest.mark.parametrize("reading", ["passes", "keyset"])
@pytest.mark.parametrize("rules", [SINGLE, ARRAY, ONCE])
async def test_every_record_is_written_once_and_counted(tmp_path: Path, reading: Any, rules: Any) -> None:
    shops = {"old": Shop.of(rows(37), listing=Listing(reading, 10)), "new": Shop(rules=rules)}
    trial = Trial(tmp_path, shops).route()
    summary = await trial.run()
    assert summary.exit_code == 0
    assert summary.routes["rows"].as_dict() == {
        "read": 37, "written": 37, "unchanged": 0, "skipped": 0, "rejected": 0, "unknown": 0, "pending": 0,
    }  # fmt: skip
    assert once_each(shops["new"], 37)
    assert len(trial.mapped) == 37


async def test_a_finished_route_reads_and_writes_nothing_when_run_again(tmp_path: Path) -> None:
    shops = old_and_new()
    trial = Trial(tmp_path, shops).route()
    await trial.run()
    fetches, requests = [s.fetches for s in shops.values()], len(shops["new"].requests)
    summary = await trial.run()
    assert summary.exit_code == 0
    assert [s.fetches for s in shops.values()] == fetches
    assert len(shops["new"].requests) == requests


@pytest.mark.parametrize("reading", ["passes", "keyset"])
@pytest.mark.parametrize("limit", [1, 7, 10, 24])
async def test_a_limit_maps_exactly_so_many_in_each_run_and_no_record_twice(
    tmp_path: Path, reading: Any, limit: int
) -> None:
    shops = {"old": Shop.of(rows(24), listing=Listing(reading, 10)), "new": Shop()}
    trial = Trial(tmp_path, shops).route()
    for run in range(1, 24 // limit + 1):
        summary = await trial.run(limit=limit)
        assert len(trial.mapped) == run * limit
        assert len(shops["new"].rows) == run * limit
        assert summary.exit_code == 0
        if run == 3:
            break
    await trial.run()
    assert sorted(set(trial.mapped)) == sorted(trial.mapped)
    assert once_each(shops["new"], 24)


@pytest.mark.parametrize("rules", [SINGLE, ONCE])
@pytest.mark.parametrize("reading", ["passes", "keyset"])
async def test_a_limit_ends_a_run_whose_writers_are_behind(tmp_path: Path, reading: Any, rules: Any) -> None:
    async def slow(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await anyio.sleep(0.02)
        return await apply_all(shop, items)

    known = [{"key": f"k{n:03}", "value": 0} for n in range(1, 201)]
    shops = {
        "old": Shop.of(rows(200), listing=Listing(reading, 100)),
        "new": Shop.of(known, rules=rules, answer=slow),
    }
    trial = Trial(tmp_path, shops).route(
        mode="update", mapper=lambda record, _: {"id": record["id"], "value": -record["value"]}
    )
    with anyio.fail_after(20):
        summary = await trial.run(limit=100)
    assert summary.routes["rows"].written == 100


async def test_rows_are_held_for_all_routes_of_a_list_whatever_keys_they_match_by(tmp_path: Path) -> None:
    """What may land yet of one route's must not land on top of another's."""
    sent_at: list[float] = []

    async def twice(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        sent_at.append(clock.now())
        note_attempt(Attempt(clock.now(), "no answer within 60 s", is_unsettled=True))
        return await apply_all(shop, items)

    shops = {"old": Shop.of(rows(1)), "new": Shop.of([{"key": "k1", "value": 0}], answer=twice)}
    trial = Trial(tmp_path, shops, settle_s=1.5)
    trial.route("one", mode="update", mapper=lambda record, _: {"id": record["id"], "value": 1})
    trial.route(
        "other", mode="update", mapper=lambda record, _: {"id": record["id"], "value": 2}, after=("one",)
    )
    other = trial.routes["other"]
    trial.routes["other"] = replace(other, settings=replace(other.settings, natural_key="value"))
    assert (await trial.run()).exit_code == 0
    assert len(sent_at) == 2
    assert sent_at[1] - sent_at[0] >= 1.5, sent_at


async def test_stopped_mid_way_nothing_is_mapped_twice_and_the_next_run_ends_it(tmp_path: Path) -> None:
    shops = old_and_new(60)
    trial = Trial(tmp_path, shops).route()
    stop = anyio.Event()

    def stop_soon(event: Event) -> None:
        if isinstance(event, RecordsSettled):
            stop.set()

    summary = await trial.run(stop=stop, on_event=stop_soon)
    assert 0 < len(shops["new"].rows) < 60
    assert summary.routes["rows"].written == len(shops["new"].rows)
    summary = await trial.run()
    assert summary.exit_code == 0
    assert once_each(shops["new"], 60)
    assert len(trial.mapped) == 60


async def test_a_run_that_is_stopped_while_writers_are_behind_ends(tmp_path: Path) -> None:
    """The writers take up work again after the stop: what waits for them must not be waited for for ever."""
    go = anyio.Event()

    async def slow(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await go.wait()
        return await apply_all(shop, items)

    shops = old_and_new(100, page=100, answer=slow)
    trial = Trial(tmp_path, shops).route()
    stop = anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            async def stop_when_all_writers_are_busy() -> None:
                while len(shops["new"].requests) < 16:  # noqa: ASYNC110  another task or process moves it
                    await anyio.sleep(0.001)
                await anyio.sleep(0.01)
                stop.set()
                await anyio.sleep(0.01)
                go.set()

            tasks.start_soon(stop_when_all_writers_are_busy)
            await trial.run(stop=stop)
    assert 16 <= len(shops["new"].rows) < 100
    summary = await trial.run()
    assert once_each(shops["new"], 100)
    assert summary.routes["rows"].written == 100


async def test_a_stop_while_a_page_is_with_an_async_mapper_does_not_have_it_mapped_again(
    tmp_path: Path,
) -> None:
    shops = old_and_new(30)
    stop = anyio.Event()
    trial = Trial(tmp_path, shops)

    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        if record["id"] == "12":
            anyio.from_thread.run_sync(stop.set)
        return copy_key(record, context)

    shops["first"] = Shop()
    trial.route("first", source="first").route(after=("first",), mapper=mapper)
    await trial.run(stop=stop)
    await trial.run()
    assert once_each(shops["new"], 30)
    assert len(trial.mapped) == 30


async def test_a_self_route_reads_the_whole_list_before_its_first_write(tmp_path: Path) -> None:
    shop = Shop.of(rows(35), listing=Listing("passes", 10), rules=JOINED)
    fetches_at_writes: list[int] = []

    async def note(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        fetches_at_writes.append(shop.fetches)
        return await apply_all(shop, items)

    shop.answer = note
    trial = Trial(tmp_path, {"old": shop}).route(
        target="old", mapper=lambda record, _: {"id": record["id"], "value": record["value"] % 2}
    )
    summary = await trial.run()
    assert summary.routes["rows"].written == 34, "row 1 has its value already"
    assert summary.routes["rows"].unchanged == 1
    assert set(fetches_at_writes) == {shop.fetches - 4}, "its four pages are looked at afterwards"
    assert shop.values("value") == [0] * 17 + [1] * 18
    assert len(shop.requests) == 4, "two changes, ten ids a request"


async def test_a_self_route_over_a_sorted_list_writes_what_it_read(tmp_path: Path) -> None:
    shop = Shop.of(rows(35), listing=SORTED)
    trial = Trial(tmp_path, {"old": shop}).route(
        target="old", mapper=lambda record, _: {"id": record["id"], "value": 0}
    )
    summary = await trial.run()
    assert summary.routes["rows"].written == 35
    assert shop.values("value") == [0] * 35


async def test_two_hosts_at_one_address_make_a_self_route_too(tmp_path: Path) -> None:
    """Our own writes change what a reading of that list sees, whatever its host is called."""
    shop = Shop.of(rows(35), listing=Listing("passes", 10))
    fetches_at_writes: list[int] = []

    async def note(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        fetches_at_writes.append(shop.fetches)
        return await apply_all(shop, items)

    shop.answer = note
    trial = Trial(tmp_path, {"old": shop, "same": shop}, urls={"same": "http://old.invalid/"}).route(
        target="same", mapper=lambda record, _: {"id": record["id"], "value": 0}
    )
    await trial.run()
    assert set(fetches_at_writes) == {shop.fetches}


async def test_a_limit_on_a_self_route_maps_the_stored_rows_in_steps(tmp_path: Path) -> None:
    shop = Shop.of(rows(25), listing=Listing("passes", 10))
    trial = Trial(tmp_path, {"old": shop}).route(
        target="old", mapper=lambda record, _: {"id": record["id"], "value": -record["value"]}
    )
    for run in (1, 2, 3):
        summary = await trial.run(limit=7)
        assert len(trial.mapped) == 7 * run
        assert summary.routes["rows"].written == 7 * run
        assert summary.routes["rows"].pending == 25 - 7 * run
    await trial.run()
    assert shop.values("value") == [-n for n in range(25, 0, -1)]
    assert len(trial.mapped) == 25


async def test_a_row_deleted_while_the_list_was_read_is_skipped_as_gone(tmp_path: Path) -> None:
    shop = Shop.of(rows(25), listing=Listing("passes", 10))

    async def delete_one(_: PageQuery) -> None:
        if shop.fetches == 4:
            del shop.rows["3"]

    shop.on_fetch = delete_one
    trial = Trial(tmp_path, {"old": shop}).route(
        target="old", mapper=lambda record, _: {"id": record["id"], "value": 0}
    )
    summary = await trial.run()
    assert (
        summary.routes["rows"].as_dict() | {"written": 24, "skipped": 1} == summary.routes["rows"].as_dict()
    )
    assert ("rows", "3") not in trial.mapped
    assert summary.exit_code == 0


async def test_a_record_without_an_id_is_rejected_under_the_hash_of_its_bytes(tmp_path: Path) -> None:
    shops = old_and_new(5)
    shops["old"].rows["3"] = {"key": "nameless"}
    trial = Trial(tmp_path, shops).route()
    for _ in range(2):
        summary = await trial.run()
        assert summary.exit_code == 3
        assert summary.routes["rows"].rejected == 1
        assert summary.routes["rows"].written == 4
    [failure] = await trial.failures()
    assert failure.source_id.startswith("sha256:")
    assert failure.cause == "no-id"


async def test_a_record_of_several_bodies_counts_once_by_its_worst(tmp_path: Path) -> None:
    def several(record: JsonObject, _: MapContext) -> Iterable[JsonObject]:
        yield {"key": f"{record['key']}-a"}
        yield {"key": f"{record['key']}-b"} if record["id"] != "2" else {"no": "key"}

    shops = old_and_new(3)
    trial = Trial(tmp_path, shops).route(mapper=several)
    summary = await trial.run()
    counts = summary.routes["rows"]
    assert (counts.read, counts.written, counts.rejected) == (3, 2, 1)
    assert len(shops["new"].rows) == 5


async def test_a_mapper_costs_only_its_own_record(tmp_path: Path) -> None:
    def mapper(record: JsonObject, context: MapContext) -> Any:
        match record["id"]:
            case "1":
                return None
            case "2":
                raise RejectRecordError("unwanted")
            case "3":
                raise ZeroDivisionError("oops")
            case "4":
                return {"key": "x", "value": float("nan")}
            case "5":
                return "text"
            case "6":
                raise RejectRecordError("lone \ud800 surrogate")
            case "7":
                return [None, copy_key(record, context)]
            case _:
                return copy_key(record, context)

    shops = old_and_new(12)
    trial = Trial(tmp_path, shops).route(mapper=mapper)
    summary = await trial.run()
    counts = summary.routes["rows"]
    assert (counts.read, counts.skipped, counts.rejected, counts.written) == (12, 1, 6, 5)
    causes = {f.source_id: f.cause for f in await trial.failures()}
    assert causes == {
        "2": "mapper", "3": "mapper-error", "4": "not-json", "5": "mapper-error", "6": "mapper", "7": "mapper-error",
    }  # fmt: skip
    assert shops["new"].values("key") == ["k007", "k008", "k009", "k010", "k011", "k012"]


async def test_a_route_starts_when_those_it_comes_after_are_finished(tmp_path: Path) -> None:
    shops = old_and_new(20) | {"third": Shop()}
    seen: list[int] = []

    def second(record: JsonObject, context: MapContext) -> JsonObject:
        seen.append(len(shops["new"].rows))
        return {"key": record["key"], "value": context.target_id("rows", record["id"])}

    trial = Trial(tmp_path, shops).route("second", target="third", after=("rows",), mapper=second).route()
    summary = await trial.run()
    assert set(seen) == {20}
    assert summary.routes["second"].written == 20
    by_key = {row["key"]: row["id"] for row in shops["new"].rows.values()}
    assert all(by_key[row["key"]] == row["value"] for row in shops["third"].rows.values())


async def test_a_route_does_not_start_when_the_one_before_it_did_not_finish(tmp_path: Path) -> None:
    shops = old_and_new(20) | {"third": Shop()}
    trial = Trial(tmp_path, shops).route().route("second", target="third", after=("rows",))
    summary = await trial.run(limit=5)
    assert not shops["third"].rows
    assert any("second" in note for note in summary.notes)
    summary = await trial.run()
    assert len(shops["third"].rows) == 20


async def test_rejected_records_do_not_keep_the_next_route_from_starting(tmp_path: Path) -> None:
    shops = old_and_new(3) | {"third": Shop()}
    shops["old"].rows["2"]["key"] = None
    trial = Trial(tmp_path, shops).route().route("second", target="third", after=("rows",))
    summary = await trial.run()
    assert summary.exit_code == 3
    assert len(shops["third"].rows) == 2


async def test_a_changed_migration_is_refused_by_name_and_accepted_for_what_is_not_mapped_yet(
    tmp_path: Path,
) -> None:
    shops = old_and_new(20)
    trial = Trial(tmp_path, shops).route()
    await trial.run(limit=5)
    trial.route(mapper=lambda r, _: {"key": r["key"], "value": "new way"}, fingerprint="changed")
    with pytest.raises(LedgerRefusedError, match="mapper file"):
        await trial.run()
    assert len(shops["new"].rows) == 5
    await trial.run(accept_changes=True)
    assert len([row for row in shops["new"].rows.values() if row["value"] == "new way"]) == 15
    await trial.run()


async def test_the_order_of_names_in_a_fingerprint_is_no_change(tmp_path: Path) -> None:
    shops = old_and_new(5)
    await Trial(tmp_path, shops).route(fingerprint={"a": 1, "b": 2}).run(limit=2)
    summary = await Trial(tmp_path, shops).route(fingerprint={"b": 2, "a": 1}).run()
    assert summary.routes["rows"].written == 5


@pytest.mark.parametrize("mode", ["create", "upsert"])
async def test_two_routes_to_one_list_never_create_one_key_twice(tmp_path: Path, mode: Any) -> None:
    shops = {"old": Shop.of(rows(40)), "other": Shop.of(rows(40)), "new": Shop()}
    trial = Trial(tmp_path, shops).route(mode=mode).route("again", source="other", mode=mode)
    summary = await trial.run(look_up_together=True)
    assert once_each(shops["new"], 40)
    assert sum(c.written for c in summary.routes.values()) == 40
    assert sum(c.rejected for c in summary.routes.values()) == 40
    assert {f.cause for f in await trial.failures()} == {"duplicate-key"}


async def test_a_key_whose_row_was_found_unchanged_is_not_written_by_another_record(tmp_path: Path) -> None:
    shops = old_and_new(25) | {"new": Shop.of([{"key": "k001", "value": 1}])}
    shops["old"].rows["25"] = {"id": "25", "key": "k001", "value": "of another"}
    trial = Trial(tmp_path, shops).route()
    summary = await trial.run()
    assert shops["new"].rows["1"]["value"] == 1
    counts = summary.routes["rows"]
    assert (counts.unchanged, counts.written, counts.rejected) == (1, 23, 1)
    assert [(f.source_id, f.cause) for f in await trial.failures()] == [("25", "duplicate-key")]


# Hosts that fail.


async def fail_all(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    del shop, items
    raise InDoubtError("500", sent_at=time.time())


@pytest.mark.parametrize("rules", [ONCE, ARRAY])
async def test_a_host_that_fails_on_everything_rejects_nothing_and_ends_with_5(
    tmp_path: Path, rules: Any
) -> None:
    shops = old_and_new(25, rules=rules, answer=fail_all)
    trial = Trial(tmp_path, shops).route()
    for _ in range(4):
        summary = await trial.run(attempts_over_s=0.0)
        assert summary.exit_code == 5
        assert summary.routes["rows"].pending == 25
    shops["new"].answer = apply_all
    summary = await trial.run()
    assert summary.exit_code == 0
    assert once_each(shops["new"], 25)
    assert len(trial.mapped) == 25


@pytest.mark.parametrize("rules", [ONCE, ARRAY])
async def test_failures_of_a_host_that_served_nothing_are_not_held_against_a_record(
    tmp_path: Path, rules: Any
) -> None:
    """After an outage that cost every record its tries, one more failure of one of them rejects nothing."""
    shops = old_and_new(25, rules=rules, answer=fail_all)
    trial = Trial(tmp_path, shops).route()
    for _ in range(4):
        await trial.run(attempts_over_s=0.0)
    failed_once: list[str] = []

    async def fail_one_once(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if not failed_once and any(item.body["key"] == "k007" for item in items):
            failed_once.append("k007")
            raise InDoubtError("502", sent_at=time.time())
        return await apply_all(shop, items)

    shops["new"].answer = fail_one_once
    summary = await trial.run(attempts_over_s=0.0)
    assert failed_once
    assert summary.routes["rows"].rejected == 0
    assert once_each(shops["new"], 25)


@pytest.mark.parametrize(("rules", "mode"), [(ONCE, "create"), (ARRAY, "upsert")])
async def test_a_record_that_its_host_always_fails_on_is_set_aside_alone(
    tmp_path: Path, rules: Any, mode: Any
) -> None:
    async def poisoned(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if any(item.body["key"] == "k007" for item in items):
            raise InDoubtError("500", sent_at=time.time())
        return await apply_all(shop, items)

    shops = old_and_new(40, rules=rules, answer=poisoned)
    trial = Trial(tmp_path, shops).route(mode=mode)
    summary = await trial.run(attempts_over_s=0.0)
    assert summary.exit_code == 3
    assert summary.routes["rows"].rejected == 1
    assert summary.routes["rows"].written == 39
    assert [f.cause for f in await trial.failures()] == ["kept-failing"]
    tries = [request for request in shops["new"].requests if any(i.body["key"] == "k007" for i in request)]
    assert len(tries) >= 6
    assert len(tries[-1]) == 1


async def test_an_answer_lost_after_the_host_applied_the_write_doubles_nothing(tmp_path: Path) -> None:
    async def lose(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await apply_all(shop, items)
        raise InDoubtError("reset", sent_at=time.time())

    shops = old_and_new(25, rules=ARRAY, answer=lose)
    trial = Trial(tmp_path, shops).route()
    summary = await trial.run()
    assert summary.exit_code == 0
    assert once_each(shops["new"], 25)


async def test_a_host_that_turns_unreachable_ends_its_route_with_5_and_the_next_run_goes_on(
    tmp_path: Path,
) -> None:
    async def fall_over(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if len(shop.rows) >= 12:
            raise HostUnavailableError("host new: can't be reached")
        return await apply_all(shop, items)

    shops = old_and_new(25, rules=ONCE, answer=fall_over)
    trial = Trial(tmp_path, shops).route()
    summary = await trial.run()
    assert summary.exit_code == 5
    assert summary.routes["rows"].rejected == summary.routes["rows"].unknown == 0
    shops["new"].answer = apply_all
    summary = await trial.run()
    assert summary.exit_code == 0
    assert once_each(shops["new"], 25)


async def test_a_row_that_differs_is_unknown_and_looked_at_again_by_the_next_run(tmp_path: Path) -> None:
    async def mangle(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        for item in items:
            shop.apply(item)
            list(shop.rows.values())[-1]["value"] = "mangled"
        raise InDoubtError("reset", sent_at=time.time())

    shops = old_and_new(1, answer=mangle)
    trial = Trial(tmp_path, shops).route()
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].unknown) == (3, 1)
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].unknown) == (3, 1)
    assert len(shops["new"].requests) == 1, "looked at, not sent"
    shops["new"].rows["1"]["value"] = 1
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 1)
    assert len(shops["new"].requests) == 1


async def test_a_400_without_a_culprit_on_one_body_rejects_it(tmp_path: Path) -> None:
    async def refuse(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if any(item.body["key"] == "k003" for item in items):
            return [WriteResult(Verdict.HELD)] * len(items)
        return await apply_all(shop, items)

    for number, rules in enumerate((ARRAY, SINGLE)):
        folder = tmp_path / str(number)
        folder.mkdir()
        shops = old_and_new(20, rules=rules, answer=refuse)
        trial = Trial(folder, shops).route()
        with anyio.fail_after(20):
            summary = await trial.run()
        assert summary.routes["rows"].written == 19
        assert summary.routes["rows"].rejected == 1


# Updates of one row.


def onto_row_one(record: JsonObject, _: MapContext) -> JsonObject:
    return {"id": "1", "value": record["value"]}


@pytest.mark.parametrize("rules", [ONCE, JOINED, ARRAY])
async def test_the_last_of_several_updates_of_one_row_stands(tmp_path: Path, rules: Any) -> None:
    shops = old_and_new(12) | {"new": Shop.of([{"key": "x", "value": 0}], rules=rules)}
    await Trial(tmp_path, shops).route(mapper=onto_row_one).run()
    assert shops["new"].rows["1"]["value"] == 12


async def test_an_update_in_doubt_is_not_overtaken_after_a_restart(tmp_path: Path) -> None:
    """The first of two updates of a row is in doubt when the run is killed; the second has to wait for it."""
    shops = old_and_new(2) | {"new": Shop.of([{"key": "x", "value": 0}], rules=ONCE)}
    trap = Trap(1)
    shops["new"].answer = trap.answering()
    trial = Trial(tmp_path, shops).route(mapper=onto_row_one)
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await trap.is_sprung.wait()
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await trial.run()
    shops["new"].answer = apply_all
    await trial.run()
    assert shops["new"].rows["1"]["value"] == 2


async def test_an_update_that_was_given_up_is_not_sent_again_over_a_later_one(tmp_path: Path) -> None:
    """A later body was written to the row meanwhile: a run that looks at the unknown must not take that back."""

    async def fail_first(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if any(item.body["value"] == 1 for item in items):
            raise InDoubtError("500", sent_at=time.time())
        return await apply_all(shop, items)

    new = Shop.of([{"key": "x", "value": 0}, {"key": "y", "value": 0}], rules=SINGLE, answer=fail_first)
    shops = old_and_new(3) | {"new": new}

    def mapper(record: JsonObject, _: MapContext) -> JsonObject:
        return {"id": "2" if record["id"] == "2" else "1", "value": record["value"]}

    trial = Trial(tmp_path, shops).route(mapper=mapper)
    summary = await trial.run(attempts_over_s=0.0)
    assert summary.routes["rows"].unknown == 1
    assert new.rows["1"]["value"] == 3
    new.answer = apply_all
    summary = await trial.run()
    assert new.rows["1"]["value"] == 3
    assert summary.routes["rows"].unknown == 1


# Cancelled, or killed, at every point of the write path.


@pytest.mark.parametrize("rules", [ONCE, ARRAY, JOINED], ids=["single", "array", "joined"])
async def test_cancelled_at_any_point_nothing_is_lost_or_doubled(tmp_path: Path, rules: Any) -> None:
    passed: set[str] = set()
    for point in range(1, 200):
        folder = tmp_path / str(point)
        folder.mkdir()
        trap = Trap(point)
        trial, shop = _creates_and_updates(folder, rules)
        shop.answer = trap.answering()
        was_cancelled = await trial.run_into(trap)
        shop.answer = apply_all
        summary = await trial.run()
        passed |= set(trap.passed)
        assert summary.routes["rows"].written == 8, trap.passed
        assert summary.exit_code == 0, trap.passed
        assert shop.values("key") == [f"k{n:03}" for n in range(1, 9)], trap.passed
        assert shop.values("value") == list(range(1, 9)), trap.passed
        if not was_cancelled:
            break
    else:
        pytest.fail("a run passes fewer points than that")
    assert {
        "before the host applies",
        "before the host answers",
        "after the intent",
        "before the outcome",
    } <= passed


def _creates_and_updates(folder: Path, rules: Any) -> tuple[Trial, Shop]:
    """Rows 1 to 3 are there and are updated, 4 to 8 are created."""
    shop = Shop.of([{"key": f"k{n:03}", "value": 0} for n in (1, 2, 3)], rules=rules)
    shops = {"old": Shop.of(rows(8), listing=Listing("passes", 4)), "new": shop}
    return Trial(folder, shops).route(), shop


async def test_cancelled_at_any_point_of_a_refused_array_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    async def refuse(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if not any(item.body["value"] == 2 for item in items):
            return await apply_all(shop, items)
        return [WriteResult(Verdict.REJECTED if i.body["value"] == 2 else Verdict.HELD) for i in items]

    for point in range(1, 200):
        folder = tmp_path / str(point)
        folder.mkdir()
        trap = Trap(point)
        shops = old_and_new(8, page=4, rules=ARRAY, answer=trap.answering(refuse))
        trial = Trial(folder, shops).route()
        was_cancelled = await trial.run_into(trap)
        shops["new"].answer = refuse
        summary = await trial.run()
        assert (summary.routes["rows"].written, summary.routes["rows"].rejected) == (7, 1), trap.passed
        assert shops["new"].values("value") == [1, 3, 4, 5, 6, 7, 8], trap.passed
        if not was_cancelled:
            break
    else:
        pytest.fail("a run passes fewer points than that")


async def test_what_is_told_adds_up_to_what_is_counted(tmp_path: Path) -> None:
    shops = old_and_new(25)
    trial = Trial(tmp_path, shops).route()
    await trial.run()
    assert sum(e.records for e in trial.events if isinstance(e, RecordsRead)) == 25
    settled = [e for e in trial.events if isinstance(e, RecordsSettled)]
    assert sum(e.records for e in settled if e.outcome == "written") == 25


async def test_the_status_of_a_ledger_of_an_earlier_version_is_told(tmp_path: Path) -> None:
    """It is looked at as it is, and two runs of it need no column that came later."""
    trial = Trial(tmp_path, old_and_new()).route()
    await trial.run(limit=5)
    await trial.run()
    number, _ = migrations()[-1]
    with closing(sqlite3.connect(trial.ledger)) as connection, connection:
        for column in ("unsettled_at", "was_stopped"):
            connection.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        connection.execute(f"PRAGMA user_version = {number - 1}")
    told = await to_thread.run_sync(status_of, trial.settings)
    assert told.finished == {"rows"}
    assert told.routes["rows"].written == 25


@pytest.mark.parametrize("is_stopped", [True, False])
async def test_a_run_that_was_told_to_end_is_known_for_it(tmp_path: Path, *, is_stopped: bool) -> None:
    """Its exit code says nothing of what was on its way."""
    trial = Trial(tmp_path, old_and_new(60)).route()
    stop = anyio.Event()

    def stop_soon(event: Event) -> None:
        if is_stopped and isinstance(event, RecordsSettled):
            stop.set()

    await trial.run(stop=stop, on_event=stop_soon)
    with closing(sqlite3.connect(trial.ledger)) as connection:
        assert connection.execute("SELECT was_stopped FROM runs").fetchall() == [(is_stopped,)]
