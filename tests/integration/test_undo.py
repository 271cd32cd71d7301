"""`undo`: the target is as it was before, row by row; what somebody else made or edited stays."""

from __future__ import annotations

import os
import pty
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.ledger import open_ledger
from bulkmove.model import State
from tests.integration.canaries import Answer, Asked, misbehaving
from tests.integration.moving import COMMAND, Ended, Job, Row, Stage, Stages, invoke, stage

ORDERS, PRODUCTS = 24, 15
LISTS = ("orders", "external-orders", "robosize-orders", "robosize-products")
CANCELED = {"order_items": {"order_status": "canceled"}}
# Orders of a MerchantPro shop, made of what the sizing service holds, with a number of their own.
TO_A_SHOP = """
def order(record, context):
    lines = [{'product_id': 1, 'quantity': 2, 'name': 'Rochie', 'price': 10.5}]
    return {'channel_ref_id': f'N-{record["id"]}', 'customer_note': 'cadou', 'line_items': lines}
"""


@pytest.fixture
def job(sandbox: Stages, tmp_path: Path) -> Job:
    """A migration that keeps what was there before."""
    return Job(tmp_path, sandbox(orders=ORDERS, products=PRODUCTS), top={"keep_before": True})


@pytest.fixture
def prefilled(tmp_path: Path) -> Iterator[Job]:
    """Targets that hold rows of others, and eight of the orders in another state."""
    with stage(orders=ORDERS, products=PRODUCTS, targets_existing=6, targets_matching=8) as found:
        yield Job(tmp_path, found, top={"keep_before": True})


def lists(found: Stage) -> dict[str, list[Row]]:
    """All that the targets hold, in one order, with what the APIs never show; without how often it was written."""
    return {name: rows(found, name) for name in LISTS}


def rows(found: Stage, name: str) -> list[Row]:
    shown = ({k: v for k, v in row.items() if not k.startswith("_")} for row in found.rows(name))
    return sorted(shown, key=lambda row: str(row.get("id", row.get("order_id"))))


def undo(job: Job, *arguments: str) -> Ended:
    return job.run("--yes", *arguments, command="undo")


def told(ended: Ended, route: str) -> dict[str, Any]:
    [line] = [each for each in ended.lines if each["type"] == "undo" and each["route"] == route]
    return line


def left(ended: Ended) -> dict[str, str]:
    """Why rows were left, by their id."""
    return {line["target_id"]: line["cause"] for line in ended.lines if line["type"] == "left"}


def with_shop(job: Job) -> Job:
    job.with_mapper(TO_A_SHOP)
    job.routes["shop"] = {"source": "sizing.products", "target": "old.orders", "mapper": "mappers.py:order"}
    return job


def made(job: Job) -> list[Row]:
    """The orders that the migration made in the shop."""
    return [row for row in rows(job.stage, "orders") if str(row.get("channel_ref_id")).startswith("N-")]


def test_what_was_created_is_deleted_and_what_was_changed_put_back(job: Job) -> None:
    """Two routes to the sizing service, one of which changes its own list."""
    job.with_fitting().with_products()
    before = lists(job.stage)
    assert job.run().code == 0
    assert lists(job.stage) != before
    done = undo(job)
    assert done.code == 0, done.told
    assert lists(job.stage) == before
    assert told(done, "products")["rows"] == {"restore": PRODUCTS}
    counts = done.routes
    assert counts["fitting"] == {**counts["fitting"], "read": ORDERS, "skipped": ORDERS, "written": 0}
    assert job.run(command="status").routes == counts
    assert undo(job).code == 0


def test_an_undo_shows_keys_that_are_refused_no_more_than_once(job: Job) -> None:
    """Deletions stand in line at four a second when the first is refused."""
    job.with_fitting()
    before, refused, is_refusing = lists(job.stage), 0, True

    def refuse(asked: Asked) -> Answer | None:
        nonlocal refused
        if not is_refusing or asked.method != "DELETE":
            return None
        refused += 1
        return 401, {}, b'{"detail":"Invalid key."}'

    with misbehaving(job.stage.url, refuse) as url:
        job.hosts["sizing"]["url"] = url
        assert job.run().code == 0
        job.hosts["sizing"] |= {"rate": "4/s", "burst": 1, "concurrency": 16}
        assert undo(job).code == 6
        assert 1 <= refused <= 3, "one more may be on its way while it is answered"
        job.hosts["sizing"]["rate"], is_refusing = "1000/s", False
        assert undo(job).code == 0
    assert lists(job.stage) == before


