"""`bulkmove plan`: what a run would do, told before it does anything; and what no look-up resolves."""

from __future__ import annotations

import json
import tomllib

import pytest
from click.testing import CliRunner

from bulkmove.cli.group import main
from bulkmove.pipeline.migration import open_migration
from tests.integration.moving import Ended, Job, Row, invoke

# A value of each order, looked up in a table that knows not all of them.
COUNTRY = """
def with_country(record: dict, context: MapContext) -> dict:
    return {
        "store_id": str(record["id"]),
        "device_id": "d",
        "data": {"status": context.lookup("status", record["payment_status"])},
    }
"""


def of_type(ended: Ended, kind: str) -> list[Row]:
    return [line for line in ended.lines if line["type"] == kind]


def looking_up(job: Job, table: Row, **lookup: object) -> Job:
    """Orders to the sizing host, each with its payment status looked up in this table."""
    job.with_mapper(COUNTRY).with_fitting(mapper="mappers.py:with_country")
    job.top = {"lookups": {"status": {"from": table, **lookup}}}
    return job


def statuses(job: Job) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for order in job.stage.orders:
        found.setdefault(order["payment_status"], []).append(str(order["id"]))
    return found


def test_a_plan_writes_nothing_and_its_counts_are_what_the_run_then_does(job: Job) -> None:
    job.with_all_routes()
    planned = job.run(command="plan")
    assert planned.code == 0, planned.stderr
    assert job.stage.written() == 0
    assert sorted(path.name for path in job.folder.iterdir()) == ["ids.csv", "migration.toml"]
    ran = job.run()
    assert planned.routes == ran.routes
    told = {line["route"]: line for line in of_type(planned, "plan")}
    assert (told["orders"]["create"], told["orders"]["update"]) == (len(job.stage.orders), 0)
    assert (told["products"]["create"], told["products"]["update"]) == (0, len(job.stage.products))
    again = job.run(command="plan")
    told = {line["route"]: line for line in of_type(again, "plan")}
    assert told["orders"]["unchanged"] == len(job.stage.orders), "the plan looks at the target as it is"


def test_what_does_not_resolve_is_listed_decided_and_taken_up_by_the_next_plan_and_run(job: Job) -> None:
    there = statuses(job)
    known = {name: f"is {name}" for name in list(there)[1:]}
    missing, ids = next(iter(there.items()))
    looking_up(job, {**known, f"{missing}s": "nearly"})
    planned = job.run(command="plan")
    (unresolved,) = of_type(planned, "unresolved")
    assert planned.code == planned.summary["exit"] == 3
    assert (unresolved["lookup"], unresolved["value"]) == ("status", missing)
    assert unresolved["records"] == len(ids)
    assert unresolved["first_id"] in ids
    assert unresolved["candidates"][0]["key"] == f"{missing}s"
    assert planned.routes["fitting"]["rejected"] == len(ids)
    (cause,) = of_type(planned, "cause")
    assert (cause["cause"], cause["records"]) == ("unresolved", len(ids))

    decisions = job.folder / "decisions.toml"
    assert of_type(planned, "decisions") == [
        {"type": "decisions", "file": str(decisions), "is_written": True}
    ]
    text = decisions.read_text()
    assert tomllib.loads(text) == {"status": {missing: "?"}}
    decisions.write_text(text.replace('"?"  ', '"decided"  '))
    assert job.run(command="plan").code == 0
    assert job.run().code == 0
    written = {row["store_id"]: row["data"]["status"] for row in job.stage.rows("robosize-orders")}
    assert {written[each] for each in ids} == {"decided"}


def test_a_value_that_becomes_null_is_told_all_the_same(job: Job) -> None:
    there = statuses(job)
    missing, *known = there
    looking_up(job, dict.fromkeys(known, "known"), missing="null")
    planned = job.run(command="plan")
    assert planned.code == 0
    assert [(u["value"], u["becomes"]) for u in of_type(planned, "unresolved")] == [(missing, "null")]
    assert planned.routes["fitting"]["rejected"] == 0


def test_a_sample_reads_no_more_and_leaves_what_it_did_not_see_undecided(job: Job) -> None:
    looking_up(job, {"paid": "is paid"})
    (job.folder / "decisions.toml").write_text('[status]\n"never seen" = "?"\n')
    planned = job.run("--sample", "3", command="plan")
    assert planned.routes["fitting"]["read"] == 3
    assert "never seen" in (job.folder / "decisions.toml").read_text()
    job.run(command="plan")
    assert "never seen" not in (job.folder / "decisions.toml").read_text()


