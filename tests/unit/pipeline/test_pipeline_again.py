"""Retries between shops in memory, on a real ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.errors import (
    HostUnavailableError,
    InDoubtError,
    LedgerRefusedError,
    RejectRecordError,
    single_error,
)
from bulkmove.events import Event, Phase
from bulkmove.ledger import open_ledger
from bulkmove.ledger.choosing import Asked
from bulkmove.ledger.failing import Selection
from bulkmove.ledger.purging import purge_file
from bulkmove.model import JsonObject, Listing, PageQuery, Summary, Verdict, WriteItem, WriteResult
from bulkmove.pipeline.again import retry_migration
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.protocols import MapContext
from bulkmove.settings import RejectionLimit
from tests.doubles import ARRAY, JOINED, ONCE, SINGLE, Shop, Trap, apply_all, as_connector
from tests.trial import Trial, copy_key


def rows(count: int) -> list[JsonObject]:
    return [{"key": f"k{n:03}", "value": n, "at": 1000 + n} for n in range(1, count + 1)]


async def retry(
    trial: Trial,
    *,
    remap: bool = False,
    trap: Trap | None = None,
    stop: anyio.Event | None = None,
    **chosen: Any,
) -> Summary:
    plan = MigrationPlan(
        trial.settings, {name: as_connector({"rows": s}) for name, s in trial.shops.items()}, trial.routes
    )
    with single_error():
        async with open_ledger(trial.ledger, synchronous="normal") as ledger:
            seen = trap.around(ledger) if trap else ledger
            return await retry_migration(
                plan,
                seen,
                Asked(Selection(**chosen), remap=remap),
                observer=trial,
                stop=stop or anyio.Event(),
            )


class Choosy:
    """A host that refuses some bodies, by their value, until it is mended."""

    def __init__(self, *values: object) -> None:
        self.bad = set(values)

    async def __call__(self, shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        return [
            WriteResult(Verdict.REJECTED, cause="refused", message="a bad value")
            if item.body["value"] in self.bad
            else shop.apply(item)
            for item in items
        ]


def moving(tmp_path: Path, host: Choosy, count: int = 12, **new: Any) -> Trial:
    shops = {"old": Shop.of(rows(count), listing=Listing("passes", 5)), "new": Shop(answer=host, **new)}
    return Trial(tmp_path, shops).route()


def sent(trial: Trial) -> list[Any]:
    return [item.body["value"] for request in trial.shops["new"].requests for item in request]


@pytest.mark.parametrize("rules", [SINGLE, ARRAY, ONCE])
async def test_what_the_host_refused_is_sent_again_as_it_was_mapped_and_nothing_else(
    tmp_path: Path, rules: Any
) -> None:
    host = Choosy(3, 7)
    trial = moving(tmp_path, host, rules=rules)
    assert (await trial.run()).routes["rows"].rejected == 2
    host.bad = {7}
    trial.mapped.clear()
    trial.shops["new"].requests.clear()
    fetched = trial.shops["old"].fetches
    summary = await retry(trial)
    assert (summary.exit_code, summary.routes["rows"].written, summary.routes["rows"].rejected) == (3, 11, 1)
    assert sorted(sent(trial)) == [3, 7]
    assert (trial.mapped, trial.shops["old"].fetches) == ([], fetched)
    host.bad = set()
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].values("value") == list(range(1, 13))
    assert (await trial.run()).exit_code == 0


async def test_rows_that_somebody_made_meanwhile_are_not_doubled(tmp_path: Path) -> None:
    host = Choosy(3, 7, 9)
    trial = moving(tmp_path, host)
    await trial.run()
    host.bad = set()
    new = trial.shops["new"]
    new.rows["901"] = {"id": "901", "key": "k003", "value": 3}
    new.rows["902"] = {"id": "902", "key": "k007", "value": "by hand"}
    new.requests.clear()
    summary = await retry(trial)
    assert summary.routes["rows"].written == 11
    assert sent(trial) == [9]
    assert [(f.source_id, f.outcome, f.cause) for f in await trial.failures()] == [
        ("7", "unknown", "differs")
    ]
    assert len(new.rows) == 12
    new.rows["902"]["value"] = 7
    assert (await retry(trial, causes=("differs",))).exit_code == 0


def picky(*bad: int) -> Any:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        if record["value"] in bad:
            raise RejectRecordError("not this one", cause="bad-one")
        return copy_key(record, context)

    return mapper


async def test_what_was_rejected_when_it_was_mapped_is_read_and_mapped_anew(tmp_path: Path) -> None:
    trial = moving(tmp_path, Choosy())
    trial.route(mapper=picky(2, 5))
    assert (await trial.run()).routes["rows"].rejected == 2
    trial.mapped.clear()
    trial.route(mapper=picky(5), fingerprint="mended")
    summary = await retry(trial)
    assert sorted(trial.mapped) == [("rows", "2"), ("rows", "5")]
    assert (summary.routes["rows"].written, summary.routes["rows"].rejected) == (11, 1)
    assert any("the mapping has changed (mapper file)" in note for note in summary.notes)
    assert (await trial.run()).exit_code == 3, "its fingerprint was taken up"
    trial.route(fingerprint="mended again")
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].values("value") == list(range(1, 13))


@pytest.mark.parametrize("remap", [False, True])
async def test_what_is_mapped_anew_is_looked_for_before_it_is_sent(
    tmp_path: Path,
    remap: bool,  # noqa: FBT001  a value of the table
) -> None:
    host = Choosy(3)
    trial = moving(tmp_path, host)
    trial.route(mapper=picky(5))
    await trial.run()
    host.bad = set()
    trial.route(fingerprint="mended")
    new = trial.shops["new"]
    for number in (3, 5):
        new.rows[f"90{number}"] = {"id": f"90{number}", "key": f"k00{number}", "value": number}
    new.requests.clear()
    assert (await retry(trial, remap=remap)).exit_code == 0
    assert new.requests == []
    assert all_once(trial, 12)


async def test_a_record_that_left_the_source_is_skipped(tmp_path: Path) -> None:
    trial = moving(tmp_path, Choosy())
    trial.route(mapper=picky(2, 5))
    await trial.run()
    del trial.shops["old"].rows["5"]
    trial.route(fingerprint="mended")
    summary = await retry(trial)
    assert (summary.exit_code, summary.routes["rows"].skipped, summary.routes["rows"].written) == (0, 1, 11)
    assert summary.routes["rows"].read == 12


async def test_with_remap_a_mended_mapper_makes_the_body_anew(tmp_path: Path) -> None:
    trial = moving(tmp_path, Choosy(3))
    await trial.run()
    trial.shops["new"].requests.clear()

    def halved(record: JsonObject, context: MapContext) -> JsonObject:
        return {**copy_key(record, context), "value": record["value"] / 2}

    trial.route(mapper=halved, fingerprint="mended")
    assert (await retry(trial)).exit_code == 3, "without --remap the old body goes"
    assert (await retry(trial, remap=True)).exit_code == 0
    assert sent(trial) == [3, 1.5]
    assert [row["value"] for row in trial.shops["new"].rows.values() if row["key"] == "k003"] == [1.5]


async def test_a_record_mapped_anew_to_another_key_gives_its_old_one_free(tmp_path: Path) -> None:
    """Record 2 took the key of record 3, which was a duplicate then."""
    host = Choosy(2)
    trial = moving(tmp_path, host)

    def wrong(record: JsonObject, context: MapContext) -> JsonObject:
        body = copy_key(record, context)
        return {**body, "key": "k003"} if record["value"] == 2 else body

    trial.route(mapper=wrong)
    await trial.run()
    assert sorted((f.source_id, f.cause) for f in await trial.failures()) == [
        ("2", "refused"),
        ("3", "duplicate-key"),
    ]
    host.bad = set()
    trial.route(fingerprint="mended")
    await retry(trial, remap=True, ids=("2",))
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].values("key") == [f"k{n:03}" for n in range(1, 13)]


async def test_a_target_that_was_cleared_up_is_looked_at_again(tmp_path: Path) -> None:
    trial = moving(tmp_path, Choosy())
    new = trial.shops["new"]
    for number in ("71", "72"):
        new.rows[number] = {"id": number, "key": "k004", "value": 0}
    await trial.run()
    assert [f.cause for f in await trial.failures()] == ["ambiguous-key"]
    del new.rows["72"]
    assert (await retry(trial)).exit_code == 0
    assert new.rows["71"]["value"] == 4
    assert len(new.rows) == 12


async def test_only_what_is_chosen_is_worked(tmp_path: Path) -> None:
    host = Choosy(3, 7)
    trial = moving(tmp_path, host)
    trial.route(mapper=picky(5))
    await trial.run()
    host.bad = set()
    trial.route(fingerprint="mended")
    assert (await retry(trial, causes=("refused",), ids=("7",))).routes["rows"].written == 10
    assert (await retry(trial, causes=("bad-one",))).routes["rows"].written == 11
    assert [f.source_id for f in await trial.failures()] == ["3"]
    summary = await retry(trial, causes=("differs",))
    assert (summary.exit_code, summary.notes) == (3, ("nothing to retry: no failed record is meant",))


async def test_other_open_records_of_the_route_are_left_to_the_next_run(tmp_path: Path) -> None:
    """The route was cut off in its middle: what is pending there is not the retry's work."""
    host = Choosy(1)
    trial = moving(tmp_path, host, 20)
    assert (await trial.run(limit=10)).routes["rows"].rejected == 1

    async def down(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        del shop, items
        raise HostUnavailableError("down")

    trial.shops["new"].answer = down
    assert (await trial.run(limit=5)).exit_code == 5
    host.bad = set()
    trial.shops["new"].answer = host
    trial.shops["new"].requests.clear()
    summary = await retry(trial)
    assert sent(trial) == [1]
    assert summary.routes["rows"].pending > 0
    assert "rows" not in summary.finished
    assert (await trial.run()).exit_code == 0
    assert trial.shops["new"].values("value") == list(range(1, 21))


async def test_an_old_body_that_is_kept_beside_an_open_one_is_not_sent_too(tmp_path: Path) -> None:
    """Both were mapped anew together and one was rejected again; that was cut off, and then it was mapped once more."""
    trial = moving(tmp_path, Choosy(), 9, rules=ARRAY)
    trial.shops["old"].listing = Listing("passes", 100)
    trial.route(mapper=picky(1, 5))
    await trial.run()

    def wrong(record: JsonObject, context: MapContext) -> JsonObject:
        return {**copy_key(record, context), "key": "k001", "value": f"wrong {record['value']}"}

    trial.route(mapper=wrong, fingerprint="not quite mended")
    trap = Trap(1)
    while [f.cause for f in await trial.failures()] == ["bad-one", "bad-one"]:
        trap = Trap(len(trap.passed) + 1)
        await retry_into(trial, trap, remap=False)
    assert trap.passed[-1] == "after a change"
    assert [f.cause for f in await trial.failures()] == ["duplicate-key"]
    trial.route(fingerprint="mended")
    trial.shops["new"].requests.clear()
    assert (await retry(trial)).exit_code == 0
    assert sent(trial) == ["wrong 1", 5]


async def test_more_than_the_mapping_must_not_change(tmp_path: Path) -> None:
    trial = moving(tmp_path, Choosy(3))
    await trial.run()
    trial.route(mode="create")
    with pytest.raises(LedgerRefusedError, match="mode"):
        await retry(trial)


async def test_a_record_of_several_bodies_of_which_one_is_written_is_not_mapped_anew(tmp_path: Path) -> None:
    host = Choosy("b3")
    trial = moving(tmp_path, host)

    def two(record: JsonObject, context: MapContext) -> list[JsonObject]:
        del context
        return [{"key": f"{part}{record['key']}", "value": f"{part}{record['value']}"} for part in "ab"]

    trial.route(mapper=two)
    await trial.run()
    host.bad = set()
    trial.mapped.clear()
    assert (await retry(trial, remap=True)).exit_code == 0
    assert trial.mapped == []
    assert len(trial.shops["new"].rows) == 24


async def test_a_refused_update_of_a_row_that_another_record_wrote_since_is_left_alone(
    tmp_path: Path,
) -> None:
    host = Choosy(1)
    trial = moving(tmp_path, host, 2)
    trial.shops["new"].rows["77"] = {"id": "77", "key": "x", "value": 0}

    def same_row(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        return {"id": "77", "value": record["value"]}

    trial.route(mapper=same_row, batch_size=1)
    await trial.run()
    host.bad = set()
    summary = await retry(trial)
    assert trial.shops["new"].rows["77"]["value"] == 2
    assert any("record 1 is left alone: another record wrote row 77" in note for note in summary.notes)


def to_row_77(*bad: int) -> Any:
    """All records change one row of the target, but for those that are rejected."""

    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        if record["value"] in bad:
            raise RejectRecordError("not this one", cause="bad-one")
        return {"id": "77", "value": record["value"]}

    return mapper


def changing_one_row(tmp_path: Path, count: int, *bad: int) -> Trial:
    """Every record is a page of its own, read in their order."""
    trial = moving(tmp_path, Choosy(), count)
    trial.shops["old"].listing = Listing("passes", 1)
    trial.shops["new"].rows["77"] = {"id": "77", "key": "x", "value": 0}
    return trial.route(mapper=to_row_77(*bad), batch_size=1)


async def test_a_record_mapped_anew_does_not_overwrite_what_a_later_one_wrote(tmp_path: Path) -> None:
    trial = changing_one_row(tmp_path, 3, 1)
    await trial.run()
    trial.route(mapper=to_row_77(), batch_size=1, fingerprint="mended")
    for remap in (False, False, True, True):
        summary = await retry(trial, remap=remap)
        assert (summary.routes["rows"].rejected, summary.routes["rows"].written) == (1, 2)
        assert trial.shops["new"].rows["77"]["value"] == 3
    [failure] = await trial.failures()
    assert (failure.source_id, failure.outcome, failure.cause) == ("1", "rejected", "row-written-since")
    assert failure.message == "record 3 wrote row 77 of the target since, or is to write it"


async def test_a_record_mapped_anew_writes_over_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    trial = changing_one_row(tmp_path, 3, 3)
    await trial.run()
    assert trial.shops["new"].rows["77"]["value"] == 2
    trial.route(mapper=to_row_77(), batch_size=1, fingerprint="mended")
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].rows["77"]["value"] == 3


async def test_an_earlier_record_that_a_retry_wrote_was_written_since(tmp_path: Path) -> None:
    trial = changing_one_row(tmp_path, 3, 1, 2, 3)
    await trial.run()
    trial.route(mapper=to_row_77(), batch_size=1, fingerprint="mended")
    await retry(trial, ids=("2",))
    assert trial.shops["new"].rows["77"]["value"] == 2
    summary = await retry(trial)
    assert (summary.routes["rows"].written, summary.routes["rows"].rejected) == (1, 2)
    assert trial.shops["new"].rows["77"]["value"] == 2
    assert {f.cause for f in await trial.failures()} == {"row-written-since"}


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_of_records_that_are_mapped_anew_together_the_last_one_holds(tmp_path: Path, page: int) -> None:
    trial = changing_one_row(tmp_path, 5, 1, 2, 3, 4, 5)
    trial.shops["old"].listing = Listing("passes", page)
    await trial.run()
    trial.route(mapper=to_row_77(), batch_size=1, fingerprint="mended")
    trial.shops["old"].listing = Listing("passes", 3)
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].rows["77"]["value"] == 5


