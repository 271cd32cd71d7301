"""What is new, changed or gone at a source that was migrated before, brought over: the real CLI on a real sandbox."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.pipeline.delta.runner import DeltaSummary
from bulkmove.pipeline.migration import open_migration
from tests.integration.moving import Ended, Job, Stage, by, invoke, stage, without_writes


@pytest.fixture(scope="module")
def opened() -> Iterator[Stage]:
    with stage(orders=120, products=60) as running:
        yield running


@pytest.fixture
def shop(opened: Stage) -> Stage:
    """The sandbox with its orders as at its start, whatever a test before this one did to them."""
    opened.clean()
    now = [str(row["id"]) for row in opened.rows("orders")]
    opened.change(delete=now, insert=without_writes(opened.orders))
    return opened


@pytest.fixture
def moved(shop: Stage, tmp_path: Path) -> Job:
    job = Job(tmp_path, shop).with_orders()
    ended = job.run()
    assert ended.code == 0, ended.told
    return job


def dated(ago_s: float) -> dict[str, Any]:
    """An order that was made so many seconds ago."""
    return {"date_created": datetime.fromtimestamp(time.time() - ago_s, UTC).isoformat(timespec="seconds")}


def delta(job: Job, *arguments: str) -> Ended:
    return job.run(*arguments, command="delta")


def passes(ended: Ended) -> dict[str, dict[str, Any]]:
    return {line["route"]: line for line in ended.lines if line["type"] == "pass"}


def test_new_and_changed_orders_are_brought_over(moved: Job) -> None:
    shop = moved.stage
    ids = [str(order["id"]) for order in shop.orders]
    shop.change(
        insert=[dated(60)] * 7,
        update={ids[3]: {"payment_status": "refunded", "shipping_status": "returned"}},
        touch=[ids[9]],
    )
    ended = delta(moved)
    assert ended.code == 0, ended.told
    found = passes(ended)["orders"]
    assert (found["new"], found["changed"], found["unchanged"], found["gone"]) == (7, 1, 1, 0), ended.told
    moved.check_all_equal()
    sent, reads = shop.written(), shop.count("merchantpro")
    again = delta(moved)
    assert again.code == 0, again.told
    assert shop.written() == sent
    found = passes(again)["orders"]
    assert (found["new"], found["changed"], found["gone"]) == (0, 0, 0)
    assert found["unchanged"] == 9, (
        "changed in the minute before they were read: they may have been once more since"
    )
    assert shop.count("merchantpro") - reads == found["requests"]


def test_what_is_gone_is_named_and_deleted_only_when_it_is_asked_for(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_orders().with_fitting()
    assert job.run().code == 0
    gone = [str(order["id"]) for order in shop.orders][10:14]
    shop.change(delete=gone)
    ended = delta(job)
    assert ended.code == 0, ended.told
    assert {name: found["gone"] for name, found in passes(ended).items()} == {"orders": 4, "fitting": 4}
    assert all(
        any(gone[0] in note and name in note for note in ended.notes) for name in ("orders", "fitting")
    )
    assert len(shop.rows("robosize-orders")) == len(shop.rows("external-orders")) == 120
    refused = delta(job, "--deletions")
    assert refused.code == 2, refused.told
    assert "--yes" in refused.stderr
    ended = delta(job, "--deletions", "--yes")
    assert ended.code == 0, ended.told
    assert passes(ended)["fitting"]["gone"] == 0, "it was known before"
    assert any("fitting: 4 rows deleted" in note for note in ended.notes), ended.told
    assert any("new.orders has no deletion" in note for note in ended.notes), ended.told
    assert len(shop.rows("robosize-orders")) == 116
    assert len(shop.rows("external-orders")) == 120
    assert ended.counts("fitting") == {"read": 120, "written": 116, "skipped": 4}
    assert ended.counts("orders") == {"read": 120, "written": 120}
    sent = shop.count("robosize")
    assert delta(job, "--deletions", "--yes").code == 0
    assert shop.count("robosize") == sent, "nothing is deleted twice"
    status = job.run(command="status")
    assert status.counts("fitting") == {"read": 120, "written": 116, "skipped": 4}


def test_a_source_that_lost_more_than_half_deletes_nothing(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_fitting()
    assert job.run().code == 0
    shop.change(delete=[str(order["id"]) for order in shop.orders][:70])
    ended = delta(job, "--deletions", "--yes")
    assert ended.code == 2, ended.told
    assert "70 of 120" in ended.stderr
    assert len(shop.rows("robosize-orders")) == 120


PARTED = """
from bulkmove.mapping.builtin.external_order import order_to_external_order

