"""The job itself: the routes that a shop's move needs, to their end, and every record held against its source."""

from __future__ import annotations

import math
import re
import sqlite3
import stat
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bulkmove.demo.check import check_rows
from bulkmove.demo.expected import RobosizeProducts
from tests.integration.moving import Job, Stage, Stages, by, invoke, without_writes
from tests.integration.odd_host import odd_host, shop, sizing_service

PATCHES = "PATCH products"


def test_three_routes_on_one_ledger_end_complete_and_equal_to_the_source(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, sandbox(orders=1200, products=400)).with_all_routes()
    ended = job.process("--json")
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 1200, "written": 1200}
    assert ended.counts("fitting") == {"read": 1200, "written": 1200}
    assert ended.counts("products") == {"read": 400, "written": 400}
    assert ended.summary["exit"] == 0
    job.check_all_equal()
    assert [api["too_many"] for api in job.stage.stats().values()] == [0, 0, 0]
    assert job.stage.count("external-order", "POST upsert") == 12
    assert job.stage.count("robosize", "POST orders") == 1200
    for file in job.folder.glob("*.ledger.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_two_distinct_changes_of_a_thousand_products_cost_a_handful_of_requests(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, sandbox(orders=0, products=1000)).with_products(mapper="mappers.py:comment")
    job.with_mapper(
        "def comment(record, context):\n"
        "    return {'id': record['id'], 'name': 'even' if int(record['id']) % 2 == 0 else 'odd'}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 1000, "written": 1000}
    assert 2 <= job.stage.count("robosize", PATCHES) <= 4
    _only_changed(
        job, {p["id"]: {"name": ("odd", "even")[int(p["id"]) % 2 == 0]} for p in job.stage.products}
    )


def _only_changed(job: Job, changes: dict[str, dict[str, Any]]) -> None:
    """The products are what they were, but for these fields of these rows."""
    now = by(job.stage.rows("robosize-products"), "id")
    before = by(job.stage.products, "id")
    wanted = {number: {**row, **changes.get(number, {})} for number, row in before.items()}
    for row in (*now.values(), *wanted.values()):
        row.pop("_writes")
    assert now == wanted


def test_changes_of_several_writable_fields_arrive_and_leave_the_others_alone(job: Job) -> None:
    job.with_products(mapper="mappers.py:restyle").with_mapper(
        "def restyle(record, context):\n"
        "    if int(record['id']) % 5:\n"
        "        return None\n"
        "    return {'id': record['id'], 'name': record['name'] + ' – nou', 'tags': ['ștofă', '👗'],\n"
        "            'image_url': 'https://img.example/ș.jpg', 'type': 'top'}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 200, "written": 40, "skipped": 160}
    changed = {
        p["id"]: {
            "name": p["name"] + " – nou",
            "tags": [{"name": "ștofă"}, {"name": "👗"}],
            "image_url": "https://img.example/ș.jpg",
            "type": "top",
        }
        for p in job.stage.products
        if int(p["id"]) % 5 == 0
    }
    _only_changed(job, changed)


def test_a_product_without_an_id_is_created(job: Job) -> None:
    job.with_products(mapper="mappers.py:copy").with_mapper(
        "def copy(record, context):\n"
        "    if int(record['id']) % 10:\n"
        "        return None\n"
        "    return {'name': record['name'], 'store_id': 'copy-' + record['store_id'], 'type': 'dress',\n"
        "            'tags': [tag['name'] for tag in record['tags']], 'image_url': 'https://img.example/1.jpg'}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 200, "written": 20, "skipped": 180}
    assert job.stage.count("robosize", "POST products") == 20
    rows = by(job.stage.rows("robosize-products"), "store_id")
    for product in job.stage.products:
        copy = rows.get("copy-" + product["store_id"])
        assert (copy is not None) == (int(product["id"]) % 10 == 0)
        if copy is not None:
            assert (copy["name"], copy["tags"], copy["type"]) == (product["name"], product["tags"], "dress")


def test_orders_at_the_sizing_service_get_the_numbers_that_another_route_made(job: Job) -> None:
    job.with_orders().with_fitting(after=["orders"], options={"ids_from": "orders"})
    ended = job.run()
    assert ended.code == 0, ended.told
    new = by(job.stage.rows("external-orders"), "rrn")
    fitted = by(job.stage.rows("robosize-orders"), "store_id")
    assert set(fitted) == {str(row["order_id"]) for row in new.values()}
    for order in job.stage.orders:
        row = fitted[str(new[str(order["id"])]["order_id"])]
        assert row["data"]["id"] == order["id"]


def test_a_user_mapper_asks_for_what_a_record_became_also_when_it_is_async(job: Job) -> None:
    job.with_orders().with_fitting(after=["orders"], mapper="mappers.py:follow").with_mapper(
        "async def follow(record, context):\n"
        "    new = context.target_id('orders', record['id'])\n"
        "    assert context.target_ids('orders', str(record['id'])) == (new,)\n"
        "    assert context.target_id('orders', 'none such') is None\n"
        "    return {'store_id': new, 'device_id': 'd', 'data': {'old': record['id'], 'route': context.route}}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    new = by(job.stage.rows("external-orders"), "rrn")
    fitted = by(job.stage.rows("robosize-orders"), "store_id")
    assert len(fitted) == len(job.stage.orders)
    for row in fitted.values():
        assert str(new[str(row["data"]["old"])]["order_id"]) == row["store_id"]
        assert row["data"]["route"] == "fitting"


def test_a_route_waits_for_those_it_comes_after_and_heeds_their_rejected_records(job: Job) -> None:
    job.with_orders(mapper="mappers.py:refuse_some").with_fitting(
        after=["orders"], options={"ids_from": "orders"}
    ).with_mapper(
        "from bulkmove.mapping.builtin.external_order import order_to_external_order\n"
        "def refuse_some(record, context):\n"
        "    if record['id'] == REFUSED:\n"
        "        raise RejectRecordError('not this one')\n"
        "    return order_to_external_order(record, context)\n"
        f"REFUSED = {job.stage.orders[3]['id']!r}\n"
    )
    ended = job.run()
    assert ended.code == 3, ended.told
    refused = str(job.stage.orders[3]["id"])
    failures = job.failures()
    assert set(failures) == {("orders", refused), ("fitting", refused)}
    assert failures["orders", refused] == ("rejected", "mapper", "not this one")
    assert failures["fitting", refused][1] == "no-new-id"
    assert len(job.stage.rows("robosize-orders")) == len(job.stage.orders) - 1


def _install_mapper(folder: Path) -> None:
    """As a distribution of the user's own would stand in site-packages."""
    (folder / "shop_mappers_installed.py").write_text(
        "def relink(record, context):\n    return {'id': record['id'], 'name': 'by entry point'}\n", "utf-8"
    )
    info = folder / "shop_mappers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-mappers\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[bulkmove.mappers]\nshop-relink = shop_mappers_installed:relink\n", "utf-8"
    )


@pytest.mark.parametrize(
    "way", ["file", "file in a folder", "module", "package", "entry point", "async", "object"]
)
def test_mappers_are_found_by_file_module_and_entry_point(
    job: Job, way: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment = f"by {way}"
    body = f"(record, context):\n    return {{'id': record['id'], 'name': {comment!r}}}\n"
    name = "mappers.py:relink"
    match way:
        case "file in a folder":
            (job.folder / "maps").mkdir()
            job.with_mapper("def relink" + body, "maps/products.py")
            name = "maps/products.py:relink"
        case "module":
            job.with_mapper("def relink" + body, "shop_products_module.py")
            name = "shop_products_module:relink"
        case "package":
            (job.folder / "shop_products_package").mkdir()
            job.with_mapper("", "shop_products_package/__init__.py")
            job.with_mapper("def relink" + body, "shop_products_package/maps.py")
            name = "shop_products_package.maps:relink"
        case "entry point":
            installed = tmp_path_factory.mktemp("site")
            _install_mapper(installed)
            monkeypatch.syspath_prepend(installed)
            name = "shop-relink"
        case "async":
            job.with_mapper(
                "import asyncio\nasync def relink" + body.replace("\n", "\n    await asyncio.sleep(0)\n", 1)
            )
        case "object":
            job.with_mapper(
                "class Relink:\n    async def __call__(self, record, context):\n"
                f"        return {{'id': record['id'], 'name': {comment!r}}}\nrelink = Relink()\n"
            )
        case _:
            job.with_mapper("def relink" + body)
    ended = job.with_products(mapper=name).run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 200, "written": 200}
    assert {row["name"] for row in job.stage.rows("robosize-products")} == {comment}


def test_a_generator_s_bodies_are_written_each_and_the_record_counts_once(job: Job) -> None:
    job.with_fitting(mapper="mappers.py:by_line").with_mapper(
        "def by_line(record, context):\n"
        "    for number, line in enumerate(record['line_items']):\n"
        "        yield {'store_id': f\"{record['id']}-{number}\", 'device_id': 'd', 'data': line}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("fitting") == {"read": 300, "written": 300}
    lines = {
        f"{order['id']}-{number}": line
        for order in job.stage.orders
        for number, line in enumerate(order["line_items"])
    }
    assert len(lines) > 300
    rows = by(job.stage.rows("robosize-orders"), "store_id")
    assert {key: row["data"] for key, row in rows.items()} == lines


ODD_MAPPER = """
import asyncio, sys

def odd(record, context):
    match int(record['id']) % 20:
        case 0: raise ValueError('a defect')
        case 1: raise RejectRecordError('too old')
        case 2: return None
        case 3: return 17
        case 4: return 'text'
        case 5: return [{'id': record['id'], 'name': 'first of two'}, None]
        case 6: return {'id': record['id'], 'nmae': 'x'}
        case 7: return {'id': record['id'], 'name': float('nan')}
        case 8: return {'id': record['id'], 'name': {'a', 'set'}}
        case 9: return {'id': record['id'], 'name': 'lone \\ud800'}
        case 10: return []
        case 11: raise ValueError('about \\ud800')
        case 12: sys.exit(0)
        case 13: return {'id': record['id'], 1: 'x'}
        case 14: return {'id': record['id'], 'tags': [{2: 'two'}]}
        case 15: return {}
        case 16: return deep(3000)
        case 17: raise RejectRecordError('tagged \\udfff', cause='by-tag')
        case 18: return {'id': True, 'name': 'x'}
        case _: return {'id': record['id'], 'name': 'good'}

async def aodd(record, context):
    await asyncio.sleep(0)
    if int(record['id']) % 20 == 12:
        raise asyncio.CancelledError
    return odd(record, context)

def deep(levels):
    body = {}
    inner = body
    for _ in range(levels):
        inner['name'] = {}
        inner = inner['name']
    return body
"""


@pytest.mark.parametrize("mapper", ["odd", "aodd"])
def test_whatever_a_mapper_does_with_one_record_costs_that_record_alone(job: Job, mapper: str) -> None:
    job.with_products(mapper=f"mappers.py:{mapper}").with_mapper(ODD_MAPPER)
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("products") == {"read": 200, "written": 10, "skipped": 20, "rejected": 170}
    failures = {int(number) % 20: told for (_, number), told in job.failures().items()}
    causes = {kind: cause for kind, (_, cause, _) in sorted(failures.items())}
    assert causes == {
        0: "mapper-error", 1: "mapper", 3: "mapper-error", 4: "mapper-error", 5: "mapper-error",
        6: "unknown-field", 7: "not-json", 8: "not-json", 9: "not-json", 11: "mapper-error", 12: "mapper-error",
        13: "unknown-field", 14: "not-json", 15: "no-key", 16: "not-json", 17: "by-tag", 18: "bad-id",
    }  # fmt: skip
    assert "ValueError: a defect" in failures[0][2]
    assert "mappers.py" in failures[0][2], "the traceback is kept"
    assert failures[1][2] == "too old"
    assert "nmae" in failures[6][2]
    # Of several bodies the good ones are written; the record counts by its worst.
    names = {19: "good", 5: "first of two"}
    changed = {
        p["id"]: {"name": names[int(p["id"]) % 20]} for p in job.stage.products if int(p["id"]) % 20 in names
    }
    _only_changed(job, changed)


def test_a_mapper_may_mutate_its_record(job: Job) -> None:
    """What it does to its record changes neither which record it is nor what other routes get."""
    job.with_all_routes().with_mapper(
        "from bulkmove.mapping.builtin.external_order import order_to_external_order\n"
        "def mangle(record, context):\n"
        "    body = order_to_external_order(record, context)\n"
        "    record['id'] = 'mangled'\n"
        "    record['line_items'].clear()\n"
        "    record.clear()\n"
        "    return body\n"
        "def in_place(record, context):\n"
        "    new = context.lookup('ids', record['store_id'])\n"
        "    number = record['id']\n"
        "    record.clear()\n"
        "    record['id'], record['store_id'] = number, new\n"
        "    return record\n"
    )
    job.routes["orders"]["mapper"] = "mappers.py:mangle"
    job.routes["products"]["mapper"] = "mappers.py:in_place"
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()


def test_filters_of_the_source_choose_what_is_read(job: Job) -> None:
    since, until = "2019-03-01T00:00:00+02:00", "2022-03-01T00:00:00+02:00"
    job.with_orders(where={"created_after": since, "created_before": until, "payment_status": "paid"})
    ended = job.run()
    assert ended.code == 0, ended.told
    wanted = {
        str(order["id"])
        for order in job.stage.orders
        if since <= order["date_created"] <= until and order["payment_status"] == "paid"
    }
    assert 10 < len(wanted) < len(job.stage.orders)
    assert set(by(job.stage.rows("external-orders"), "rrn")) == wanted
    assert ended.counts("orders") == {"read": len(wanted), "written": len(wanted)}


def test_fields_used_asks_the_source_for_these_alone(job: Job) -> None:
    job.with_fitting(mapper="mappers.py:keep", fields_used=["id", "total_amount", "line_items[].quantity"])
    job.with_mapper(
        "def keep(record, context):\n"
        "    return {'store_id': str(record['id']), 'device_id': 'd', 'data': record}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    orders = by(job.stage.rows("orders"), "id")  # other tests may have changed some
    for row in job.stage.rows("robosize-orders"):
        asked = {"id", "date_created", "date_modified", "total_amount", "line_items"}
        order = orders[row["store_id"]]
        assert row["data"] == {name: order[name] for name in asked if name in order}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batch_size_is_how_many_orders_one_request_carries(job: Job, size: int) -> None:
    ended = job.with_orders(batch_size=size).run()
    assert ended.code == 0, ended.told
    assert job.stage.count("external-order", "POST upsert") == math.ceil(300 / size)
    job.check_all_equal()


def test_batch_size_is_how_many_ids_one_change_carries(job: Job) -> None:
    job.with_products(mapper="mappers.py:same", batch_size=30)
    job.with_mapper("def same(record, context):\n    return {'id': record['id'], 'name': 'same'}\n")
    ended = job.run()
    assert ended.code == 0, ended.told
    assert job.stage.count("robosize", PATCHES) == math.ceil(200 / 30)


def test_rows_are_found_again_by_the_natural_key_that_the_route_names(job: Job) -> None:
    job.with_products(mapper="mappers.py:by_name", natural_key="name", mode="update").with_mapper(
        "def by_name(record, context):\n    return {'name': record['name'], 'type': 'by name'}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 200, "written": 200}
    assert job.stage.count("robosize", "POST products") == 0
    _only_changed(job, {p["id"]: {"type": "by name"} for p in job.stage.products})


def test_options_reach_the_mapper_and_tables_are_loaded_from_beside_the_file(job: Job) -> None:
    (job.folder / "colours.csv").write_text('old;new\n50001;roșu\n50002; "verde; închis"\n', "utf-8")
    job.with_products(
        mapper="mappers.py:colour", options={"colours": "colours.csv", "suffix": "!", "deep": {"n": 1}}
    )
    job.with_mapper(
        "async def colour(record, context):\n"
        "    colour = context.lookup('colours', int(record['id']))\n"
        "    if colour is None:\n"
        "        return None\n"
        "    assert colour == await context.find('colours', record['id'])\n"
        "    return {'id': record['id'], 'name': colour + context.options['suffix'] * context.options['deep']['n']}\n"
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 200, "written": 2, "skipped": 198}
    _only_changed(job, {"50001": {"name": "roșu!"}, "50002": {"name": "verde; închis!"}})


def test_products_without_a_new_number_are_skipped_or_rejected_as_the_route_says(
    sandbox: Stages, tmp_path: Path
) -> None:
    stage = sandbox(orders=0, products=60, ids_missing=5)
    job = Job(tmp_path, stage).with_products(options={"ids": "ids.csv", "missing": "reject"})
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("products") == {"read": 60, "written": 55, "rejected": 5}
    failures = job.failures()
    assert {cause for _, cause, _ in failures.values()} == {"no-new-id"}
    _relinked(stage, {p["id"] for p in stage.products} - {number for _, number in failures})

    stage.clean()
    skipping = Job(tmp_path, stage, name="skipping").with_products()
    ended = skipping.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": 60, "written": 55, "skipped": 5}


def _relinked(stage: Stage, numbers: set[str]) -> None:
    now = without_writes(row for row in stage.rows("robosize-products") if row["id"] in numbers)
    before = without_writes(row for row in stage.products if row["id"] in numbers)
    check = check_rows("products", RobosizeProducts(stage.ids()), source=before, target=now)
    assert check.is_good, str(check)
    assert check.found == len(numbers)


def test_two_routes_to_one_list_do_not_write_one_key_twice(job: Job) -> None:
    """The second to claim a key is told which record of which route has it."""
    job.with_orders()
    job.routes["again"] = {**job.routes["orders"], "after": ["orders"]}
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 300}
    assert ended.counts("again") == {"read": 300, "rejected": 300}
    assert {cause for _, cause, _ in job.failures().values()} == {"duplicate-key"}
    assert len(job.stage.rows("external-orders")) == 300


def test_one_route_alone_is_run_where_it_is_named(job: Job) -> None:
    job.with_all_routes()
    ended = job.run("--route", "products")
    assert ended.code == 0, ended.told
    assert set(ended.routes) == {"products"}
    assert (job.stage.count("merchantpro"), job.stage.count("external-order")) == (0, 0)
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()


def test_a_migration_is_found_beside_the_user_where_no_file_is_named(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_SECRET", "demo-secret")
    monkeypatch.setenv("SHOP_URL", job.stage.url)
    (job.folder / "key.txt").write_text("demo-key\n", "utf-8")
    job.hosts["old"]["credentials"] = {
        "key": {"file": "key.txt"},
        "secret": "${OLD_SECRET}",
    }
    job.hosts["old"]["url"] = "${SHOP_URL}"
    job.hosts["new"]["credentials"] = {"token": {"command": ["echo", "demo-token"]}}
    job.with_orders().write()
    monkeypatch.chdir(job.folder)
    ended = invoke("run", "--json")
    assert ended.code == 0, ended.told
    job.check_all_equal()


# What JSON can say and programs like to change, in the fields that every route carries.
AWKWARD = {
    "total_amount": 107.40999999999999,
    "currency_rate": 4.976300000000001,
    "channel_name": "Șoșete și țoale „ieftine” 👩‍👩‍👧",
    "channel_ref_id": "007",
    "date_created": "2024-03-31T03:30:00+03:00",
    "customer_note": "<p>Mul\u021bumesc &amp; la revedere</p>\r\n\u00a0",
    "shipping_address": "Str. Ștefan cel Mare și Sfânt nr. 7, ap. 3 <b>colț</b> 🏠 s\u0326t\u0327",
    "shipping_postal_code": "077190",
    "parent_id": "95750870.3",
    "return_source_id": 9007199254740993,
    "rma_orders": [{"id": 18446744073709551615, "type": "return"}, {"id": -9223372036854775808, "type": ""}],
}


def test_awkward_values_arrive_to_the_last_digit_and_sign(job: Job) -> None:
    inserted = job.stage.change(list="orders", insert=[AWKWARD])["inserted"]
    # The stores hold what the documents name: numbers as they were, and text by its code points.
    [number] = [str(each) for each in inserted]
    name = "Rochie „Țărăncuță” <i>și</i> 👗 s\u0326"
    product = job.stage.products[0]["id"]
    job.stage.change(list="robosize-products", update={product: {"fabric": {"în": 0.1, "n": 1e-7}}})
    job.with_all_routes().with_mapper(
        "from bulkmove.mapping.builtin.relink import relink_product\n"
        "def rename(record, context):\n"
        f"    return {{**relink_product(record, context), 'name': {name!r}, 'tags': ['ș', 'ş', '👗']}}\n"
    )
    job.routes["products"]["mapper"] = "mappers.py:rename"
    ended = job.run()
    assert ended.code == 0, ended.told
    for route, check in job.checks().items():
        wrong = [each for each in check.wrong if route != "products" or each.source_id == product]
        assert (check.lost, check.doubled, check.extra) == ((), (), ()), str(check)
        assert {each.field for each in wrong} <= ({"name", "tags", "fabric.în", "fabric.n"} | TAGS), str(
            check
        )
    fitted = by(job.stage.rows("robosize-orders"), "store_id")[number]["data"]
    for field in set(AWKWARD) & set(fitted):
        assert repr(fitted[field]) == repr(AWKWARD[field]), field
    assert {"total_amount", "currency_rate", "channel_name", "rma_orders", "return_source_id"} <= set(fitted)
    address = by(job.stage.rows("external-orders"), "rrn")[number]["address"]
    assert address["address_ru"] == AWKWARD["shipping_address"]
    assert address["zip_code"] == "077190"
    row = by(job.stage.rows("robosize-products"), "id")[product]
    assert (row["name"], row["tags"]) == (name, [{"name": "ș"}, {"name": "ş"}, {"name": "👗"}])
    assert row["fabric"] == {"în": 0.1, "n": 1e-7}


TAGS = {"tags"} | {f"tags[{place}].name" for place in range(3)}


def test_numbers_that_no_double_holds_are_sent_with_their_very_digits(job: Job) -> None:
    numbers = [
        "123456789012345678901234567890", "0.10000000000000000001", "1E400", "18446744073709551616", "1.10", "-0.0",
        "12345678901234567.89", "100000000000000000000.5", "9007199254740993", "1e2",
    ]  # fmt: skip
    rows = [
        f'{{"id":{n},"date_created":"2024-05-01T10:00:0{n}+03:00","n":{text}}}'
        for n, text in enumerate(numbers)
    ]
    created: list[bytes] = []
    with (
        odd_host(shop(rows, [f"2024-05-01T10:00:0{n}+03:00" for n in range(len(rows))])) as old,
        odd_host(sizing_service(created)) as sizing,
    ):
        job.hosts["old"]["url"], job.hosts["sizing"]["url"] = old.url, sizing.url
        job.with_fitting(mapper="mappers.py:keep").with_mapper(
            "def keep(record, context):\n"
            "    return {'store_id': str(record['id']), 'device_id': 'd', 'data': {'n': record['n']}}\n"
        )
        ended = job.run()
    assert ended.code == 0, ended.told
    sent = {}
    for body in created:
        found = re.fullmatch(rb'{"store_id":"(\d)","device_id":"d","data":{"n":([^}]*)}}', body)
        assert found, body
        sent[int(found[1])] = found[2].decode()
    assert len(sent) == len(numbers)
    for place, text in enumerate(numbers):
        assert Decimal(sent[place]) == Decimal(text), "the same number, whatever its spelling"
        assert math.copysign(1, float(sent[place])) == math.copysign(1, float(text))


def test_what_a_mapper_does_to_its_record_does_not_change_what_is_known_of_the_source(job: Job) -> None:
    """Rows without a date of change are told from changed ones by the hash of what came."""
    job.with_fitting()
    assert job.run().code == 0
    digests = []
    for name, change in (("kept", "pass"), ("mangled", "record['data'].clear()")):
        route = Job(job.folder, job.stage, name=name)
        route.routes["back"] = {
            "source": "sizing.orders",
            "target": "new.orders",
            "mapper": "mappers.py:back",
        }
        route.with_mapper(
            "def back(record, context):\n"
            f"    {change}\n"
            f"    items = [{{'order_status': 'new', 'quantity': 1, 'product': 104392}}]\n"
            f"    return {{'rrn': '{name}' + record['store_id'], 'shop': 2, 'order_items': items}}\n"
        )
        ended = route.run()
        assert ended.code == 0, ended.told
        with closing(sqlite3.connect(route.ledger)) as connection:
            query = "SELECT source_id, source_digest FROM records ORDER BY source_id"
            digests.append(connection.execute(query).fetchall())
    assert digests[0] == digests[1]
    assert all(digest is not None for _, digest in digests[0])