async def test_of_records_that_come_in_another_order_the_one_that_was_newer_holds(tmp_path: Path) -> None:
    trial = changing_one_row(tmp_path, 3, 1, 2, 3)
    await trial.run()
    trial.route(mapper=to_row_77(), batch_size=1, fingerprint="mended")
    old = trial.shops["old"]
    old.rows = dict(reversed(old.rows.items()))
    summary = await retry(trial)
    assert (summary.routes["rows"].written, summary.routes["rows"].rejected) == (1, 2)
    assert trial.shops["new"].rows["77"]["value"] == 3
    assert {f.message.split(" of")[0] for f in await trial.failures()} == {"record 3 wrote row 77"}


async def test_with_remap_what_the_host_refused_yields_to_what_was_written_after_it(tmp_path: Path) -> None:
    """Both are of one page: the requests tell their order."""
    for bad, value, rejected in ((1, 2, 1), (2, 2, 0)):
        folder = tmp_path / str(bad)
        folder.mkdir()
        trial = changing_one_row(folder, 2)
        trial.shops["old"].listing = Listing("passes", 100)
        host = Choosy(bad)
        trial.shops["new"].answer = host
        await trial.run()
        host.bad = set()
        summary = await retry(trial, remap=True)
        assert summary.routes["rows"].rejected == rejected
        assert trial.shops["new"].rows["77"]["value"] == value


