"""What create, update and upsert do with rows that the target holds already; resuming; dry runs; one run at a time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import pytest

from bulkmove.demo.check import check_rows
from bulkmove.demo.expected import ExternalOrders, RobosizeOrders
from tests.integration.moving import COMMAND, SHOP, Job, Row, Stages, stage, without_writes

ORDERS, FOREIGN, MATCHING, DOUBLED = 120, 20, 30, 5
ALONE = MATCHING - DOUBLED


@pytest.fixture
def prefilled(tmp_path: Path) -> Iterator[Job]:
    with stage(
        orders=ORDERS,
        products=60,
        targets_existing=FOREIGN,
        targets_matching=MATCHING,
        targets_doubled=DOUBLED,
    ) as found:
        yield Job(tmp_path, found)


def _causes(job: Job, route: str) -> dict[str, int]:
    causes: dict[str, int] = {}
    for (name, _), (_, cause, _) in job.failures().items():
        if name == route:
            causes[cause] = causes.get(cause, 0) + 1
    return causes


def _failed(job: Job, route: str) -> set[str]:
    return {source_id for name, source_id in job.failures() if name == route}


def _check_written(job: Job, before: dict[str, list[Row]]) -> None:
    """What is not listed as failed is there as it must be, once; what is, and what is foreign, is as it was."""
    ids = job.stage.ids()
    for route, name, key, rules in (
        ("orders", "external-orders", "rrn", ExternalOrders(SHOP, ids)),
        ("fitting", "robosize-orders", "store_id", RobosizeOrders()),
    ):
        if route not in job.routes:
            continue
        failed = _failed(job, route)
        good = [order for order in job.stage.orders if str(order["id"]) not in failed]
        keys = {str(order["id"]) for order in good}
        there = {row.get(key) for row in before[name]}
        rows = job.stage.rows(name)
        check = check_rows(
            route,
            rules,
            source=[
                _as_compared(order, "line_items", ids) if route == "orders" else without_writes([order])[0]
                for order in good
            ],
            target=[_as_compared(row, "order_items", ids) for row in rows if row.get(key) in keys],
        )
        # The document has a place for the device in a creation alone.
        wrong = [each for each in check.wrong if (each.field, each.source_id in there) != ("device_id", True)]
        assert (check.lost, check.doubled, wrong, check.extra) == ((), (), [], ()), str(check)
        rest = [row for row in rows if row.get(key) not in keys]
        assert rest == [row for row in before[name] if row.get(key) not in keys]


def _as_compared(row: Row, lines: str, ids: Mapping[str, int]) -> Row:
    """Without the number of writes, and with the lines in one order: an update keeps the one that the target has."""

    def place(line: Row) -> tuple[int, int]:
        return (line["product"] if "product" in line else ids[str(line["product_id"])], line["quantity"])

    kept = {name: value for name, value in row.items() if name != "_writes"}
    return {**kept, lines: sorted(kept[lines], key=place)} if lines in kept else kept


def _before(job: Job) -> dict[str, list[Row]]:
    return {name: job.stage.rows(name) for name in ("external-orders", "robosize-orders")}


def test_create_writes_what_is_new_and_names_what_is_there(prefilled: Job) -> None:
    job = prefilled.with_orders(mode="create").with_fitting(mode="create")
    before = _before(job)
    ended = job.run()
    assert ended.code == 3, ended.told
    for route in ("orders", "fitting"):
        assert ended.counts(route) == {"read": ORDERS, "written": ORDERS - MATCHING, "rejected": MATCHING}
        assert _causes(job, route) == {"exists": ALONE, "ambiguous-key": DOUBLED}
    _check_written(job, before)


def test_update_changes_what_is_there_and_names_what_is_not(prefilled: Job) -> None:
    job = prefilled.with_orders(mode="update").with_fitting(mode="update")
    before = _before(job)
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("fitting") == {"read": ORDERS, "written": ALONE, "rejected": ORDERS - ALONE}
    assert _causes(job, "fitting") == {"no-match": ORDERS - MATCHING, "ambiguous-key": DOUBLED}
    shorter = _with_more_lines_there(job, before)
    assert _causes(job, "orders") == {
        "no-match": ORDERS - MATCHING,
        "ambiguous-key": DOUBLED,
        "lines-left": len(shorter),
    }
    assert shorter <= _failed(job, "orders")
    assert [job.stage.stats()[api]["creates"] for api in ("external-order", "robosize")] == [0, 0]
    _check_written(job, before)


def _with_more_lines_there(job: Job, before: dict[str, list[Row]]) -> set[str]:
    """Orders whose row on the target, one alone, has more lines than they: updates that append take none away."""
    rows: dict[str, list[Row]] = {}
    for row in before["external-orders"]:
        rows.setdefault(str(row.get("rrn")), []).append(row)
    found = set()
    for order in job.stage.orders:
        there = rows.get(str(order["id"]), [])
        if len(there) == 1 and len(there[0]["order_items"]) > len(order["line_items"]):
            found.add(str(order["id"]))
    assert found
    return found


def test_upsert_changes_what_is_there_and_creates_the_rest(tmp_path: Path) -> None:
    with stage(
        orders=ORDERS, products=60, targets_existing=FOREIGN, targets_matching=MATCHING,
        targets_doubled=DOUBLED, items_on_update="replace",
    ) as found:  # fmt: skip
        job = Job(tmp_path, found).with_orders().with_fitting()
        job.hosts["new"]["options"] = {"items_on_update": "replace"}
        before = _before(job)
        ended = job.run()
        assert ended.code == 3, ended.told
        for route, api in (("orders", "external-order"), ("fitting", "robosize")):
            assert ended.counts(route) == {"read": ORDERS, "written": ORDERS - DOUBLED, "rejected": DOUBLED}
            assert _causes(job, route) == {"ambiguous-key": DOUBLED}
            assert job.stage.stats()[api]["creates"] == ORDERS - MATCHING
            assert job.stage.stats()[api]["updates"] == ALONE
        _check_written(job, before)


@pytest.mark.parametrize(
    "keys", [{}, {"created_at": "absent"}, {"created_at": "iso", "external_list": "array"}]
)
def test_what_is_equal_already_is_unchanged_and_costs_no_write(
    sandbox: Stages, tmp_path: Path, keys: dict[str, str]
) -> None:
    job = Job(tmp_path, sandbox(**keys)).with_orders().with_fitting()
    assert job.run().code == 0
    written = job.stage.written()
    again = Job(tmp_path, job.stage, name="again").with_orders().with_fitting()
    ended = again.run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 300, "unchanged": 300}
    assert ended.counts("fitting") == {"read": 300, "unchanged": 300}
    assert job.stage.written() == written
    job.check_all_equal()


def test_a_changed_row_is_brought_back_and_the_equal_ones_are_left_alone(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    row = job.stage.rows("robosize-orders")[7]
    job.stage.change(list="robosize-orders", update={row["id"]: {"data": {"changed": True}}})
    job.name = "again"
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("fitting") == {"read": 300, "written": 1, "unchanged": 299}
    job.check_all_equal()


@pytest.mark.parametrize(
    ("mode", "outcome"), [("create", "rejected"), ("update", "written"), ("upsert", "written")]
)
def test_a_body_with_the_target_s_id_updates_that_row_unless_the_mode_is_create(
    job: Job, mode: str, outcome: str
) -> None:
    ended = job.with_products(mode=mode).run()
    assert ended.counts("products") == {"read": 200, outcome: 200}
    assert ended.code == (3 if mode == "create" else 0)
    if mode == "create":
        assert _causes(job, "products") == {"has-id": 200}
        assert job.stage.written() == 0


def test_steps_of_a_limit_come_to_the_same_end_as_one_run(job: Job) -> None:
    job.with_all_routes()
    seen = 0
    for step in range(1, 4):
        ended = job.run("--limit", "110")
        assert ended.code == 0, ended.told
        for route, total in (("orders", 300), ("fitting", 300)):
            done = min(110 * step, total)
            assert ended.counts(route) == {"read": done, "written": done}
        done = min(110 * step, 200)
        products = {"read": 200, "written": done, "pending": 200 - done}
        assert ended.counts("products") == {name: count for name, count in products.items() if count}
        seen = ended.routes["orders"]["read"]
    assert seen == 300
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()


def test_a_finished_migration_reads_nothing_and_says_so(job: Job) -> None:
    job.with_all_routes()
    first = job.run()
    assert first.code == 0, first.told
    requests = job.stage.total()
    for ended in (job.run(), job.run("--limit", "5"), job.run("--route", "orders")):
        assert ended.code == 0, ended.told
        assert all(first.routes[name] == counts for name, counts in ended.routes.items())
        assert "finished" in ended.told
    assert job.stage.total() == requests


def test_a_run_after_3_looks_again_at_what_is_unknown(sandbox: Stages, tmp_path: Path) -> None:
    """Whoever wrote second rows with the same keys takes them away; then the records are written after all."""
    job = Job(tmp_path, sandbox(orders=30, products=40)).with_fitting()
    assert job.run("--limit", "5").code == 0
    there = {row["store_id"] for row in job.stage.rows("robosize-orders")}
    rest = [str(order["id"]) for order in job.stage.orders if str(order["id"]) not in there]
    foreign = job.stage.change(
        list="robosize-orders", insert=[{"store_id": order, "data": {"of": "others"}} for order in rest]
    )
    job.stage.add_fault("error-502-after", api="robosize", methods=["POST"], times=1)

    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("fitting") == {"read": 30, "written": 5, "unknown": 25}
    failures = {order: told[:2] for (_, order), told in job.failures().items()}
    assert failures.keys() == set(rest)
    # The one whose answer was lost is found twice as it is read back, the others in the last look at the list.
    assert sorted(failures.values()) == [("unknown", "doubled")] * 24 + [("unknown", "found-twice")]

    ended = job.run()
    assert ended.code == 3, "still there twice"
    job.stage.change(list="robosize-orders", delete=foreign["inserted"])
    sent = job.stage.count("robosize", "POST orders")
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("fitting") == {"read": 30, "written": 30}
    assert job.stage.count("robosize", "POST orders") == sent
    job.check_all_equal()


def test_a_run_after_3_leaves_the_rejected_alone(job: Job) -> None:
    job.with_products(mapper="mappers.py:refuse").with_mapper(
        "def refuse(record, context):\n    raise RejectRecordError('no')\n"
    )
    first = job.run()
    assert first.code == 3, first.told
    requests = job.stage.total()
    ended = job.run()
    assert (ended.code, ended.routes) == (3, first.routes)
    assert job.stage.total() == requests


def test_a_changed_migration_is_refused_until_the_change_is_accepted(job: Job) -> None:
    job.with_orders().with_fitting()
    assert job.run("--limit", "100").code == 0
    job.routes["orders"]["options"]["shop"] = 7
    job.routes["orders"]["batch_size"] = 10  # how it is done may change at any time
    requests = job.stage.total()
    ended = job.run()
    assert ended.code == 2, ended.told
    assert "route orders" in ended.stderr
    assert "options" in ended.stderr
    assert "--accept-changes" in ended.stderr
    assert job.stage.total() == requests

    ended = job.run("--accept-changes")
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 300}
    shops = [row["shop"] for row in job.stage.rows("external-orders")]
    assert (shops.count(SHOP), shops.count(7)) == (100, 200)
    assert job.run().code == 0, "the accepted change is what holds now"


def test_a_changed_mapper_file_is_a_change(job: Job) -> None:
    job.with_products(mapper="mappers.py:same")
    job.with_mapper("def same(record, context):\n    return {'id': record['id'], 'name': 'one'}\n")
    assert job.run("--limit", "50").code == 0
    job.with_mapper("def same(record, context):\n    return {'id': record['id'], 'name': 'two'}\n")
    ended = job.run()
    assert ended.code == 2, ended.told
    assert "mapper file" in ended.stderr
    assert job.run("--accept-changes").code == 0
    names = [row["name"] for row in job.stage.rows("robosize-products")]
    assert (names.count("one"), names.count("two")) == (50, 150)


def test_fresh_begins_anew_and_keeps_the_old_ledger_aside(job: Job) -> None:
    job.with_orders()
    assert job.run("--limit", "100").code == 0
    refused = job.run("--fresh")
    assert refused.code == 2, "nobody can be asked here"
    assert "--yes" in refused.stderr
    assert job.run("--limit", "1").routes["orders"]["read"] == 101, "and nothing was done"

    old = job.ledger.read_bytes()
    ended = job.run("--fresh", "--yes")
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 199, "unchanged": 101}
    aside = [path for path in job.folder.glob("job.ledger.db.2*") if not path.name.endswith(("-wal", "-shm"))]
    assert len(aside) == 1
    assert aside[0].read_bytes()[:16] == old[:16]
    assert str(aside[0]) in ended.stderr
    before = job.run("--ledger", str(aside[0]), command="status")
    assert before.routes["orders"]["written"] == 101
    job.check_all_equal()


def test_a_second_run_on_one_ledger_is_refused_and_the_first_goes_on(job: Job) -> None:
    job.with_orders()
    job.hosts["old"].update(rate="3/s", burst=1)
    file = job.write()
    with subprocess.Popen(
        [*COMMAND, "run", str(file), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as first:
        while not job.ledger.exists() or not job.stage.count("merchantpro"):
            assert first.poll() is None
            time.sleep(0.02)
        second = job.run()
        assert second.code == 11, second.told
        assert str(first.pid) in second.stderr
        assert second.summary == {"type": "summary", "exit": 11, "routes": {}}
        assert job.run(command="status").summary["exit"] is None
        first.terminate()
        told, _ = first.communicate(timeout=20)
        assert first.returncode == 143
        assert orjson.loads(told.splitlines()[-1])["exit"] == 143
    job.hosts["old"].update(rate="100000/s", burst=1000)
    assert job.run().code == 0
    job.check_all_equal()


def test_a_dry_run_writes_nothing_and_returns_what_the_run_would(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox(orders=200, products=60, ids_missing=4)).with_all_routes()
    job.routes["products"]["options"] = {"ids": "ids.csv", "missing": "reject"}
    files = set(tmp_path.iterdir())
    dry = job.run("--dry-run")
    assert job.stage.written() == 0
    assert set(tmp_path.iterdir()) - files == {job.file}, "nor is a ledger left"
    wet = job.run()
    assert (dry.code, dry.routes) == (wet.code, wet.routes)
    assert dry.code == 3
    assert wet.routes["products"]["rejected"] == 4
    assert 0 < wet.routes["orders"]["rejected"] < 200, "those with a product that has no new number"
    dry = job.run("--dry-run")
    assert dry.routes["orders"]["unchanged"] == wet.routes["orders"]["written"]


def test_a_dry_run_of_routes_that_need_another_s_numbers_goes_through(job: Job) -> None:
    job.with_orders().with_fitting(after=["orders"], options={"ids_from": "orders"})
    dry = job.run("--dry-run", "--limit", "50")
    assert dry.code == 0, dry.told
    assert job.stage.written() == 0
    dry = job.run("--dry-run")
    assert dry.counts("fitting") == {"read": 300, "written": 300}
    assert job.stage.written() == 0
