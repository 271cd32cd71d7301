"""Routes that map by a `[routes.X.fields]` table, from the old shop to its targets."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import pytest

from tests.integration.moving import Job, by, invoke

PRODUCT = {"path": "product_id", "lookup": "product", "as": "integer", "required": True}


def starter(name: str) -> dict[str, Any]:
    """The route that `bulkmove init --from … --to …` writes."""
    text = files("bulkmove.config").joinpath("starter", f"{name}.toml").read_text(encoding="utf-8")
    return next(iter(tomllib.loads(text)["routes"].values()))


def with_table(job: Job, **changes: Any) -> Job:
    """Orders by the written table, their products by the sandbox's own list of numbers."""
    job.write_ids()
    job.top["lookups"] = {"product": {"from": "ids.csv", "key": "old", "value": "new"}}
    route = starter("merchantpro-to-external-order")
    route["fields"]["order_items"]["fields"]["product"] = PRODUCT
    job.routes["orders"] = {**route, **changes}
    return job


def fields_of(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = job.routes["orders"]["fields"]
    return found


def test_every_order_arrives_as_by_the_hand_written_mapper(job: Job) -> None:
    ended = with_table(job).run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 300}
    job.check_all_equal()


def test_a_record_that_does_not_fit_costs_itself_and_says_which_field(job: Job) -> None:
    with_table(job)
    status = fields_of(job)["order_items"]["fields"]["order_status"]
    status["table"] = {key: value for key, value in status["table"].items() if not key.endswith("/paid")}
    paid = {order["id"]: order for order in job.stage.orders if order["payment_status"] == "paid"}
    assert 0 < len(paid) < 300
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 300 - len(paid), "rejected": len(paid)}
    failures = job.failures()
    assert {source_id for _, source_id in failures} == {str(order_id) for order_id in paid}
    for (_, source_id), (outcome, cause, message) in failures.items():
        order = next(each for each in paid.values() if str(each["id"]) == source_id)
        assert (outcome, cause) == ("rejected", "no-table-entry")
        assert message.startswith(
            f"order_items[0].order_status: '{order['shipping_status']}/paid' is not in its table"
        )


def test_records_are_skipped_on_a_condition(job: Job) -> None:
    with_table(job, skip_when="payment_status != 'paid'")
    paid = {str(order["id"]) for order in job.stage.orders if order["payment_status"] == "paid"}
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 300, "written": len(paid), "skipped": 300 - len(paid)}
    assert set(by(job.stage.rows("external-orders"), "rrn")) == paid


def fitting(job: Job, data: dict[str, Any], **keys: Any) -> Job:
    route = starter("merchantpro-to-robosize")
    job.routes["fitting"] = {**route, "fields": {**route["fields"], "data": data}, **keys}
    return job


def test_the_fields_that_the_table_reads_are_asked_for(job: Job) -> None:
    """The source sends tags only to those who ask for them."""
    job = fitting(job, {"fields": {"tags": {"each": "tags", "item": "name"}, "id": "id"}})
    assert job.run().code == 0
    tags = {row["store_id"]: row["data"].get("tags", []) for row in job.stage.rows("robosize-orders")}
    assert tags == {str(o["id"]): [tag["name"] for tag in o["tags"] or ()] for o in job.stage.orders}
    assert any(tags.values())


def test_a_table_that_reads_the_record_as_a_whole_gets_all_of_it(job: Job) -> None:
    job = fitting(job, {"fields": {"count": "length(keys(@))"}})
    assert job.run().code == 0
    counts = by(job.stage.rows("robosize-orders"), "store_id")
    for order in job.stage.orders:
        assert counts[str(order["id"])]["data"]["count"] == len(order.keys() - {"_writes"})


def test_what_the_user_says_of_the_source_goes_before_what_the_table_reads(job: Job) -> None:
    job = fitting(job, {"pick": ["currency", "total_amount"]}, fields_used=["id", "customer_id", "currency"])
    assert job.run().code == 0
    assert all(row["data"].keys() == {"currency"} for row in job.stage.rows("robosize-orders"))