async def test_a_key_is_free_again_although_the_body_that_claimed_it_was_purged(tmp_path: Path) -> None:
    host = Choosy(2)
    trial = moving(tmp_path, host)

    def wrong(record: JsonObject, context: MapContext) -> JsonObject:
        body = copy_key(record, context)
        return {**body, "key": "k003"} if record["value"] == 2 else body

    trial.route(mapper=wrong)
    await trial.run()
    host.bad = set()
    purge_file(trial.ledger, None, messages=False, synchronous="normal")
    trial.route(fingerprint="mended")
    await retry(trial, remap=True, ids=("2",))
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].values("key") == [f"k{n:03}" for n in range(1, 13)]


async def test_a_purged_claim_on_a_row_that_was_there_before_leaves_the_row_known(tmp_path: Path) -> None:
    host = Choosy(2)
    trial = moving(tmp_path, host, 3)
    trial.shops["new"].rows["77"] = {"id": "77", "key": "k003", "value": 0}

    def wrong(record: JsonObject, context: MapContext) -> JsonObject:
        body = copy_key(record, context)
        return {**body, "key": "k003"} if record["value"] == 2 else body

    trial.route(mapper=wrong)
    await trial.run()
    host.bad = set()
    purge_file(trial.ledger, None, messages=False, synchronous="normal")
    trial.route(fingerprint="mended")
    await retry(trial, remap=True, ids=("2",))
    assert (await retry(trial)).exit_code == 0
    assert trial.shops["new"].rows["77"] == {"id": "77", "key": "k003", "value": 3}
    assert len(trial.shops["new"].rows) == 3