def order(record, context):
    status = record['payment_status']
    if status == 'refunded':
        return None
    if status == 'rejected':
        raise RejectRecordError('not this one', cause='odd')
    body = order_to_external_order(record, context)
    times = {'paid': 2, 'failed': 1}.get(status, 1)
    return [dict(body, rrn=f"{body['rrn']}-{part}") for part in range(times)]
"""


def test_a_record_that_gives_more_bodies_or_fewer_or_none_keeps_its_rows(shop: Stage, tmp_path: Path) -> None:
    statuses = ["awaiting", "paid", "paid", "rejected", "refunded", "awaiting"]
    ids = [str(order["id"]) for order in shop.orders][:6]
    shop.change(delete=[str(order["id"]) for order in shop.orders][6:])
    shop.change(update={row: {"payment_status": status} for row, status in zip(ids, statuses, strict=True)})
    job = Job(tmp_path, shop).with_orders(mapper="mappers.py:order").with_mapper(PARTED)
    assert job.run().counts("orders") == {"read": 6, "written": 4, "skipped": 1, "rejected": 1}
    before = by(shop.rows("external-orders"), "rrn")
    assert sorted(before) == sorted(
        [f"{ids[0]}-0", *(f"{ids[n]}-{p}" for n in (1, 2) for p in (0, 1)), f"{ids[5]}-0"]
    )
    now = ["paid", "awaiting", "refunded", "awaiting", "awaiting", "rejected"]
    shop.change(update={row: {"payment_status": status} for row, status in zip(ids, now, strict=True)})
    ended = delta(job)
    assert ended.code == 3, ended.told
    assert passes(ended)["orders"]["changed"] == 6
    after = by(shop.rows("external-orders"), "rrn")
    assert after.keys() - before.keys() == {f"{ids[0]}-1", f"{ids[3]}-0", f"{ids[4]}-0"}
    assert before.keys() <= after.keys(), "no row is deleted"
    assert {rrn: row["order_id"] for rrn, row in before.items()} == {
        rrn: after[rrn]["order_id"] for rrn in before
    }
    assert ended.counts("orders") == {"read": 6, "written": 4, "skipped": 1, "rejected": 1}
    for cause in ("part-left", "row-left"):
        assert any(cause in note for note in ended.notes), ended.told
    assert job.failures() == {("orders", ids[5]): ("rejected", "odd", "not this one")}
    shop.change(update={row: {"payment_status": status} for row, status in zip(ids, statuses, strict=True)})
    ended = delta(job)
    assert ended.code == 3, ended.told
    again = by(shop.rows("external-orders"), "rrn")
    assert again.keys() == after.keys(), "rows that were left are taken up again"
    assert job.run().code == 3


def test_a_rejected_record_that_is_read_once_more_and_rejected_again_is_no_change(
    shop: Stage, tmp_path: Path
) -> None:
    """Else no delta after a freeze would ever find nothing."""
    shop.change(update={str(shop.orders[4]["id"]): {"payment_status": "rejected"}})
    job = Job(tmp_path, shop).with_orders(mapper="mappers.py:order").with_mapper(PARTED)
    assert job.run().counts("orders")["rejected"] > 0
    for _ in range(2):
        ended = delta(job)
        found = passes(ended)["orders"]
        assert (ended.code, found["changed"], found["unchanged"]) == (3, 0, 1), ended.told
    shop.change(update={str(shop.orders[4]["id"]): {"payment_status": "refunded"}})
    assert passes(delta(job))["orders"]["changed"] == 1


def test_back_dated_orders_are_found_by_the_scan_and_not_by_new_only(moved: Job) -> None:
    shop = moved.stage
    shop.change(insert=[dated(86_400 * 40), dated(600)])
    ended = delta(moved, "--new-only")
    assert passes(ended)["orders"]["new"] == 1, ended.told
    ended = delta(moved)
    assert passes(ended)["orders"]["new"] == 1, ended.told
    moved.check_all_equal()
    assert len(shop.rows("external-orders")) == 122


def test_an_order_changed_twice_between_deltas_is_written_as_it_is(moved: Job) -> None:
    shop, order = moved.stage, str(moved.stage.orders[50]["id"])
    for status in ("paid", "refunded"):
        shop.change(update={order: {"payment_status": status, "shipping_status": "shipped"}})
    assert passes(delta(moved))["orders"]["changed"] == 1
    moved.check_all_equal()
    shop.change(update={order: {"payment_status": "paid", "shipping_status": "delivered"}})
    assert passes(delta(moved))["orders"]["changed"] == 1
    moved.check_all_equal()
    story = moved.run("orders", order, command="explain")
    assert story.code == 0, story.told


def test_a_delta_comes_after_a_run(job: Job) -> None:
    job.with_orders()
    ended = delta(job)
    assert (ended.code, ended.routes) == (2, {}), ended.told
    job.run("--limit", "50")
    ended = delta(job)
    assert ended.code == 2, ended.told
    assert "route orders was not read to the end yet" in ended.stderr


def test_products_of_a_self_route_are_held_against_what_was_written_to_them(
    shop: Stage, tmp_path: Path
) -> None:
    job = Job(tmp_path, shop).with_products()
    assert job.run().code == 0
    job.check_all_equal()
    was = by(shop.products, "id")
    now = [
        row
        for row in shop.rows("robosize-products")
        if str(row["store_id"]) != str(was[str(row["id"])]["store_id"])
    ]
    assert len(now) > 20
    put_back, renamed, gone = (str(row["id"]) for row in now[:3])
    fresh = {**without_writes([was[put_back]])[0], "id": 777777}
    shop.change(
        list="robosize-products",
        update={put_back: {"store_id": was[put_back]["store_id"]}, renamed: {"name": "Something else"}},
        delete=[gone],
        insert=[fresh],
    )
    sent = shop.count("robosize", "PATCH products")
    ended = delta(job)
    assert ended.code == 0, ended.told
    found = passes(ended)["products"]
    assert (found["new"], found["changed"], found["gone"]) == (1, 1, 1), ended.told
    rows = by(shop.rows("robosize-products"), "id")
    assert rows[put_back]["store_id"] == rows["777777"]["store_id"] == now[0]["store_id"]
    assert rows[renamed]["store_id"] == now[1]["store_id"]
    assert shop.count("robosize", "PATCH products") - sent <= 2
    sent = shop.written()
    again = passes(delta(job))["products"]
    assert (again["new"], again["changed"], again["gone"]) == (0, 0, 0)
    assert shop.written() == sent


def test_a_list_without_versions_is_held_against_its_bytes(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_orders()
    assert job.run().code == 0
    job.routes["copied"] = {
        "source": "new.orders",
        "target": "sizing.orders",
        "mapper": "mappers.py:copy",
        "after": ["orders"],
    }
    job.with_mapper(
        "def copy(record, context):\n    return {'store_id': str(record['order_id']), 'device_id': 'a-device', 'data': {'rrn': record['rrn'], 'shop': record['shop']}}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    rows = shop.rows("external-orders")
    first, second = (str(row["order_id"]) for row in rows[:2])
    shop.change(list="external-orders", update={first: {"shop": 77}}, delete=[second])
    ended = delta(job, "--route", "copied")
    assert ended.code == 0, ended.told
    found = passes(ended)["copied"]
    assert (found["new"], found["changed"], found["gone"]) == (0, 1, 1), ended.told
    copies = by(shop.rows("robosize-orders"), "store_id")
    assert copies[first]["data"]["shop"] == 77


def changes(shop: Stage) -> None:
    ids = [str(order["id"]) for order in shop.orders]
    update = {each: {"payment_status": "refunded", "shipping_status": "returned"} for each in ids[5:60:7]}
    shop.change(insert=[dated(60), dated(400_000)], update=update)


def test_a_dry_run_tells_what_a_delta_would_do_and_does_nothing(moved: Job) -> None:
    shop = moved.stage
    changes(shop)
    sent, status = shop.written(), moved.run(command="status").summary
    tried = delta(moved, "--dry-run")
    assert tried.code == 0, tried.told
    assert any("dry run" in note for note in tried.notes)
    assert (shop.written(), moved.run(command="status").summary) == (sent, status)
    done = delta(moved)
    for told in ("new", "changed", "unchanged", "gone"):
        assert passes(tried)["orders"][told] == passes(done)["orders"][told]
    assert tried.routes == done.routes
    moved.check_all_equal()


def test_a_live_host_is_written_to_with_execute_alone(moved: Job) -> None:
    shop = moved.stage
    changes(shop)
    moved.hosts["new"]["live"] = True
    sent = shop.written()
    ended = delta(moved)
    assert ended.code == 0, ended.told
    assert "--execute" in ended.stderr
    assert shop.written() == sent
    assert delta(moved, "--execute").code == 0
    moved.check_all_equal()


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "error-502-after", "api": "external-order", "methods": ["POST"], "share": 0.5},
        {"name": "applied-late", "api": "external-order", "methods": ["POST"], "share": 0.5},
        {"name": "error-500", "api": "merchantpro", "methods": ["GET"], "share": 0.3},
        {"name": "hidden-rows", "api": "merchantpro", "methods": ["GET"], "share": 0.3},
    ],
    ids=lambda fault: fault["name"],
)
def test_a_delta_on_hosts_that_fail_loses_and_doubles_nothing(moved: Job, fault: dict[str, Any]) -> None:
    changes(moved.stage)
    moved.stage.add_fault(fault.pop("name"), times=12, **fault)
    for _ in range(4):
        ended = delta(moved)
        if ended.code == 0:
            break
        assert ended.code == 5, ended.told
    moved.stage.clear_faults()
    assert delta(moved).code == 0
    moved.check_all_equal()
    assert len(moved.stage.rows("external-orders")) == 122


def test_a_delta_that_was_cut_off_says_that_a_delta_goes_on(moved: Job) -> None:
    moved.hosts["old"]["credentials"] = {"key": "another", "secret": "another"}
    file = str(moved.write())
    ended = invoke("delta", file)
    assert ended.code == 6, ended.told
    assert f"not finished: bulkmove delta {file} goes on where this one stopped" in ended.stdout
    assert "bulkmove run" not in ended.stdout


def test_an_order_that_where_does_not_ask_for_any_more_is_not_called_gone(
    shop: Stage, tmp_path: Path
) -> None:
    job = Job(tmp_path, shop).with_orders(where={"payment_status": "paid"})
    read = job.run().routes["orders"]["read"]
    paid = [str(order["id"]) for order in shop.orders if order["payment_status"] == "paid"]
    other = next(str(order["id"]) for order in shop.orders if order["payment_status"] == "awaiting")
    assert read == len(paid)
    shop.change(
        update={paid[0]: {"payment_status": "refunded"}, other: {"payment_status": "paid"}}, delete=[paid[1]]
    )
    ended = delta(job)
    assert ended.code == 0, ended.told
    found = passes(ended)["orders"]
    assert (found["new"], found["changed"], found["gone"]) == (1, 0, 1), ended.told
    assert any(paid[0] in note and "where" in note for note in ended.notes), ended.told
    assert any(paid[1] in note and "gone" in note for note in ended.notes), ended.told


def test_an_order_that_comes_back_is_not_gone_any_more(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_fitting()
    assert job.run().code == 0
    kept, deleted = without_writes(shop.orders[10:12])
    shop.change(delete=[str(kept["id"]), str(deleted["id"])])
    assert passes(delta(job))["fitting"]["gone"] == 2
    shop.change(insert=[kept])
    ended = delta(job, "--deletions", "--yes")
    assert ended.code == 0, ended.told
    assert any("1 row deleted" in note for note in ended.notes), ended.told
    assert ended.counts("fitting") == {"read": 120, "written": 119, "skipped": 1}
    shop.change(insert=[deleted])
    ended = delta(job)
    assert ended.code == 0, ended.told
    assert ended.counts("fitting") == {"read": 120, "written": 120}
    assert delta(job, "--deletions", "--yes").code == 0
    assert by(shop.rows("robosize-orders"), "store_id").keys() == {str(order["id"]) for order in shop.orders}


def test_products_that_orders_name_are_new_or_changed_by_their_bytes(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_mapper(
        "def named(record, context):\n"
        "    return {'store_id': str(record['id']), 'device_id': 'a-device', 'data': {'name': record['name']}}\n"
    )
    job.routes["named"] = {
        "source": "old.ordered-products",
        "target": "sizing.orders",
        "mapper": "mappers.py:named",
        "natural_key": "store_id",
    }
    assert job.run().code == 0
    rows = by(shop.rows("robosize-orders"), "store_id")
    order = next(o for o in shop.orders if any(line.get("product_id") for line in o["line_items"]))
    line = next(line for line in order["line_items"] if line.get("product_id"))
    product = str(line["product_id"])
    mine = [o for o in shop.orders if any(str(line.get("product_id")) == product for line in o["line_items"])]
    update = {
        str(o["id"]): {
            "line_items": [
                {**each, "product_name": "Renamed"} if str(each.get("product_id")) == product else each
                for each in o["line_items"]
            ]
        }
        for o in mine
    }
    shop.change(update=update, insert=[{**dated(60), "line_items": [{**line, "product_id": 987654}]}])
    ended = delta(job)
    assert ended.code == 0, ended.told
    found = passes(ended)["named"]
    assert (found["new"], found["changed"], found["gone"]) == (1, 1, 0), ended.told
    now = by(shop.rows("robosize-orders"), "store_id")
    assert now.keys() == rows.keys() | {"987654"}
    assert now[product]["data"]["name"] == "Renamed"
    assert passes(delta(job))["named"]["changed"] == 0


def test_a_change_that_was_rejected_is_retried_as_a_change_of_its_row(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_orders(mapper="mappers.py:order").with_mapper(PARTED)
    assert job.run().code in {0, 3}
    order = next(str(each["id"]) for each in shop.orders if each["payment_status"] == "awaiting")
    shop.change(update={order: {"payment_status": "rejected", "shipping_status": "returned"}})
    assert delta(job).code == 3
    assert job.failures()["orders", order][:2] == ("rejected", "odd")
    rows = by(shop.rows("external-orders"), "rrn")
    job.with_mapper(PARTED.replace("== 'rejected'", "== 'never'"))
    ended = job.run("--ids", order, command="retry")
    assert ("orders", order) not in job.failures(), ended.told
    now = by(shop.rows("external-orders"), "rrn")
    assert now.keys() == rows.keys(), "its row was there"
    assert [rrn for rrn in rows if rows[rrn] != now[rrn]] == [f"{order}-0"]
    assert delta(job).code in {0, 3}


KEYED = """
from bulkmove.mapping.builtin.external_order import order_to_external_order