def test_records_are_shown_as_they_were_read_and_mapped(job: Job) -> None:
    job.with_orders().with_products()
    planned = job.run("--show", "2", "--sample", "5", command="plan")
    shown = of_type(planned, "preview")
    assert [line["route"] for line in shown] == ["orders", "orders", "products", "products"]
    by_id = {str(order["id"]): order for order in job.stage.orders}
    for line in shown[:2]:
        order = by_id[line["source_id"]]
        assert line["source"]["shipping_address"] == order["shipping_address"]
        assert "billing_name" not in line["source"], "what the mapper does not read is not asked for"
        assert line["mapped"]["rrn"] == line["source_id"]
        assert line["outcome"] == "create"
    assert shown[2]["outcome"] == "update"

    text = job.run("--show", "1", "--sample", "1", "--route", "orders", command="plan")
    assert text.lines[0]["type"] == "preview"


def test_a_route_that_comes_after_another_is_planned_too(job: Job) -> None:
    job.with_orders().with_mapper(
        "def relinked(record: dict, context: MapContext) -> dict:\n"
        "    return {'store_id': context.target_id('orders', str(record['id'])), 'device_id': 'd', 'data': {}}\n"
    ).with_fitting(mapper="mappers.py:relinked", after=["orders"])
    planned = job.run("--sample", "10", command="plan")
    assert (planned.code, planned.routes["fitting"]["written"]) == (0, 10)


def test_what_the_target_would_refuse_is_counted_by_its_cause_and_ends_with_3(job: Job) -> None:
    job.with_mapper(
        "def odd(record: dict, context: MapContext) -> dict:\n"
        "    return {'store_id': str(record['id']), 'device_id': 'd', 'no such field': 1}\n"
    ).with_fitting(mapper="mappers.py:odd")
    planned = job.run(command="plan")
    assert planned.code == 3
    (cause,) = of_type(planned, "cause")
    assert (cause["route"], cause["outcome"], cause["cause"]) == ("fitting", "rejected", "unknown-field")
    assert cause["records"] == len(job.stage.orders)
    assert "no field no such field" in cause["message"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"credentials": {"key": "demo-key", "secret": "wrong"}}, 6),
        ({"url": "http://127.0.0.1:9", "give_up_after_s": 0.2}, 5),
        ({"api": "merchantpo"}, 2),
    ],
)
def test_a_plan_that_can_not_be_made_ends_as_a_run_would(job: Job, change: Row, code: int) -> None:
    job.with_fitting()
    job.hosts["old"] |= change
    planned = job.run(command="plan")
    assert planned.code == planned.summary["exit"] == code
    assert planned.stderr.startswith(("error:", "warning:"))


async def test_the_library_plans_as_the_command_does(job: Job) -> None:
    looking_up(job, {"paid": "is paid"})
    async with open_migration(job.write()) as migration:
        preview = await migration.plan(sample=20, show=1)
    assert preview.summary.exit_code == 3
    assert preview.routes["fitting"].counts.read == 20
    assert preview.routes["fitting"].created == 20 - preview.routes["fitting"].counts.rejected
    assert preview.unresolved
    assert (preview.decisions, preview.is_written) == (job.folder / "decisions.toml", True)
    assert len(preview.samples) == 1


def test_a_row_to_be_deleted_is_shown_by_what_it_is_found_by(job: Job) -> None:
    order = job.stage.orders[0]
    job.hosts["copy"] = job.host("merchantpro")
    job.routes["away"] = {
        "source": "old.orders",
        "target": "copy.orders",
        "mode": "delete",
        "fields": {"id": "id"},
    }
    job.write()
    planned = job.run("--show", "1", "--sample", "1", command="plan")
    (shown,) = of_type(planned, "preview")
    assert (shown["outcome"], shown["mapped"]) == ("delete", {"id": shown["source_id"]})
    tried = CliRunner().invoke(main, ["map", str(job.file), "away"], input=json.dumps({"id": order["id"]}))
    assert json.loads(tried.stdout) == {"id": str(order["id"])}
    assert job.stage.written() == 0


def test_the_text_says_what_would_happen_and_what_to_do_next_without_colours_in_a_file(job: Job) -> None:
    looking_up(job, {"paid": "is paid"}).write()
    ended = invoke("plan", str(job.file), "--sample", "20", "--show", "1")
    assert "would be created" in ended.stdout
    assert "values do not resolve" in ended.stdout
    assert f"{job.folder / 'decisions.toml'} was written" in ended.stdout
    assert "nothing was written to any host" in ended.stdout
    assert "\x1b" not in ended.stdout