async def retry_into(trial: Trial, trap: Trap, *, remap: bool) -> None:
    """Retry until the trap is sprung and cancel there, or to the end."""
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await trap.is_sprung.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await retry(trial, trap=trap, remap=remap)
        tasks.cancel_scope.cancel()


def all_once(trial: Trial, count: int) -> bool:
    return trial.shops["new"].values("key") == [f"k{n:03}" for n in range(1, count + 1)]


@pytest.mark.parametrize(("rules", "remap"), [(SINGLE, False), (ARRAY, True)])
async def test_cancelled_at_any_point_of_a_retry_nothing_is_lost_or_doubled(
    tmp_path: Path,
    rules: Any,
    remap: bool,  # noqa: FBT001  a value of the table
) -> None:
    """Whoever goes on, a retry or a run."""
    for hang_at in range(1, 60):
        folder = tmp_path / str(hang_at)
        folder.mkdir()
        host = Choosy(3, 7)
        trial = moving(folder, host, 7, rules=rules)
        trial.route(mapper=picky(5))
        await trial.run()
        host.bad = set()
        trial.route(fingerprint="mended")
        trap = Trap(hang_at)
        trial.shops["new"].answer = trap.answering()
        await retry_into(trial, trap, remap=remap)
        trial.shops["new"].answer = apply_all
        if hang_at % 2:
            await retry(trial)
        await trial.run()
        await retry(trial)
        assert all_once(trial, 7), trap.passed
        assert await trial.failures() == []
        if not trap.is_sprung.is_set():
            return
    pytest.fail("it never came to its end")


