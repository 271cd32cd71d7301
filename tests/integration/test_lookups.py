"""Look-ups of a run, asked of a sandbox over HTTP: how many requests they cost, and what becomes of each value."""

from __future__ import annotations

import gzip
import tomllib
import unicodedata
from typing import Any

import anyio
import pytest

from bulkmove import open_migration
from bulkmove.sandbox.places import Places, make_places
from tests.integration.moving import SHOP, Job, by

Row = dict[str, Any]

REGION = {"from": "new.regions", "match": "normalised"}
LOCALITY = {"from": "new.localities", "within": "region_id", "match": "normalised"}
PROMO = {"from": "new.promo-codes", "key": "code", "missing": "null"}
PRODUCT = {"from": "new.products", "key": "code", "load": "on-demand", "missing": "null"}

# A product without a code in the old shop has none to be looked up by.
MAPPER = """
def order(record: dict, context: MapContext) -> dict:
    region = ASK("region", record["shipping_state"])
    return {
        "rrn": str(record["id"]),
        "shop": context.options["shop"],
        "promo_code": ASK("promo", record.get("coupon_code")),
        "order_items": [
            {"order_status": "done", "quantity": 1, "product": ASK("product", line["product_sku"]) or 900001}
            for line in record["line_items"]
        ],
        "address": {"region_id": region, "locality_id": ASK("locality", (region, record["shipping_city"]))},
    }
"""
PLAIN = MAPPER.replace("ASK", "context.lookup")
PURE = PLAIN + "\norder.is_pure = True\n"
ASYNC = MAPPER.replace("ASK", "await context.find").replace("def order", "async def order")


def looking_up(job: Job, mapper: str = PURE, **lookups: Row) -> Job:
    job.with_mapper(mapper).with_orders(mapper="mappers.py:order")
    job.routes["orders"]["options"] = {"shop": SHOP}
    job.top["lookups"] = {
        "region": REGION,
        "locality": LOCALITY,
        "promo": PROMO,
        "product": PRODUCT,
        **lookups,
    }
    return job


def with_builtin(job: Job, **lookups: Row) -> Job:
    job.with_orders(
        options={
            "regions": "lookups.region",
            "localities": "lookups.locality",
            "promo_codes": "lookups.promo",
        }
    )
    job.top["lookups"] = {"region": REGION, "locality": LOCALITY, "promo": PROMO, **lookups}
    return job


def plain(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def codes(job: Job) -> set[str]:
    return {
        line["product_sku"]
        for order in job.stage.orders
        for line in order["line_items"]
        if line["product_sku"]
    }


def pairs(job: Job) -> list[tuple[Row, Row]]:
    """Each order with what was written of it."""
    written = by(job.stage.rows("external-orders"), "rrn")
    return [(order, written[str(order["id"])]) for order in job.stage.orders if str(order["id"]) in written]


def check_places(job: Job, *, count: int = 300) -> None:
    places: Places = make_places()
    regions = {plain(row["name"]): row["id"] for row in places.regions}
    localities = {(row["region_id"], plain(row["name"])): row["id"] for row in places.localities}
    promo_codes = {row["code"]: row["id"] for row in places.promo_codes}
    assert len(pairs(job)) == count
    for order, written in pairs(job):
        region = regions[plain(order["shipping_state"])]
        assert written["address"]["region_id"] == region
        assert written["address"]["locality_id"] == localities[region, plain(order["shipping_city"])]
        assert written.get("promo_code") == promo_codes.get(order.get("coupon_code"))


@pytest.mark.parametrize("mapper", [PURE, ASYNC], ids=["pure", "async"])
def test_ids_of_the_new_shop_are_found_with_the_fewest_requests(job: Job, mapper: str) -> None:
    ended = looking_up(job, mapper).run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 300}
    # One search for each code, however many lines have it; a short list twice, which is how it is proven read.
    assert job.stage.count("external-order", "GET product") == len(codes(job)) > 100
    assert job.stage.count("external-order", "GET region") == 2
    check_places(job)
    ids = job.stage.ids()
    for order, written in pairs(job):
        assert [item["product"] for item in written["order_items"]] == [
            ids[str(line["product_id"])] if line["product_sku"] else 900001 for line in order["line_items"]
        ]


