"""Body checks in a whole run: a bad body is rejected with its reason and is never sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext
from tests.doubles import ARRAY, Shop
from tests.trial import Trial


class Made(TypedDict):
    key: str
    value: int


class Changed(TypedDict):
    value: str


ROWS: list[JsonObject] = [{"key": f"k{n}", "value": "no number" if n % 3 == 0 else n} for n in range(9)]


def checked(trial: Trial, **settings: Any) -> Trial:
    plan = trial.routes["rows"]
    trial.routes["rows"] = replace(
        plan,
        settings=replace(plan.settings, **settings),
        target=replace(plan.target, create_body=Made, update_body=Changed),
    )
    return trial


async def test_a_bad_body_costs_its_record_alone_and_is_not_sent(tmp_path: Path) -> None:
    shops = {"old": Shop.of(ROWS), "new": Shop(rules=ARRAY)}
    trial = checked(Trial(tmp_path, shops).route())
    summary = await trial.run()
    assert (summary.routes["rows"].written, summary.routes["rows"].rejected) == (6, 3)
    assert shops["new"].values("key") == ["k1", "k2", "k4", "k5", "k7", "k8"]
    failures = [(f.source_id, f.cause, f.message) for f in await trial.failures()]
    assert failures == [(n, "bad-body", "value: expected int, got str") for n in ("1", "4", "7")]


async def test_what_updates_a_row_is_held_against_the_form_of_an_update(tmp_path: Path) -> None:
    shops = {"old": Shop.of(ROWS), "new": Shop.of([{"key": "k1"}, {"key": "k3"}])}
    trial = checked(Trial(tmp_path, shops).route())
    summary = await trial.run()
    failed = {f.source_id for f in await trial.failures()}
    assert failed == {"1", "2", "7"}, "k0 and k6 as creates, k1 as an update"
    assert summary.routes["rows"].written == 6


async def test_a_bad_body_claims_no_key(tmp_path: Path) -> None:
    rows: list[JsonObject] = [
        {"key": "k", "value": "bad"},
        {"key": "k", "value": 2},
        {"key": "k", "value": 3},
    ]
    shops = {"old": Shop.of(rows), "new": Shop()}
    trial = checked(Trial(tmp_path, shops).route())
    await trial.run()
    assert shops["new"].values("value") == [2]
    assert [(f.source_id, f.cause) for f in await trial.failures()] == [
        ("1", "bad-body"),
        ("3", "duplicate-key"),
    ]


async def test_check_bodies_switched_off_sends_what_the_mapper_gave(tmp_path: Path) -> None:
    shops = {"old": Shop.of(ROWS), "new": Shop()}
    summary = await checked(Trial(tmp_path, shops).route(), check_bodies=False).run()
    assert summary.routes["rows"].written == 9


async def test_a_row_that_is_unchanged_is_not_checked(tmp_path: Path) -> None:
    """Nothing is sent for it, so that nothing can be refused."""
    shops = {"old": Shop.of(ROWS[:1]), "new": Shop.of([{"key": "k0", "value": "no number"}])}
    summary = await checked(Trial(tmp_path, shops).route()).run()
    assert summary.routes["rows"].unchanged == 1


async def test_on_a_list_that_is_read_before_it_is_written_bodies_are_checked_too(tmp_path: Path) -> None:
    shop = Shop.of(ROWS)

    def change(record: JsonObject, _: MapContext) -> JsonObject:
        return {"id": record["id"], "value": str(record["value"]) if record["id"] != "2" else 5}

    trial = checked(Trial(tmp_path, {"old": shop}).route(target="old", mapper=change))
    await trial.run()
    assert [(f.source_id, f.cause) for f in await trial.failures()] == [("2", "bad-body")]
    assert shop.rows["3"]["value"] == "2"