def test_created_orders_get_the_status_and_changed_ones_their_own_back(prefilled: Job) -> None:
    """Rows of others stay as they are."""
    job = prefilled.with_orders(undo_with=CANCELED).with_fitting()
    fitting = rows(job.stage, "robosize-orders")
    before = {row["order_id"]: row for row in rows(job.stage, "external-orders")}
    job.run()
    after = {row["order_id"]: row for row in rows(job.stage, "external-orders")}
    changed = {key for key, row in before.items() if after[key] != row}
    # The run added lines to these; no update takes one away, a deletion of its own does.
    longer = {key for key in changed if len(after[key]["order_items"]) > len(before[key]["order_items"])}
    assert len(changed) > len(longer) > 0
    done = undo(job)
    assert done.code == 0, done.told
    assert job.stage.count("external-order", "DELETE order-item") > 0
    now = {row["order_id"]: row for row in rows(job.stage, "external-orders")}
    assert {key: now[key] for key in before} == before
    created = [row for key, row in now.items() if key not in before]
    assert len(created) == ORDERS - 8
    assert all(line["order_status"] == "canceled" for row in created for line in row["order_items"])
    for row in created:
        written = after[row["order_id"]]
        for line in (*row["order_items"], *written["order_items"]):
            del line["order_status"]
        assert row == written
    assert told(done, "orders")["rows"]["restore"] == len(changed)
    assert told(done, "fitting")["rows"] == {"delete": ORDERS - 8, "restore": 8}
    assert rows(job.stage, "robosize-orders") == fitting


def test_orders_of_a_shop_are_deleted_and_an_edited_one_is_left(job: Job) -> None:
    before = lists(job.stage)
    assert with_shop(job).run().code == 0
    edited = made(job)[3]["id"]
    job.stage.change(list="orders", update={str(edited): {"customer_note": "vorbit cu clienta"}})
    done = undo(job)
    assert done.code == 3, done.told
    assert left(done) == {str(edited): "edited"}
    assert [row["id"] for row in made(job)] == [edited]
    assert made(job)[0]["customer_note"] == "vorbit cu clienta"
    assert done.counts("shop") == {"read": PRODUCTS, "written": 1, "skipped": PRODUCTS - 1}
    again = undo(job, "--edited-too")
    assert again.code == 0, again.told
    assert lists(job.stage) == before


def test_changed_fields_of_a_shops_orders_are_put_back_lines_and_tags_too(job: Job) -> None:
    job.with_mapper(
        "def change(record, context):\n"
        "    lines = [{**line, 'quantity': line['quantity'] + 1} for line in record['line_items']]\n"
        "    tags = [*(record.get('tags') or []), {'name': 'mutat'}]\n"
        "    note = 'mutată la ' + record['date_created']\n"
        "    return {'id': record['id'], 'customer_note': note, 'line_items': lines, 'tags': tags}\n"
    )
    job.routes["change"] = {"source": "old.orders", "target": "old.orders", "mapper": "mappers.py:change"}
    job.routes["change"]["check_bodies"] = False
    before = by_id(rows(job.stage, "orders"))
    assert job.run().code == 0
    after = by_id(rows(job.stage, "orders"))
    assert all(after[key]["customer_note"] != row["customer_note"] for key, row in before.items())
    done = undo(job)
    assert done.code == 0, done.told
    for key, row in by_id(rows(job.stage, "orders")).items():
        del row["date_modified"], before[key]["date_modified"]
        assert row == before[key]