def test_localities_on_demand_are_read_once_for_each_region(job: Job) -> None:
    ended = with_builtin(job, locality={**LOCALITY, "load": "on-demand"}).run()
    assert ended.code == 0, ended.told
    check_places(job)
    regions = {written["address"]["region_id"] for _, written in pairs(job)}
    assert job.stage.count("external-order", "GET locality") == 2 * len(regions)


def test_look_ups_of_one_list_share_its_reading(job: Job) -> None:
    looking_up(job, county={**REGION, "key": "id", "value": "name"})
    assert job.run("--dry-run").code == 0
    assert job.stage.count("external-order", "GET region") == 2


def test_two_routes_share_what_they_look_up(job: Job) -> None:
    looking_up(job)
    job.routes["again"] = {
        **job.routes["orders"],
        "options": {"shop": 1},
        "natural_key": "shop",
        "mode": "create",
    }
    job.run("--dry-run")
    assert job.stage.count("external-order", "GET region") == 2
    assert job.stage.count("external-order", "GET product") == len(codes(job))


def test_a_built_in_mapper_takes_look_ups_in_place_of_files(job: Job) -> None:
    ended = with_builtin(job).run()
    assert ended.code == 0, ended.told
    assert any("look-up locality: 370 rows" in line for line in ended.stderr.splitlines())
    check_places(job)


def test_what_does_not_resolve_is_listed_decided_and_then_written(job: Job) -> None:
    with_builtin(job, region={"from": "new.regions"})
    decisions = job.folder / "decisions.toml"
    assert job.run(command="plan").code == 3
    unresolved = tomllib.loads(decisions.read_text(encoding="utf-8"))["region"]
    expected = {o["shipping_state"] for o in job.stage.orders} - {
        row["name"] for row in make_places().regions
    }
    assert unresolved.keys() == expected
    assert job.stage.written() == 0

    ids = {plain(row["name"]): row["id"] for row in make_places().regions}
    skipped, *others = sorted(unresolved)
    lines = [
        "[region]",
        f'"{skipped}" = "skip"  # not ours',
        *(f'"{name}" = {ids[plain(name)]}' for name in others),
    ]
    decisions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert job.run(command="plan").code == 0
    assert decisions.read_text(encoding="utf-8").splitlines() == lines

    ended = job.run()
    away = sum(order["shipping_state"] == skipped for order in job.stage.orders)
    assert ended.counts("orders") == {"read": 300, "written": 300 - away, "skipped": away}
    check_places(job, count=300 - away)


def test_a_run_rejects_what_nobody_decided_and_says_which_value(job: Job) -> None:
    with_builtin(job, region={"from": {"Bihor": 105}})
    ended = job.run()
    inside = sum(order["shipping_state"] == "Bihor" for order in job.stage.orders)
    assert ended.counts("orders") == {"read": 300, "written": inside, "rejected": 300 - inside}
    failures = job.failures().values()
    assert {cause for _, cause, _ in failures} == {"unresolved"}
    assert any(
        "lookups.region has no 'Cluj'; decide in decisions.toml, then `bulkmove retry`" in message
        for _, _, message in failures
    )


def test_a_look_up_that_changed_is_told_before_anything_is_mapped_by_it(job: Job) -> None:
    with_builtin(job).run("--limit", "50")
    decisions = job.folder / "decisions.toml"
    decisions.write_text('[region]\n"Cluj" = "?"\n', encoding="utf-8")
    assert job.run("--limit", "1").code == 0
    decisions.write_text('[region]\n"Cluj" = 114\n', encoding="utf-8")
    ended = job.run()
    assert ended.code == 2
    assert "changed since this ledger was begun: decisions on lookups.region" in ended.told
    job.top["lookups"]["promo"] = {**PROMO, "missing": "reject"}
    assert "lookups.promo, decisions on lookups.region" in job.run().told
    assert job.run("--accept-changes", "--limit", "1").code in {0, 3}
    decisions.unlink()
    assert "decisions on lookups.region" in job.run().told


def test_files_are_tables_too(job: Job) -> None:
    places = make_places()
    rows = "".join(f"{row['name']}\t{row['id']}\n" for row in places.regions)
    (job.folder / "regions.csv.gz").write_bytes(gzip.compress(("name\tid\n" + rows).encode()))
    with_builtin(job, region={"from": "regions.csv.gz", "match": "normalised"})
    ended = job.run()
    assert ended.code == 0, ended.told
    assert job.stage.count("external-order", "GET region") == 0
    check_places(job)