def test_amounts_and_dates_arrive_in_the_form_that_is_stated(job: Job) -> None:
    job = fitting(
        job,
        {
            "fields": {
                "total": {"path": "total_amount", "as": "number", "decimals": 3},
                "bani": {"path": "total_amount", "as": "integer", "scale": 100},
                "day": {
                    "path": "date_created",
                    "as": "date",
                    "zone": "Europe/Bucharest",
                    "format": "%d.%m.%Y",
                },
                "lines": {"each": "line_items", "where": "quantity > `1`", "item": "product_sku"},
            }
        },
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    rows = by(job.stage.rows("robosize-orders"), "store_id")
    for order in job.stage.orders:
        data = rows[str(order["id"])]["data"]
        assert data["bani"] == round(order["total_amount"] * 100)
        assert data["total"] == order["total_amount"]
        year, month, day = order["date_created"][:10].split("-")
        assert data["day"] == f"{day}.{month}.{year}"
        several = [line["product_sku"] for line in order["line_items"] if line["quantity"] > 1]
        assert data.get("lines", []) == [sku for sku in several if sku]


def test_a_table_that_can_not_be_compiled_ends_before_anything_is_asked(job: Job) -> None:
    with_table(job)
    fields_of(job)["order_items"]["fields"]["product"] = {**PRODUCT, "lookup": "prodcut"}
    before = job.stage.total()
    ended = job.run()
    assert ended.code == 2
    told = f"{job.file}: routes.orders.fields.order_items.fields.product.lookup: must name a look-up: one of product"
    assert told in ended.stderr
    assert 'did you mean "product"?' in ended.stderr
    assert job.stage.total() == before


@pytest.mark.parametrize("arguments", [(), ("--accept-changes",)])
def test_a_changed_table_is_another_migration_until_that_is_accepted(
    job: Job, arguments: tuple[str, ...]
) -> None:
    assert with_table(job).run("--limit", "100").code == 0
    fields_of(job)["shop"] = {"value": 3}
    ended = job.run(*arguments)
    assert ended.code == (0 if arguments else 2), ended.told
    if not arguments:
        assert "was begun: fields; put it back" in ended.stderr
    shops = [row["shop"] for row in job.stage.rows("external-orders")]
    assert (shops.count(2), shops.count(3)) == ((100, 200) if arguments else (100, 0))


def test_a_dry_run_tells_that_the_run_would_be_refused(job: Job) -> None:
    assert with_table(job).run("--limit", "100").code == 0
    assert not any("refused" in note for note in job.run("--dry-run").notes)
    fields_of(job)["shop"] = {"value": 3}
    dry = job.run("--dry-run")
    assert dry.code == 0, dry.told
    assert any("would be refused: route orders has changed" in note for note in dry.notes)
    assert not any("refused" in note for note in job.run("--dry-run", "--accept-changes").notes)


def test_a_misspelt_path_is_told_by_the_plan_and_by_config_validate(job: Job) -> None:
    with_table(job)
    fields_of(job)["address"]["fields"]["address_ru"] = {"path": "shiping_address"}
    planned = job.run(command="plan")
    assert planned.code == 0, planned.told
    (empty,) = [line for line in planned.lines if line["type"] == "empty"]
    assert (empty["field"], empty["paths"], empty["records"]) == (
        "address.address_ru",
        ["shiping_address"],
        300,
    )
    said = "reads shiping_address, which is no documented field of orders; did you mean 'shipping_address'?"
    assert any(said in note for note in planned.notes)
    (unread,) = [line for line in planned.lines if line["type"] == "unread"]
    assert "shipping_address" in unread["fields"]
    assert "shipping_city" in unread["fields"] or "shipping_city" not in str(fields_of(job))
    assert said in invoke("config", "validate", str(job.file)).stderr


def test_progress_of_a_plan_and_of_a_dry_run_claims_no_write(job: Job) -> None:
    with_table(job).write()
    for command in (["plan"], ["run", "--dry-run"]):
        ended = invoke(*command, str(job.file))
        assert "300 to write, 0 failed" in ended.stderr
        assert "300 written" not in ended.stderr
    assert "300 written, 0 failed" in invoke("run", str(job.file)).stderr