def with_mapper_of_numbers(job: Job, functions: str) -> None:
    """Mappers that know the ids of all orders and products, in their order."""
    orders = [str(row["id"]) for row in rows(job.stage, "orders")]
    products = [row["id"] for row in job.stage.products]
    job.with_mapper(f"ORDERS, PRODUCTS = {orders!r}, {products!r}\n{functions}")


def test_rows_that_bodies_name_by_their_ids_are_read_before_they_are_changed(job: Job) -> None:
    """One shop brings rows by their ids, the sizing service in its whole list alone."""
    with_mapper_of_numbers(
        job,
        "def note(record, context):\n"
        "    return {'id': ORDERS[PRODUCTS.index(record['id'])], 'customer_note': 'nota ' + record['id']}\n"
        "def name(record, context):\n"
        "    place = ORDERS.index(str(record['id']))\n"
        "    return {'id': PRODUCTS[place], 'name': f'Nou {place}', 'tags': ['nou']} if place < len(PRODUCTS) else None\n",
    )
    job.routes["note"] = {"source": "sizing.products", "target": "old.orders", "mapper": "mappers.py:note"}
    job.routes["name"] = {"source": "old.orders", "target": "sizing.products", "mapper": "mappers.py:name"}
    job.routes["note"]["after"] = ["name"]
    before = lists(job.stage)
    assert job.run("--limit", "7").code == 0
    assert job.run().code == 0
    assert all(row["name"].startswith("Nou ") for row in rows(job.stage, "robosize-products"))
    done = undo(job)
    assert done.code == 0, done.told
    assert told(done, "note")["rows"] == told(done, "name")["rows"] == {"restore": PRODUCTS}
    now = lists(job.stage)
    for row in (*now["orders"], *before["orders"]):
        del row["date_modified"]
    assert now == before


def test_an_id_that_a_host_can_not_be_asked_for_costs_its_record_alone(job: Job) -> None:
    good = str(rows(job.stage, "orders")[0]["id"])
    first, second = (row["id"] for row in job.stage.products[:2])
    job.with_mapper(
        f"IDS = {{{first!r}: {good!r}, {second!r}: '1,2'}}\n"
        "def note(record, context):\n"
        "    place = IDS.get(record['id'])\n"
        "    return None if place is None else {'id': place, 'customer_note': 'alta'}\n"
    )
    job.routes["note"] = {"source": "sizing.products", "target": "old.orders", "mapper": "mappers.py:note"}
    before = by_id(rows(job.stage, "orders"))[good]["customer_note"]
    ended = job.run()
    assert ended.counts("note") == {"read": PRODUCTS, "skipped": PRODUCTS - 2, "written": 1, "rejected": 1}
    assert undo(job).code == 0
    assert by_id(rows(job.stage, "orders"))[good]["customer_note"] == before


def by_id(found: list[Row]) -> dict[str, Row]:
    return {str(row["id"]): row for row in found}


def test_a_change_of_a_changed_row_is_left_and_its_other_fields_do_not_matter(job: Job) -> None:
    job.with_products()
    before = rows(job.stage, "robosize-products")
    assert job.run().code == 0
    edited, touched = before[2]["id"], before[5]["id"]
    job.stage.change(
        list="robosize-products", update={edited: {"store_id": "77"}, touched: {"comment": "new sizes"}}
    )
    done = undo(job)
    assert left(done) == {edited: "edited"}
    now = {row["id"]: row for row in rows(job.stage, "robosize-products")}
    for row in before:
        want = {edited: {"store_id": "77"}, touched: {"comment": "new sizes"}}.get(row["id"], {})
        assert now[row["id"]] == {**row, **want}


def test_without_what_stood_there_before_a_changed_row_is_left_and_named(job: Job) -> None:
    job.top = {}
    job.with_products()
    assert job.run().code == 0
    written = rows(job.stage, "robosize-products")
    done = undo(job)
    assert done.code == 3
    assert set(left(done).values()) == {"no-before"}
    assert told(done, "products")["left"] == {"no-before": PRODUCTS}
    assert rows(job.stage, "robosize-products") == written