def test_a_finished_migration_reads_no_look_up(job: Job) -> None:
    assert with_builtin(job).run().code == 0
    before = job.stage.total()
    assert job.run().code == 0
    assert job.stage.total() == before


def test_a_plain_mapper_is_told_to_wait_or_to_load(job: Job) -> None:
    ended = looking_up(job, PLAIN).run()
    failures = job.failures()
    assert len(failures) == 300
    assert {cause for _, cause, _ in failures.values()} == {"on-demand"}
    assert ended.code == 3


@pytest.mark.parametrize(
    ("lookups", "said"),
    [
        ({"region": {**REGION, "key": "nmae"}}, "lookups.region.key: no row of new.regions has a field 'nmae'; they have id, name, code; did you mean 'name'?"),
        ({"region": {"from": "new.regoins"}}, "lookups.region.from: host 'new' (external-order) has no stream 'regoins'; did you mean 'regions'?"),
        ({"region": {"from": "new.order-items"}}, "lookups.region.from: new.order-items can't be read"),
        ({"locality": {**LOCALITY, "where": {"region": 1}}}, "lookups.locality.where.region: new.localities has no such filter; did you mean 'region_id'?"),
        ({"region": {**REGION, "load": "on-demand"}}, "lookups.region.load: new.regions can't be asked for single values: it has no search"),
        ({"product": {**PRODUCT, "where": {"search": "x"}}}, "lookups.product.where: a search takes no filters"),
        ({"region": {"from": "none.csv"}}, "none.csv: can't be read: No such file"),
    ],
)  # fmt: skip
def test_a_look_up_that_can_not_work_is_a_mistake_in_the_configuration(
    job: Job, lookups: dict[str, Row], said: str
) -> None:
    ended = looking_up(job, PURE, **lookups).run()
    assert ended.code == 2
    assert said in ended.told
    assert job.stage.written() == 0


def test_an_option_that_names_no_look_up_is_a_mistake(job: Job) -> None:
    with_builtin(job)
    job.routes["orders"]["options"]["sectors"] = "lookups.regoin"
    ended = job.run()
    assert ended.code == 2
    assert "routes.orders.options.sectors: there is no look-up 'regoin'; did you mean 'region'?" in ended.told


def test_a_host_that_is_only_looked_up_at_is_opened_and_its_failure_ends_the_run(job: Job) -> None:
    job.hosts["places"] = job.host("external-order", credentials={"token": "wrong"})
    with_builtin(job, region={**REGION, "from": "places.regions"})
    ended = job.run()
    assert ended.code == 6
    assert "lookups.region: places: " in ended.told
    assert ended.counts("orders") == {}
    assert job.stage.count("merchantpro") == 0
    assert anyio.run(exit_code_of, job) == 6
    job.hosts["places"] = job.host("external-order")
    assert job.run().code == 0
    check_places(job)


async def exit_code_of(job: Job) -> int | None:
    """As another program runs it: a host that fails is no exception."""
    async with open_migration(job.write()) as migration:
        return (await migration.run()).exit_code


def test_a_search_that_fails_leaves_its_records_to_the_next_run(job: Job) -> None:
    looking_up(job, ASYNC)
    job.hosts["new"]["give_up_after_s"] = 0.5
    job.stage.add_fault("error-500", api="external-order", kinds=["product"])
    ended = job.run()
    assert ended.code == 5
    assert ended.counts("orders") == {}
    assert "lookups.product, asked for " in ended.told
    job.stage.clear_faults()
    assert job.run().counts("orders") == {"read": 300, "written": 300}


def test_a_run_tells_at_its_start_what_is_still_undecided(job: Job) -> None:
    with_builtin(job, region={"from": {"Bihor": 105}})
    (job.folder / "decisions.toml").write_text('[region]\n"Cluj" = "?"\n"Iași" = "?"\n')
    ended = job.run()
    assert any(note.startswith("decisions.toml: 2 values are undecided (region 2)") for note in ended.notes)


def test_a_slip_in_a_decision_ends_the_run_before_anything_is_written(job: Job) -> None:
    with_builtin(job)
    (job.folder / "decisions.toml").write_text('[region]\n"Nowhere" = "skp"\n')
    ended = job.run()
    assert ended.code == 2
    assert 'did you mean "skip"?' in ended.told
    assert job.stage.written() == 0