def order(record, context):
    return dict(order_to_external_order(record, context), rrn=record['customer_name'])
"""


def test_a_record_whose_key_changed_keeps_its_row_and_frees_the_key(shop: Stage, tmp_path: Path) -> None:
    ids = [str(order["id"]) for order in shop.orders]
    shop.change(delete=ids[3:], update={each: {"customer_name": f"k{n}"} for n, each in enumerate(ids[:3])})
    job = Job(tmp_path, shop).with_orders(mapper="mappers.py:order").with_mapper(KEYED)
    assert job.run().code == 0
    rows = by(shop.rows("external-orders"), "rrn")
    assert sorted(rows) == ["k0", "k1", "k2"]
    shop.change(update={ids[0]: {"customer_name": "other"}})
    ended = delta(job)
    assert ended.code == 0, ended.told
    now = by(shop.rows("external-orders"), "rrn")
    assert sorted(now) == ["k1", "k2", "other"]
    assert now["other"]["order_id"] == rows["k0"]["order_id"]
    shop.change(update={ids[1]: {"customer_name": "k0"}})
    ended = delta(job)
    assert ended.code == 0, ended.told
    assert sorted(by(shop.rows("external-orders"), "rrn")) == ["k0", "k2", "other"]


def test_a_route_that_comes_after_another_sees_what_its_delta_made(shop: Stage, tmp_path: Path) -> None:
    job = Job(tmp_path, shop).with_orders().with_fitting(after=["orders"], mapper="mappers.py:fit")
    job.with_mapper(
        "def fit(record, context):\n"
        "    made = context.target_id('orders', str(record['id']))\n"
        "    if made is None:\n"
        "        raise RejectRecordError('no order', cause='no-order')\n"
        "    return {'store_id': str(record['id']), 'device_id': 'a-device', 'data': {'order': made}}\n"
    )
    assert job.run().code == 0
    shop.change(insert=[dated(60), dated(90)])
    ended = delta(job)
    assert ended.code == 0, ended.told
    assert ended.counts("fitting") == {"read": 122, "written": 122}


def test_new_only_takes_few_requests(moved: Job) -> None:
    shop = moved.stage
    shop.change(insert=[dated(60)])
    reads = shop.count("merchantpro")
    ended = delta(moved, "--new-only")
    assert passes(ended)["orders"]["new"] == 1
    assert passes(ended)["orders"]["requests"] == shop.count("merchantpro") - reads <= 6


def test_a_delta_as_a_library_says_what_it_found(moved: Job) -> None:
    changes(moved.stage)

    async def work() -> DeltaSummary:
        async with open_migration(moved.file) as migration:
            return await migration.delta(routes=("orders",))

    done = anyio.run(work)
    assert (done.summary.exit_code, set(done.summary.finished)) == (0, {"orders"})
    found = done.routes["orders"]
    assert (found.new, found.changed + found.unchanged, found.gone) == (2, 8, 0)
    assert found.requests >= found.fewest > 0
    assert found.seconds > 0


def test_a_changed_record_of_unknown_fate_is_named_and_left(moved: Job) -> None:
    shop, order = moved.stage, str(moved.stage.orders[20]["id"])
    with closing(sqlite3.connect(moved.ledger)) as ledger, ledger:
        ledger.execute("UPDATE records SET state = 6, cause = 'differs' WHERE source_id = ?", (order,))
        ledger.execute("UPDATE tallies SET bodies = bodies - 1 WHERE state = 2")
        ledger.execute("INSERT INTO tallies (route, state, bodies) VALUES (1, 6, 1)")
    before = by(shop.rows("external-orders"), "rrn")[order]
    shop.change(update={order: {"payment_status": "refunded", "shipping_status": "returned"}})
    ended = delta(moved)
    assert ended.code == 3, ended.told
    assert any(order in note and "not known" in note for note in ended.notes), ended.told
    assert by(shop.rows("external-orders"), "rrn")[order] == before
    assert ended.counts("orders") == {"read": 120, "written": 119, "unknown": 1}


def test_a_second_delta_sends_nothing_and_reads_the_list_once(moved: Job) -> None:
    shop = moved.stage
    first = passes(delta(moved))["orders"]
    assert (first["new"], first["changed"], first["unchanged"], first["gone"], first["fewest"]) == (
        0,
        0,
        0,
        0,
        2,
    )
    sent = shop.written()
    second = passes(delta(moved))["orders"]
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    assert shop.written() == sent
    assert second["requests"] <= second["fewest"] + 8