def test_without_undo_with_orders_that_their_api_does_not_delete_are_left_and_named(job: Job) -> None:
    job.with_orders()
    assert job.run().code == 0
    written = rows(job.stage, "external-orders")
    done = undo(job)
    assert done.code == 3
    assert "no-way" in told(done, "orders")["left"]
    assert told(done, "orders")["rows"] == {}
    assert rows(job.stage, "external-orders") == written
    assert "undone" not in invoke("status", str(job.file)).stdout


def test_what_was_written_is_made_anew_where_it_was_not_kept(job: Job) -> None:
    """The source tells it, as long as it is mapped to the very same bytes."""
    job.top = {}
    before = lists(job.stage)
    assert with_shop(job).run().code == 0
    changed = job.stage.products[0]["id"]
    job.with_mapper(TO_A_SHOP.replace("'cadou'", f"'cadou' if record['id'] != '{changed}' else 'altul'"))
    done = undo(job)
    assert done.code == 3, done.told
    assert set(left(done).values()) == {"cannot-tell"}
    assert [row["channel_ref_id"] for row in made(job)] == [f"N-{changed}"]
    assert undo(job, "--edited-too").code == 0
    assert lists(job.stage) == before


def test_a_row_with_our_id_and_another_key_is_nobodys_to_delete(job: Job) -> None:
    assert with_shop(job).run().code == 0
    taken = made(job)[0]["id"]
    job.stage.change(list="orders", update={str(taken): {"channel_ref_id": "somebody-else"}})
    done = undo(job, "--edited-too")
    assert left(done) == {str(taken): "other-row"}
    assert taken in {row["id"] for row in rows(job.stage, "orders")}


def without_ids(job: Job, *source_ids: str) -> None:
    """The host's answer said that they were written, and not which rows they became."""
    with closing(sqlite3.connect(job.ledger)) as connection, connection:
        for each in source_ids:
            change = "UPDATE records SET target_id = NULL WHERE source_id = ? AND state = ?"
            assert connection.execute(change, (each, State.WRITTEN)).rowcount == 1


@pytest.mark.parametrize("keeps", [True, False])
def test_a_row_whose_id_is_not_known_is_found_by_its_key_and_undone_like_any_other(
    job: Job, *, keeps: bool
) -> None:
    job.top = {"keep_before": keeps}
    job.with_fitting()
    before = lists(job.stage)
    assert job.run().code == 0
    keys = sorted(row["store_id"] for row in rows(job.stage, "robosize-orders"))
    without_ids(job, *keys)
    shown = job.run("--dry-run", command="undo")
    assert (shown.code, told(shown, "fitting")["rows"]) == (0, {"delete": ORDERS})
    done = undo(job)
    assert done.code == 0, done.told
    assert told(done, "fitting")["rows"] == {"delete": ORDERS}
    assert lists(job.stage) == before
    assert told(undo(job), "fitting")["left"] == {}


def test_rows_whose_ids_are_not_known_are_named_where_their_keys_tell_nothing(job: Job) -> None:
    """One key is shown twice, one by no row, and one row was edited since."""
    job.with_fitting()
    assert job.run().code == 0
    written = sorted(rows(job.stage, "robosize-orders"), key=lambda row: str(row["store_id"]))
    twice, none, edited, ours = (str(row["store_id"]) for row in written[:4])
    ids = {str(row["store_id"]): str(row["id"]) for row in written}
    without_ids(job, twice, none, edited, ours)
    other = ids[str(written[5]["store_id"])]
    job.stage.change(
        list="robosize-orders",
        update={other: {"store_id": twice}, ids[none]: {"store_id": "9"}, ids[edited]: {"data": {"a": 1}}},
    )
    done = undo(job)
    assert done.code == 3, done.told
    assert told(done, "fitting")["left"] == {"edited": 1, "other-row": 1, "no-id": 2}
    unknown = {line["source_id"]: line["message"] for line in done.lines if line.get("cause") == "no-id"}
    several = ", ".join(sorted([ids[twice], other]))
    assert unknown == {
        twice: f"its store_id is {twice}, which rows {several} show",
        none: f"its store_id is {none}",
    }
    there = {row["id"] for row in rows(job.stage, "robosize-orders")}
    assert {str(each) for each in there} == {ids[twice], other, ids[none], ids[edited]}
    again = undo(job, "--edited-too")
    assert (again.code, told(again, "fitting")["left"]) == (3, {"other-row": 1, "no-id": 3})
    assert {row["id"] for row in rows(job.stage, "robosize-orders")} == there


