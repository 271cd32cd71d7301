"""`bulkmove map`: a mapping tried on records from stdin; no host is there to be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner, Result

from bulkmove.cli.group import main
from bulkmove.entries import Entry, Member, Settled
from bulkmove.ledger import open_ledger
from bulkmove.model import State

TEXT = """
name = "x"

[hosts.old]
api = "merchantpro"
url = "http://127.0.0.1:9"
credentials = { key = "hunter2-key", secret = "hunter2-secret" }
give_up_after_s = 0.2

[hosts.new]
api = "external-order"
url = "http://127.0.0.1:9"
credentials = { token = "hunter2-token" }
give_up_after_s = 0.2

[lookups.city]
from = { "Cluj" = 12, "Iași" = 13 }

[lookups.region]
from = "new.regions"

[routes.before]
source = "old.orders"
target = "new.orders"
mapper = "mappers.py:plain"

[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "mappers.py:order"
after = ["before"]

[routes.regions]
source = "old.orders"
target = "new.orders"
mapper = "mappers.py:region"
"""
MAPPERS = """
from bulkmove import RejectRecordError


def _order(record, **more):
    return {"shop": 2, "rrn": str(record["id"]), "order_items": [{"product": 1, "quantity": 1}], **more}


def plain(record, context):
    match record.get("do"):
        case "skip":
            return None
        case "reject":
            raise RejectRecordError("no room for it")
        case "bad":
            return _order(record, order_items=[{"product": 1, "quantity": {}}])
        case "odd":
            return _order(record, colour="red")
        case "two":
            return [_order(record), _order(record, promo_code=7)]
        case "row":
            return _order(record, order_id=77)
        case "exact":
            return _order(record, promo_code=record["code"])
    return _order(record)


def order(record, context):
    city = context.lookup("city", record["city"])
    return _order(record, promo_code=context.target_id("before", str(record["id"])), address={"locality_id": city})


def region(record, context):
    return _order(record, address={"region_id": context.lookup("region", record["region"])})


plain.lookups = ()
order.lookups = ("city",)
region.lookups = ("region",)
"""


@pytest.fixture(autouse=True)
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "migration.toml"
    path.write_text(TEXT)
    (tmp_path / "mappers.py").write_text(MAPPERS)
    return path


def try_on(records: Any, *arguments: str) -> Result:
    given = records if isinstance(records, str) else json.dumps(records)
    return CliRunner().invoke(main, ["map", *arguments], input=given)


def order(number: int, **more: Any) -> dict[str, Any]:
    return {"shop": 2, "rrn": str(number), "order_items": [{"product": 1, "quantity": 1}], **more}


def test_a_record_is_mapped_and_printed_for_people_or_for_programs(migration: Path) -> None:
    done = try_on({"id": 1001}, "before")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == order(1001)
    assert '\n  "rrn": "1001"' in done.stdout
    done = try_on({"id": 1001}, str(migration), "before", "--json")
    assert json.loads(done.stdout) == {
        "type": "mapped", "route": "before", "source_id": "1001", "mapped": order(1001),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("do", "outcome", "cause", "said"),
    [
        ("skip", "skipped", "mapper", ""),
        ("reject", "rejected", "mapper", "no room for it"),
        ("bad", "rejected", "bad-body", "order_items[0].quantity: expected "),
        ("odd", "rejected", "unknown-field", "no field colour"),
    ],
)
def test_what_is_not_mapped_says_why_and_ends_with_3(do: str, outcome: str, cause: str, said: str) -> None:
    done = try_on({"id": 7, "do": do}, "before", "--json")
    assert done.exit_code == 3
    line = json.loads(done.stdout)
    assert (line["type"], line["cause"]) == (outcome, cause)
    assert said in (line["message"] or "")
    done = try_on({"id": 7, "do": do}, "before")
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"record 7 is {outcome}: {cause}" in done.stderr


def test_several_bodies_and_the_row_that_a_body_changes_are_shown() -> None:
    two = json.loads(try_on({"id": 1, "do": "two"}, "before", "--json").stdout)
    assert two["mapped"] == [order(1), order(1, promo_code=7)]
    row = json.loads(try_on({"id": 1, "do": "row"}, "before", "--json").stdout)
    assert row["mapped"] == order(1) | {"order_id": "77"}


def test_numbers_keep_their_digits() -> None:
    code = "12345678901234567890123"
    done = try_on('{"id": 1, "do": "exact", "code": ' + code + "}", "before")
    assert f'"promo_code": {code}' in done.stdout


@pytest.mark.parametrize(
    "given",
    ['{"id": 1}\n\n{"id": 2}\n', '[{"id": 1},\n{"id": 2}]', '{"id": 1}\n{"id": 2}'],
)
def test_several_records_are_tried_one_by_one(given: str) -> None:
    done = try_on(given, "before", "--json")
    assert [json.loads(line)["source_id"] for line in done.stdout.splitlines()] == ["1", "2"]
    done = try_on(given.replace('{"id": 1}', '{"id": 1, "do": "skip"}'), "before", "--json")
    assert done.exit_code == 3
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()] == ["skipped", "mapped"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "stdin is empty"),
        ('{"id": 1}\n{"id": ', "stdin: line 2 is not JSON"),
        ('{"id": 1}\n7', "a record must be a JSON object"),
        ('[{"id": 1}, 2]', "a record must be a JSON object"),
    ],
)
def test_what_is_no_record_ends_with_2(given: str, said: str) -> None:
    done = try_on(given, "before")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_route_that_is_not_there_is_told_with_the_nearest_name() -> None:
    done = try_on({"id": 1}, "order")
    assert done.exit_code == 2
    assert "there is no route 'order'; did you mean 'orders'?" in done.stderr
    done = CliRunner().invoke(main, ["map", "migration.toml"], input="{}")
    assert done.exit_code == 2
    assert "which route? There are before, orders, regions" in done.stderr


def test_values_are_looked_up_and_what_does_not_resolve_is_told() -> None:
    done = try_on({"id": 1, "city": "Iași"}, "orders", "--json")
    assert json.loads(done.stdout)["mapped"]["address"] == {"locality_id": 13}
    done = try_on({"id": 1, "city": "Atlantis"}, "orders", "--json")
    assert done.exit_code == 3
    line = json.loads(done.stdout)
    assert (line["type"], line["cause"]) == ("rejected", "unresolved")
    assert "lookups.city has no 'Atlantis'" in line["message"]


def test_hosts_are_asked_for_look_ups_that_the_mapping_needs_and_for_no_others() -> None:
    assert try_on({"id": 1, "city": "Iași"}, "orders").exit_code == 0
    done = try_on({"id": 1, "region": "Cluj"}, "regions")
    assert done.exit_code == 5
    assert "lookups.region" in done.stderr


def test_offline_no_host_is_asked_and_what_a_person_decided_holds(migration: Path) -> None:
    done = try_on({"id": 1, "region": "Cluj"}, "regions", "--offline", "--json")
    assert done.exit_code == 3
    assert "lookups.region has no 'Cluj'" in json.loads(done.stdout)["message"]
    (migration.parent / "decisions.toml").write_text("[region]\nCluj = 44\n")
    done = try_on({"id": 1, "region": "Cluj"}, "regions", "--offline", "--json")
    assert json.loads(done.stdout)["mapped"]["address"] == {"region_id": 44}


def test_ids_of_other_routes_come_from_the_ledger_and_nothing_is_put_into_it(migration: Path) -> None:
    found = json.loads(try_on({"id": 1, "city": "Iași"}, "orders", "--json").stdout)
    assert found["mapped"]["promo_code"] is None
    ledger = migration.parent / "x.ledger.db"
    assert not ledger.exists()

    async def write() -> None:
        async with open_ledger(ledger, synchronous="normal") as opened:
            await opened.begin_run()
            await opened.save_route("before", "{}")
            await opened.add_page("before", [Entry("1", 0, State.PENDING, body=b"{}")], chunk=0)
            await opened.settle("before", [Settled(Member("1", 0, 0), State.WRITTEN, target_id="5007")])

    anyio.run(write)
    found = json.loads(try_on({"id": 1, "city": "Iași"}, "orders", "--json").stdout)
    assert found["mapped"]["promo_code"] == "5007"
