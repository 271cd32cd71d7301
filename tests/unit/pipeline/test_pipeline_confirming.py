"""Changes of many rows at once, whose answer tells nothing of each: what is read back, and what becomes of those that did not take."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.events import Event, Note, Phase
from bulkmove.model import JsonObject, Listing, PageQuery, Verdict, WriteItem, WriteResult
from bulkmove.protocols import MapContext
from bulkmove.settings import Confirm
from tests.doubles import JOINED, Answer, Shop, apply_all
from tests.trial import Trial

Mapper = Callable[[JsonObject, MapContext], JsonObject]


def rows(count: int) -> list[JsonObject]:
    return [{"key": f"k{n}", "value": 0} for n in range(1, count + 1)]


def changed(record: JsonObject, context: MapContext) -> JsonObject:
    del context
    return {"id": record["id"], "value": 1}


def losing(losses: dict[str, int]) -> Answer:
    """Every change is answered as done; those of these rows are dropped so often."""

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        for item in items:
            if losses.get(item.target_id or "", 0) > 0:
                losses[item.target_id or ""] -= 1
            else:
                shop.apply(item)
        return [WriteResult(Verdict.WRITTEN, target_id=item.target_id) for item in items]

    return answer


def trial_of(
    folder: Path, confirm: Confirm, *, count: int = 30, mapper: Mapper = changed, **shop: Any
) -> Trial:
    source = Shop.of(rows(count))
    target = Shop.of(rows(count), rules=JOINED, **{"listing": Listing("passes", 5), **shop})
    return Trial(folder, {"old": source, "new": target}).route(mapper=mapper, mode="update", confirm=confirm)


def kept(trial: Trial) -> tuple[int, int]:
    """How many changes wait to be confirmed, and how many bodies are kept for them."""
    with closing(sqlite3.connect(trial.ledger)) as connection:
        return (
            connection.execute("SELECT count(*) FROM unconfirmed").fetchone()[0],
            connection.execute("SELECT count(*) FROM joined").fetchone()[0],
        )


def notes(trial: Trial) -> list[str]:
    return [event.text for event in trial.events if isinstance(event, Note)]


def times_sent(trial: Trial, row: str) -> int:
    return sum(item.target_id == row for request in trial.shops["new"].requests for item in request)


@pytest.mark.parametrize(("confirm", "fetches"), [("none", (0, 0)), ("sample", (5, 5)), ("all", (12, 24))])
async def test_what_is_read_back_is_what_was_asked_for(
    tmp_path: Path, confirm: Confirm, fetches: tuple[int, int]
) -> None:
    trial = trial_of(tmp_path, confirm)
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 30)
    assert fetches[0] <= trial.shops["new"].fetches <= fetches[1]
    assert kept(trial) == (0, 0)
    assert notes(trial) == []


@pytest.mark.parametrize("losses", [1, 2])
async def test_a_change_that_a_row_does_not_hold_is_sent_again(tmp_path: Path, losses: int) -> None:
    trial = trial_of(tmp_path, "all", answer=losing({"7": losses, "22": losses}))
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 30)
    assert trial.shops["new"].values("value") == [1] * 30
    assert [times_sent(trial, row) for row in ("7", "22", "8")] == [losses + 1, losses + 1, 1]
    assert kept(trial) == (0, 0)


@pytest.mark.parametrize("confirm", ["all", "sample"])
async def test_a_row_that_keeps_its_old_values_is_rejected_by_name(tmp_path: Path, confirm: Confirm) -> None:
    """Row 1 is in the first page, which every sample holds; row 7 is found because of it."""
    trial = trial_of(tmp_path, confirm, answer=losing({"1": 9, "7": 9}))
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written, summary.routes["rows"].rejected) == (3, 28, 2)
    failures = {failure.source_id: failure for failure in await trial.failures()}
    assert {name: (f.outcome, f.cause) for name, f in failures.items()} == {
        "1": ("rejected", "not-applied"), "7": ("rejected", "not-applied"),
    }  # fmt: skip
    assert failures["7"].message.endswith("row 7 shows another value")
    assert times_sent(trial, "7") == 3
    assert kept(trial) == (0, 0)


async def test_a_row_that_is_gone_or_shows_nothing_leaves_its_change_unknown(tmp_path: Path) -> None:
    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await apply_all(shop, [item for item in items if item.target_id in shop.rows])
        shop.rows.pop("7", None)
        shop.rows["22"].pop("value", None)
        return [WriteResult(Verdict.WRITTEN, target_id=item.target_id) for item in items]

    trial = trial_of(tmp_path, "all", answer=answer)
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].unknown) == (3, 2)
    assert {f.source_id: (f.outcome, f.cause, f.message) for f in await trial.failures()} == {
        "7": ("unknown", "not-applied", "the target answered that it was written, and shows no row 7"),
        "22": ("unknown", "not-applied", "the target answered that it was written, and row 22 shows no field of it"),
    }  # fmt: skip
    trial.shops["new"].answer = apply_all
    trial.shops["new"].rows |= {row: {"id": row, "key": f"k{row}", "value": 0} for row in ("7", "22")}
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 30), "the next run looks again"
    assert trial.shops["new"].values("value") == [1] * 30


async def test_fields_that_never_come_back_are_counted_and_named(tmp_path: Path) -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        body = changed(record, context)
        return body | {"image": "x"} if int(record["id"]) <= 10 else {"id": body["id"], "image": "y"}

    trial = trial_of(
        tmp_path, "all", mapper=mapper, never_returned=frozenset({"image"}), answer=losing({"20": 9})
    )
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 30), (
        "what can't be seen blames no record"
    )
    assert notes(trial) == [
        "route rows: 30 of 30 changes hold image, which new.rows never shows: whether these were taken can't be confirmed"
    ]


async def test_a_sample_that_holds_no_changed_row_says_so(tmp_path: Path) -> None:
    def some(record: JsonObject, context: MapContext) -> JsonObject | None:
        return changed(record, context) if record["id"] == "7" else None

    trial = trial_of(tmp_path, "sample", mapper=some, count=200)  # type: ignore[arg-type]  # nothing is skipped
    summary = await trial.run()
    assert summary.exit_code == 0
    [note] = notes(trial)
    assert "none of its 1 changes was among the 25 rows of new.rows that were looked at" in note


async def test_of_two_changes_of_a_row_the_later_is_confirmed(tmp_path: Path) -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        return {"id": "1", "value": int(record["id"])}

    trial = trial_of(tmp_path, "all", mapper=mapper, count=12)
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 12)
    assert trial.shops["new"].rows["1"]["value"] == 12
    assert len(trial.shops["new"].requests) == 12, "nothing is sent again"


@pytest.mark.parametrize("phase", ["confirming", "confirming a sample"])
async def test_stopped_while_it_confirms_a_route_goes_on_with_that(tmp_path: Path, phase: str) -> None:
    stop = anyio.Event()

    def stop_it(event: Event) -> None:
        if isinstance(event, Phase) and event.text.startswith(phase):
            stop.set()

    confirm: Confirm = "sample" if phase.endswith("sample") else "all"
    trial = trial_of(tmp_path, confirm, answer=losing({"1": 1}))
    summary = await trial.run(stop=stop, on_event=stop_it)
    assert (summary.routes["rows"].written, summary.finished) == (30, frozenset())
    assert kept(trial)[0] > 0
    summary = await trial.run()
    assert (summary.exit_code, summary.finished) == (0, frozenset({"rows"}))
    assert trial.shops["new"].values("value") == [1] * 30
    assert kept(trial) == (0, 0)


async def test_cancelled_at_any_point_of_confirming_the_next_run_ends_it(tmp_path: Path) -> None:
    """As a kill would: at each fetch in turn, with a row whose change did not take."""
    for hang_at in range(1, 60):
        folder = tmp_path / str(hang_at)
        folder.mkdir()
        trial = trial_of(folder, "all", answer=losing({"7": 1}), count=12)
        new, is_there = trial.shops["new"], anyio.Event()

        async def hang(
            query: PageQuery, new: Shop = new, at: int = hang_at, is_there: anyio.Event = is_there
        ) -> None:
            del query
            if new.fetches == at:
                is_there.set()
                await anyio.sleep_forever()

        new.on_fetch = hang
        has_ended = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def run(
                trial: Trial = trial, has_ended: anyio.Event = has_ended, is_there: anyio.Event = is_there
            ) -> None:
                await trial.run()
                has_ended.set()
                is_there.set()

            tasks.start_soon(run)
            await is_there.wait()
            tasks.cancel_scope.cancel()
        new.on_fetch = None
        summary = await trial.run()
        assert (summary.exit_code, summary.routes["rows"].written) == (0, 12)
        assert new.values("value") == [1] * 12
        assert kept(trial) == (0, 0)
        if has_ended.is_set():
            assert hang_at > 8
            return
    pytest.fail("there are fewer fetches than that")


async def test_at_a_limit_nothing_is_confirmed_before_the_route_is_read_whole(tmp_path: Path) -> None:
    trial = trial_of(tmp_path, "all", answer=losing({"3": 1}))
    await trial.run(limit=10)
    assert trial.shops["new"].fetches == 0
    assert kept(trial)[0] == 10
    summary = await trial.run()
    assert summary.exit_code == 0
    assert trial.shops["new"].values("value") == [1] * 30