def test_rows_of_known_ids_are_told_of_where_the_list_can_t_be_looked_through_for_the_others(
    job: Job,
) -> None:
    job.with_fitting()
    assert job.run().code == 0
    without_ids(job, min(str(row["store_id"]) for row in rows(job.stage, "robosize-orders")))
    job.hosts["sizing"]["give_up_after_s"] = 0.2
    job.stage.add_fault("error-502-before", api="robosize", methods=["GET"], times=100_000)
    failed = undo(job)
    assert failed.code == 5, failed.told
    assert (told(failed, "fitting")["open"], told(failed, "fitting")["left"]) == (ORDERS - 1, {"no-id": 1})
    job.stage.clear_faults()
    assert undo(job).code == 0
    assert rows(job.stage, "robosize-orders") == []


def test_where_nothing_but_rows_without_an_id_was_written_undo_says_so_and_leaves_the_route_as_it_was(
    job: Job,
) -> None:
    job.with_fitting()
    assert job.run("--limit", "1").code == 0
    [row] = rows(job.stage, "robosize-orders")
    without_ids(job, row["store_id"])
    job.stage.change(list="robosize-orders", update={str(row["id"]): {"store_id": "9"}})
    ended = invoke("undo", str(job.file), "--yes")
    assert ended.code == 3, ended.told
    assert "nothing to undo" not in ended.stdout
    assert "1 row left alone: they were written, and their ids are not known" in ended.stdout
    assert f"record {row['store_id']}: its store_id is {row['store_id']}" in ended.stdout
    assert "undone" not in invoke("status", str(job.file)).stdout


def test_a_preview_writes_nothing_and_says_what_an_undo_would_do(job: Job) -> None:
    with_shop(job).with_fitting()
    assert job.run().code == 0
    gone = made(job)[0]["id"]
    job.stage.change(list="orders", delete=[gone])
    written, before = job.stage.written(), lists(job.stage)
    shown = job.run("--dry-run", command="undo")
    assert shown.code == 0, shown.told
    assert told(shown, "shop")["rows"] == {"delete": PRODUCTS - 1, "gone": 1}
    assert told(shown, "shop")["requests"] == PRODUCTS - 1
    assert told(shown, "shop")["dry_run"] is True
    assert (job.stage.written(), lists(job.stage)) == (written, before)
    done = undo(job)
    assert told(done, "shop")["rows"] == told(shown, "shop")["rows"]


