"""The last look at a list: rows that a host made twice, told from those that it had, and from those that others made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.errors import InDoubtError, single_error
from bulkmove.events import Event, Note, Phase
from bulkmove.ledger import open_ledger
from bulkmove.ledger.choosing import Asked
from bulkmove.model import JsonObject, Listing, PageQuery, Summary, WriteItem, WriteResult
from bulkmove.pipeline.again import retry_migration
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.protocols import MapContext
from tests.doubles import ARRAY, SINGLE, Answer, Shop, apply_all, as_connector
from tests.trial import Trial


def rows(count: int) -> list[JsonObject]:
    return [{"key": f"k{n}", "value": n} for n in range(1, count + 1)]


def shops(count: int = 5, **new: Any) -> dict[str, Shop]:
    return {"old": Shop.of(rows(count)), "new": Shop(**new)}


def late(*keys: str) -> Answer:
    """The first creates of these keys are answered by nothing, and done when they come for the second time."""
    waiting = set(keys)

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        mine = [item.body["key"] for item in items if item.body["key"] in waiting]
        if mine:
            waiting.difference_update(mine)
            raise InDoubtError("504", sent_at=0.0)
        for item in items:
            if item.body["key"] in keys:
                shop.apply(item)
        return await apply_all(shop, items)

    return answer


async def retry(trial: Trial) -> Summary:
    connectors = {name: as_connector({"rows": shop}) for name, shop in trial.shops.items()}
    plan = MigrationPlan(trial.settings, connectors, trial.routes)
    with single_error():
        async with open_ledger(trial.ledger, synchronous="normal") as ledger:
            return await retry_migration(plan, ledger, Asked(), observer=trial, stop=anyio.Event())


def notes(trial: Trial) -> list[str]:
    return [event.text for event in trial.events if isinstance(event, Note)]


@pytest.mark.parametrize("rules", [SINGLE, ARRAY])
async def test_what_a_host_did_after_it_was_read_back_is_found_and_named(tmp_path: Path, rules: Any) -> None:
    trial = Trial(tmp_path, shops(answer=late("k2"), rules=rules)).route()
    summary = await trial.run()
    assert summary.exit_code == 3
    assert (summary.routes["rows"].unknown, summary.routes["rows"].written) == (1, 4)
    [failure] = await trial.failures()
    assert (failure.source_id, failure.cause) == ("2", "doubled")
    twice = [row_id for row_id, row in trial.shops["new"].rows.items() if row["key"] == "k2"]
    assert len(twice) == 2
    assert all(row_id in failure.message for row_id in twice)
    assert any("1 of its records are on new.rows more than once" in note for note in notes(trial))


async def test_once_a_person_deleted_the_double_the_next_run_finds_the_record_written(tmp_path: Path) -> None:
    trial = Trial(tmp_path, shops(answer=late("k2"))).route()
    new = trial.shops["new"]
    await trial.run()
    assert (await trial.run()).exit_code == 3, "still there twice"
    first, _ = (row_id for row_id, row in new.rows.items() if row["key"] == "k2")
    del new.rows[first]
    requests = len(new.requests)
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 5)
    assert len(new.requests) == requests, "nothing is sent"
    fetches = new.fetches
    await trial.run()
    assert new.fetches == fetches, "a finished route reads nothing"


async def test_a_double_of_which_no_row_is_left_is_rejected_and_made_once_more_by_a_retry(
    tmp_path: Path,
) -> None:
    trial = Trial(tmp_path, shops(answer=late("k2"))).route()
    await trial.run()
    new = trial.shops["new"]
    new.rows = {row_id: row for row_id, row in new.rows.items() if row["key"] != "k2"}
    new.answer = apply_all
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].rejected, summary.routes["rows"].unknown) == (3, 1, 0)
    [failure] = await trial.failures()
    assert (failure.outcome, failure.cause) == ("rejected", "none-left")
    assert failure.message.startswith("no row of the target has its key any more")
    assert any("1 of its records, which were there more than once, have no row" in n for n in notes(trial))
    fetches = new.fetches
    assert (await trial.run()).exit_code == 3
    assert new.fetches == fetches, "it is finished"
    summary = await retry(trial)
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 5)
    assert new.values("key") == ["k1", "k2", "k3", "k4", "k5"]


async def test_what_was_made_by_hand_after_both_doubles_were_deleted_is_found(tmp_path: Path) -> None:
    trial = Trial(tmp_path, shops(answer=late("k2"))).route()
    await trial.run()
    new = trial.shops["new"]
    new.rows = {row_id: row for row_id, row in new.rows.items() if row["key"] != "k2"}
    await trial.run()
    new.rows["99"] = {"id": "99", "key": "k2", "value": 2}
    new.requests.clear()
    assert (await retry(trial)).exit_code == 0
    assert new.requests == []


async def test_a_double_is_looked_at_again_although_sweeping_was_turned_off(tmp_path: Path) -> None:
    trial = Trial(tmp_path, shops(answer=late("k2"))).route()
    await trial.run()
    trial.sweep = "never"
    new = trial.shops["new"]
    assert (await trial.run()).exit_code == 3, "still there twice"
    first, _ = (row_id for row_id, row in new.rows.items() if row["key"] == "k2")
    del new.rows[first]
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 5)


async def test_without_a_lost_answer_the_list_is_not_read_again(tmp_path: Path) -> None:
    trial = Trial(tmp_path, shops()).route()
    await trial.run()
    fetches_of_keys = trial.shops["new"].fetches
    other = Trial(tmp_path / "other", shops(answer=late("k2")), sweep="never").route()
    (tmp_path / "other").mkdir()
    summary = await other.run()
    assert (summary.exit_code, len(other.shops["new"].rows)) == (0, 6), "never means never"
    always = Trial(tmp_path / "always", shops(), sweep="always").route()
    (tmp_path / "always").mkdir()
    await always.run()
    assert always.shops["new"].fetches > fetches_of_keys


async def test_always_finds_what_a_host_doubles_of_its_own_accord(tmp_path: Path) -> None:
    async def twice(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await apply_all(shop, [item for item in items if item.body["key"] == "k3"])
        return await apply_all(shop, items)

    trial = Trial(tmp_path, shops(answer=twice), sweep="always").route()
    assert (await trial.run()).exit_code == 3
    assert [failure.source_id for failure in await trial.failures()] == ["3"]


async def test_rows_that_share_a_key_for_other_reasons_are_no_doubles(tmp_path: Path) -> None:
    """Held twice before the first write; rows of others; rows that are changed, also by two records."""
    new = Shop.of(
        [{"key": "twice"}, {"key": "twice"}, {"key": "other"}, {"key": "other"}, {"key": "k1", "value": 0}]
    )
    source: list[JsonObject] = [
        {"key": "twice", "to": None},
        {"key": "k1", "to": None},
        {"key": "a", "to": "3"},
        {"key": "a", "to": "4"},
        {"key": "same", "to": "4"},
        {"key": "k9", "to": None},
    ]

    def mapped(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        body = {"key": record["key"], "value": 1}
        return body | ({"id": record["to"]} if record["to"] else {})

    trial = Trial(tmp_path, {"old": Shop.of(source), "new": new}, sweep="always").route(mapper=mapped)
    await trial.run()
    assert {(f.source_id, f.cause) for f in await trial.failures()} == {("1", "ambiguous-key")}


async def test_of_a_record_of_several_bodies_the_doubled_one_is_unknown(tmp_path: Path) -> None:
    def mapped(record: JsonObject, context: MapContext) -> list[JsonObject]:
        del context
        return [{"key": f"{record['key']}-{part}", "value": part} for part in range(3)]

    trial = Trial(tmp_path, shops(2, answer=late("k1-1"))).route(mapper=mapped)
    summary = await trial.run()
    assert summary.routes["rows"].as_dict() == {
        "read": 2, "written": 1, "unchanged": 0, "skipped": 0, "rejected": 0, "unknown": 1, "pending": 0,
    }  # fmt: skip
    assert [failure.cause for failure in await trial.failures()] == ["doubled"]


async def test_what_was_set_aside_as_not_there_and_came_after_all_is_not_called_rejected(
    tmp_path: Path,
) -> None:
    """The next run reads it back, and finds it written."""
    tries: list[int] = []

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if items[0].body["key"] != "k2":
            return await apply_all(shop, items)
        tries.append(1)
        if len(tries) == 6:
            new.on_fetch = comes_late
        raise InDoubtError("504", sent_at=0.0)

    async def comes_late(query: PageQuery) -> None:
        del query
        if (
            phases
            and phases[-1].startswith("looking for rows")
            and not any(r["key"] == "k2" for r in new.rows.values())
        ):
            new.rows["77"] = {"id": "77", "key": "k2", "value": 2}

    phases: list[str] = []

    def note_phase(event: Event) -> None:
        if isinstance(event, Phase):
            phases.append(event.text)

    new = Shop(answer=answer)
    trial = Trial(tmp_path, {"old": Shop.of(rows(5)), "new": new}).route()
    summary = await trial.run(attempts_over_s=0.0, on_event=note_phase)
    assert summary.exit_code == 3
    [failure] = await trial.failures()
    assert (failure.outcome, failure.cause) == ("unknown", "found-late")
    summary = await trial.run()
    assert (summary.exit_code, summary.routes["rows"].written) == (0, 5)


async def test_a_look_that_is_stopped_is_taken_anew_by_the_next_run(tmp_path: Path) -> None:
    stop = anyio.Event()

    def stop_it(event: Event) -> None:
        if isinstance(event, Phase) and event.text.startswith("looking for rows"):
            stop.set()

    trial = Trial(tmp_path, shops(answer=late("k2"))).route()
    summary = await trial.run(stop=stop, on_event=stop_it)
    assert (summary.exit_code, summary.finished) == (0, frozenset())
    assert (await trial.run()).exit_code == 3
    assert [failure.cause for failure in await trial.failures()] == ["doubled"]


async def test_a_list_of_many_pages_is_looked_through_to_its_end(tmp_path: Path) -> None:
    new = Shop(answer=late("k1", "k37"), listing=Listing("passes", 5))
    trial = Trial(tmp_path, {"old": Shop.of(rows(40)), "new": new}).route()
    await trial.run()
    assert sorted(f.source_id for f in await trial.failures()) == ["1", "37"]