async def test_on_a_self_route_what_failed_is_read_again_and_nothing_else_is_changed(tmp_path: Path) -> None:
    shop = Shop.of(rows(25), listing=Listing("passes", 10), rules=JOINED)

    def restyle(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        if record["value"] == 7:
            raise RejectRecordError("not yet")
        return {"id": "99" if record["value"] == 9 else record["id"], "value": 100 + record["value"] % 2}

    trial = Trial(tmp_path, {"old": shop}).route(target="old", mapper=restyle)
    assert (await trial.run()).routes["rows"].rejected == 2, "one names a row that is not there"
    trial.route(
        target="old",
        mapper=lambda record, _: {"id": record["id"], "value": 100 + record["value"] % 2},
        fingerprint="mended",
    )
    trial.mapped.clear()
    shop.requests.clear()
    assert (await retry(trial)).exit_code == 0
    assert sorted(trial.mapped) == [("rows", "7"), ("rows", "9")]
    assert [item.target_id for request in shop.requests for item in request] == ["7", "9"]
    assert shop.values("value") == [100] * 12 + [101] * 13


async def test_on_a_self_route_what_is_mapped_anew_keeps_the_mark_by_which_a_change_shows(
    tmp_path: Path,
) -> None:
    shop = Shop.of(rows(5), listing=Listing("passes", 10), rules=JOINED)
    trial = Trial(tmp_path, {"old": shop}).route(target="old", mapper=picky(3))
    assert (await trial.run()).routes["rows"].rejected == 1
    before = marks(trial)
    trial.route(target="old", mapper=lambda _, __: None, fingerprint="mended")
    assert (await retry(trial)).routes["rows"].skipped == 1
    assert marks(trial) == before


def marks(trial: Trial) -> dict[str, bytes | None]:
    with closing(sqlite3.connect(trial.ledger)) as connection:
        return dict(connection.execute("SELECT source_id, source_digest FROM records").fetchall())


async def test_a_route_that_comes_after_another_is_retried_after_it(tmp_path: Path) -> None:
    shops = {"old": Shop.of(rows(6)), "new": Shop(), "sizing": Shop()}

    def follow(record: JsonObject, context: MapContext) -> JsonObject:
        new = context.target_id("rows", record["id"])
        if new is None:
            raise RejectRecordError("it has no new id", cause="no-new-id")
        return {"key": f"s{new}", "value": record["value"]}

    trial = (
        Trial(tmp_path, shops)
        .route(mapper=picky(4))
        .route("sizes", target="sizing", mapper=follow, after=("rows",))
    )
    summary = await trial.run()
    assert [summary.routes[name].rejected for name in ("rows", "sizes")] == [1, 1]
    trial.route(fingerprint="mended")
    summary = await retry(trial)
    assert summary.exit_code == 0
    assert len(shops["sizing"].rows) == 6


async def test_a_retry_that_is_stopped_leaves_the_rest_as_it_was(tmp_path: Path) -> None:
    trial = moving(tmp_path, Choosy(), 12)
    trial.route(mapper=picky(*range(1, 13)))
    await trial.run()
    trial.route(fingerprint="mended")
    stop = anyio.Event()

    async def stop_soon(query: PageQuery) -> None:
        if query.offset >= 5:
            stop.set()

    trial.shops["old"].on_fetch = stop_soon
    summary = await retry(trial, stop=stop)
    counts = summary.routes["rows"]
    assert counts.rejected > 0
    assert counts.read == 12
    with closing(sqlite3.connect(trial.ledger)) as connection:
        assert connection.execute("SELECT was_stopped FROM runs ORDER BY id").fetchall() == [(0,), (1,)]
    trial.shops["old"].on_fetch = None
    assert (await retry(trial)).exit_code == 0
    assert all_once(trial, 12)


async def test_a_host_that_fails_during_a_retry_loses_nothing(tmp_path: Path) -> None:
    host = Choosy(3, 7)
    trial = moving(tmp_path, host)
    await trial.run()

    async def lost(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await apply_all(shop, items)
        raise InDoubtError("the answer is lost", sent_at=1.0)

    trial.shops["new"].answer = lost
    await retry(trial)
    trial.shops["new"].answer = apply_all
    assert (await retry(trial)).exit_code == 0
    assert all_once(trial, 12)


async def test_nothing_but_the_chosen_routes_is_touched(tmp_path: Path) -> None:
    shops = {"old": Shop.of(rows(6)), "new": Shop(), "sizing": Shop()}
    trial = Trial(tmp_path, shops).route(mapper=picky(4)).route("sizes", target="sizing", mapper=picky(2))
    await trial.run()
    trial.route(fingerprint="mended").route("sizes", target="sizing", fingerprint="mended too")
    summary = await retry(trial, routes=("rows",))
    assert summary.routes["rows"].rejected == 0
    assert [f.route for f in await trial.failures()] == ["sizes"]
    with pytest.raises(LedgerRefusedError, match="sizes"):
        await trial.run()


async def test_the_error_budget_does_not_end_a_retry_which_would_meet_the_same_records_first_each_time(
    tmp_path: Path,
) -> None:
    trial = moving(tmp_path, Choosy(*range(1, 13)))
    await trial.run()
    limited = replace(trial.routes["rows"].settings, max_rejected=RejectionLimit(count=3))
    trial.routes["rows"] = replace(trial.routes["rows"], settings=limited)
    assert (await retry(trial)).exit_code == 3


async def test_changes_that_did_not_take_are_sent_again_by_a_retry_too(tmp_path: Path) -> None:
    """A run that is stopped before it confirmed them leaves them to whoever comes next."""
    stop = anyio.Event()

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        return [
            WriteResult(Verdict.REJECTED, cause="refused", message="a bad value")
            if is_bad and item.target_id == "9"
            else shop.apply(item)
            for item in items
        ]

    def stop_it(event: Event) -> None:
        if isinstance(event, Phase) and event.text.startswith("confirming"):
            stop.set()

    def relinked(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        return {"id": record["id"], "value": int(record["id"]) + 100}

    is_bad = True
    target = Shop.of(rows(12), rules=JOINED, listing=Listing("passes", 5), answer=answer)
    shops = {"old": Shop.of(rows(12), listing=Listing("passes", 5)), "new": target}
    trial = Trial(tmp_path, shops).route(mapper=relinked, mode="update", confirm="all")
    assert (await trial.run(stop=stop, on_event=stop_it)).routes["rows"].rejected == 1
    for row in ("3", "4"):
        target.rows[row]["value"] = 0
    is_bad = False
    summary = await retry(trial)
    assert (summary.exit_code, summary.routes["rows"].written, summary.routes["rows"].pending) == (0, 12, 0)
    assert target.values("value") == sorted(range(101, 113))