def test_nobody_to_ask_and_a_live_host_keep_all_as_it_is(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    before = lists(job.stage)
    refused = job.run(command="undo")
    assert (refused.code, refused.summary["type"]) == (2, "summary")
    assert "--yes" in refused.stderr
    job.hosts["sizing"]["live"] = True
    held = undo(job)
    assert held.code == 0
    assert told(held, "fitting")["dry_run"] is True
    assert lists(job.stage) == before
    assert undo(job, "--execute").code == 0
    assert lists(job.stage) != before


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_it_shows_what_it_would_do_and_asks(job: Job, answer: str, code: int) -> None:
    job.with_fitting()
    assert job.run().code == 0
    keyboard, end = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    done = subprocess.run(
        [*COMMAND, "undo", str(job.file)], stdin=end, capture_output=True, text=True, timeout=50, check=False
    )
    for each in (keyboard, end):
        os.close(each)
    assert done.returncode == code, done.stderr
    assert f"Undo job: {ORDERS} of route fitting? [y/N]" in done.stderr
    assert f"{ORDERS} rows to delete" in done.stdout
    assert (f"{ORDERS} rows deleted" in done.stdout) == (answer == "y")
    assert len(rows(job.stage, "robosize-orders")) == (0 if answer == "y" else ORDERS)


def test_a_migration_that_was_undone_says_so_and_is_not_run_again(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    assert undo(job).code == 0
    before = lists(job.stage)
    for command in ("run", "retry", "delta"):
        again = job.run(command=command)
        assert again.code == 2, command
        assert "fitting was undone on" in again.stderr
        assert "--fresh" in again.stderr
    assert any("undone on" in note for note in job.run(command="status").notes)
    status = invoke("status", str(job.file)).stdout
    assert "undone: bulkmove run" in status
    assert "finished" not in status
    held = invoke("verify", str(job.file))
    assert held.code == 0, held.told
    assert "nothing to compare: route fitting was undone" in held.stdout
    assert "✓ equal" not in held.stdout
    assert "as the source says" not in held.stdout
    assert lists(job.stage) == before
    assert job.run("--fresh", "--yes").counts("fitting") == {"read": ORDERS, "written": ORDERS}


def test_an_undo_that_finds_nothing_to_undo_leaves_the_migration_as_it_was(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    assert job.run("--fresh", "--yes").code == 0  # all rows are there: none of the new ledger's writing
    shown = lists(job.stage)
    nothing = undo(job)
    assert nothing.code == 0
    assert told(nothing, "fitting")["rows"] == {}
    status = invoke("status", str(job.file)).stdout
    assert "undone" not in status
    assert job.run().code == 0  # and it is not refused
    assert lists(job.stage) == shown


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_a_record_that_was_written_and_is_open_again_is_finished_before_an_undo_and_nobody_is_asked(
    job: Job, how: str
) -> None:
    job.with_fitting()
    assert job.run().code == 0
    shown = lists(job.stage)
    with closing(sqlite3.connect(job.ledger)) as connection, connection:
        connection.execute(
            "UPDATE records SET state = ? WHERE source_id = (SELECT min(source_id) FROM records)",
            (State.PENDING,),
        )
        assert connection.execute("SELECT count(*) FROM written").fetchone()[0] > 0
    refused = job.run(how, command="undo")
    assert refused.code == 2, refused
    assert "1 record was written before and is open again" in refused.stderr
    assert lists(job.stage) == shown
    assert "undone" not in invoke("status", str(job.file)).stdout


def test_some_records_alone_are_undone_and_the_rest_goes_on(job: Job) -> None:
    job.with_fitting()
    assert job.run("--limit", "10").code == 0
    chosen = sorted(row["store_id"] for row in rows(job.stage, "robosize-orders"))[:3]
    done = undo(job, "--ids", ",".join(chosen[:2]), "--ids", chosen[2])
    assert done.code == 0, done.told
    assert told(done, "fitting")["rows"] == {"delete": 3}
    rest = job.run()
    assert rest.counts("fitting") == {"read": ORDERS, "written": ORDERS - 3, "skipped": 3}
    there = {row["store_id"] for row in rows(job.stage, "robosize-orders")}
    assert len(there) == ORDERS - 3
    assert there.isdisjoint(chosen)
    unknown = undo(job, "--ids", "no-such-id")
    assert unknown.code == 2
    assert "no record 'no-such-id'" in unknown.stderr


def test_what_a_delta_changed_of_created_rows_is_deleted_with_them(job: Job) -> None:
    job.with_fitting()
    before = lists(job.stage)
    assert job.run("--limit", "20").code == 0
    assert job.run().code == 0
    changed = [str(order["id"]) for order in job.stage.orders[:3]]
    was = {key: row["line_items"] for key, row in by_id(rows(job.stage, "orders")).items() if key in changed}
    lines = {key: [{**line, "quantity": line["quantity"] + 1} for line in was[key]] for key in changed}
    job.stage.change(list="orders", update={key: {"line_items": lines[key]} for key in changed})
    assert job.run(command="delta").code == 0
    job.stage.change(list="orders", update={key: {"line_items": was[key]} for key in changed})
    done = undo(job)
    assert done.code == 0, done.told
    assert told(done, "fitting")["rows"] == {"delete": ORDERS}
    assert rows(job.stage, "robosize-orders") == before["robosize-orders"]


def test_the_ledger_adds_up_afterwards_and_keeps_nothing_of_what_was_undone(job: Job) -> None:
    with_shop(job).with_products()
    assert job.run().code == 0
    edited = str(made(job)[0]["id"])
    job.stage.change(list="orders", update={edited: {"customer_note": "alta"}})
    assert undo(job).code == 3
    anyio.run(check_balance, job)
    with closing(sqlite3.connect(job.ledger)) as found:
        tables = ("befores", "undoing", "undoing_bodies", "written")
        kept = {name: found.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # noqa: S608  our own names
    assert kept == {"befores": 0, "undoing": 0, "undoing_bodies": 0, "written": 1}


async def check_balance(job: Job) -> None:
    """Raises LedgerError."""
    async with open_ledger(job.ledger) as ledger:
        for route in job.routes:
            await ledger.check_balance(route, whole=True)


def test_later_routes_are_undone_before_those_that_they_come_after(job: Job) -> None:
    with_shop(job).with_fitting(after=["shop"])
    assert job.run().code == 0
    assert undo(job).code == 0
    with closing(sqlite3.connect(job.ledger)) as ledger:
        runs = ledger.execute(
            "SELECT r.name, min(q.id), max(q.id) FROM requests q JOIN routes r ON r.id = q.route"
            " WHERE q.run = (SELECT max(id) FROM runs WHERE kind = 'undo') GROUP BY r.name"
        ).fetchall()
        newest = ledger.execute("SELECT kind, exit_code FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    spans = {name: (first, last) for name, first, last in runs}
    assert spans["fitting"][1] < spans["shop"][0]
    assert newest == ("undo", 0)


def test_a_lost_answer_and_a_passing_failure_undo_nothing_twice(job: Job) -> None:
    with_shop(job).with_orders(undo_with=CANCELED)
    shop = rows(job.stage, "orders")
    there = {row["order_id"]: row for row in rows(job.stage, "external-orders")}
    assert job.run().code == 0
    for fault in ("dropped-after", "error-502-before", "error-502-after"):
        job.stage.add_fault(fault, api="merchantpro", methods=["DELETE"], times=2)
        job.stage.add_fault(fault, api="external-order", methods=["POST"], times=1)
    done = undo(job)
    assert done.code == 0, done.told
    assert rows(job.stage, "orders") == shop
    now = {row["order_id"]: row for row in rows(job.stage, "external-orders")}
    assert {key: now[key] for key in there} == there
    assert len(now) == len(there) + ORDERS - told(done, "orders")["rows"].get("restore", 0)


def test_a_host_that_fails_leaves_what_is_not_undone_to_the_next_undo(job: Job) -> None:
    job.with_fitting()
    before = lists(job.stage)
    assert job.run().code == 0
    job.hosts["sizing"]["give_up_after_s"] = 0.2
    job.stage.add_fault("error-502-before", api="robosize", methods=["DELETE", "GET"], times=100_000)
    failed = undo(job)
    assert failed.code == 5, failed.told
    assert told(failed, "fitting")["open"] == ORDERS
    assert "error: " in failed.stderr
    job.stage.clear_faults()
    assert undo(job).code == 0
    assert lists(job.stage) == before


def test_an_undo_that_is_killed_goes_on_where_it_was(job: Job) -> None:
    with_shop(job).with_fitting().with_products()
    before = lists(job.stage)
    assert job.run().code == 0
    slow(job, "30/s")
    for _ in range(2):
        assert killed_when(job, "undo", partial(has_deleted, job, deleted(job) + 4))
        status = job.run(command="status")
        assert all(
            counts["read"] == counts["written"] + counts["skipped"] for counts in status.routes.values()
        )
        assert status.counts("fitting")["written"] > 0
    slow(job, "100000/s")
    done = undo(job)
    assert done.code == 0, done.told
    assert lists(job.stage) == before


def test_an_undo_that_is_interrupted_while_it_waits_leaves_the_migration_as_it_was(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    with closing(sqlite3.connect(job.ledger)) as connection, connection:
        connection.execute("UPDATE runs SET exit_code = NULL, ended_at = NULL")  # as a killed one leaves it
    asked = job.stage.total()
    interrupt_while_it_waits(job)
    assert job.stage.total() == asked, "nor is any list read after the interrupt"
    assert "undone" not in invoke("status", str(job.file)).stdout
    assert job.run().code == 0  # and it is not refused
    assert len(rows(job.stage, "robosize-orders")) == ORDERS


def test_an_undo_of_what_was_never_read_waits_for_nothing(job: Job) -> None:
    job.with_fitting().hosts["old"]["give_up_after_s"] = 0.2
    job.hosts["sizing"]["settle_s"] = 60
    job.stage.add_fault("error-502-before", api="merchantpro", times=100_000)
    assert job.run().code == 5
    done = undo(job)
    assert done.code == 0, done.told
    assert "until changes in doubt" not in done.told


def test_an_undo_that_is_interrupted_while_it_waits_takes_no_change_for_written(job: Job) -> None:
    """What a killed run had not sent yet is sent by the next."""
    with_mapper_of_numbers(
        job,
        "def note(record, context):\n"
        "    return {'id': ORDERS[PRODUCTS.index(record['id'])], 'customer_note': 'nota'}\n",
    )
    job.routes["note"] = {"source": "sizing.products", "target": "old.orders", "mapper": "mappers.py:note"}

    def changed() -> int:
        return [row["customer_note"] for row in rows(job.stage, "orders")].count("nota")

    slow(job, "20/s")
    assert killed_when(job, "run", lambda: changed() >= 3)
    interrupt_while_it_waits(job)
    status = job.run(command="status")
    assert status.counts("note")["written"] <= changed() < PRODUCTS
    slow(job, "100000/s")
    assert job.run().code == 0
    assert changed() == PRODUCTS


def interrupt_while_it_waits(job: Job) -> None:
    """An undo, ended by Ctrl-C before what a run sent has settled."""
    settle_s = {name: host["settle_s"] for name, host in job.hosts.items()}
    for host in job.hosts.values():
        host["settle_s"] = 60
    job.write()
    with subprocess.Popen(
        [*COMMAND, "undo", str(job.file), "--yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any("until changes in doubt have settled" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    for name, host in job.hosts.items():
        host["settle_s"] = settle_s[name]
    job.write()


def test_a_run_that_was_killed_is_undone_with_what_it_left_in_doubt(job: Job) -> None:
    with_shop(job).with_fitting()
    before = lists(job.stage)
    slow(job, "30/s")
    assert killed_when(
        job, "run", lambda: len(made(job)) >= 4 and len(job.stage.rows("robosize-orders")) >= 4
    )
    slow(job, "100000/s")
    done = undo(job)
    assert done.code == 0, done.told
    assert lists(job.stage) == before
    pending = job.run(command="status").routes["fitting"]
    assert pending["pending"] + pending["skipped"] == pending["read"]


def test_rows_of_another_shop_are_not_taken_for_those_that_were_written(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    job.hosts["sizing"]["url"] = job.stage.url.replace("127.0.0.1", "localhost") + "/elsewhere"
    refused = undo(job)
    assert refused.code == 2
    assert "route fitting: target changed since this ledger was begun" in refused.stderr


def slow(job: Job, rate: str) -> None:
    for name in ("old", "sizing"):
        job.hosts[name] |= {"rate": rate, "burst": 1, "concurrency": 3}
    job.write()


def deleted(job: Job) -> int:
    return job.stage.count("merchantpro", "DELETE order") + job.stage.count("robosize", "DELETE order")


def has_deleted(job: Job, count: int) -> bool:
    return deleted(job) >= count


def killed_when(job: Job, command: str, has_come: Callable[[], bool]) -> bool:
    """Whether the command was killed when the moment had come."""
    until = time.monotonic() + 30
    process = subprocess.Popen(
        [*COMMAND, command, str(job.file), "--quiet", *(("--yes",) if command == "undo" else ())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not has_come() and time.monotonic() < until:
        time.sleep(0.002)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL
