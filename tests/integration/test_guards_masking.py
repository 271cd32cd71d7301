"""A masked migration carries no personal data: not into its ledger, its target, its exports or what it says."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from bulkmove.cli.group import main
from tests.integration.moving import Ended, Job, Stages, invoke

PERSONAL = [
    "customer_email", "customer_ip_address", "*_note", "customer_notification", "internal_notes", "*_name",
    "*_company_*", "*_address", "*_city", "*_state", "*_postal_code", "*_phone", "shipping_awb", "*_url", "invoice",
]  # fmt: skip
# Of every field that the mask means, a value that can't come about by chance: six digits alone do, once in 100 runs.
CUSTOMERS: list[dict[str, Any]] = [
    {
        "date_created": f"2020-01-0{1 + number}T10:00:00+02:00",
        "customer_email": f"qzanabella{number}@qzposta.ro",
        "customer_ip_address": f"177.19{number}.213.244",
        "customer_note": f"Qzlasati la vecinul Qzmarinescu {number}",
        "customer_notification": f"Qzstimate domnule Qzbratianu {number}",
        "internal_notes": [{"id": 1, "text": f"qzsunat la 07457712{number}3"}],
        "billing_name": f"Qzanabella Qzpopescu {number}",
        "billing_company_name": f"Qzfirma SRL {number}",
        "billing_company_vat": f"RO8811772{number}",
        "billing_company_bank_account": f"RO49QZQZ1B3100759384{number}",
        "billing_address": f"Strada Qzprivighetorilor nr. 1{number}",
        "billing_city": "Qzbucurestii Noi",
        "billing_state": "Qzilfov",
        "billing_postal_code": f"QZ07718{number}",
        "billing_phone": f"+40 7457712{number}9",
        "shipping_name": f"Qzvecinul Qzmarinescu {number}",
        "shipping_address": f"Aleea Qzlacramioarelor nr. 2{number}",
        "shipping_city": "Qzslobozia",
        "shipping_state": "Qzialomita",
        "shipping_postal_code": f"QZ92013{number}",
        "shipping_phone": f"07457799{number}1",
        "shipping_awb": f"8844220077{number}",
        "channel_name": f"Qzcanal {number}",
    }
    for number in range(4)
]


def needles(value: Any) -> Iterator[bytes]:
    """A value, its telling words and its digits."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"date_created", "id"}:
                yield from needles(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from needles(inner)
    else:
        text = str(value)
        yield text.encode()
        yield from (word.encode() for word in re.findall(r"\w{5,}", text) if "qz" in word.lower())
        if len(digits := re.sub(r"\D", "", text)) > 6:
            yield digits.encode()


NEEDLES = {needle for row in CUSTOMERS for needle in needles(row)}


def cells(path: Path) -> Iterator[bytes]:
    """All that a ledger holds, unpacked."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        for (table,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in ledger.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  its own names
                for cell in row:
                    if isinstance(cell, bytes):
                        yield cell
                        with suppress(zlib.error):
                            yield zlib.decompress(cell)
                    else:
                        yield str(cell).encode()


def leaks(folder: Path, said: Mapping[str, str], rows: object) -> set[tuple[str, bytes]]:
    """Where a customer's value stands."""
    found = {(name, needle) for name, text in said.items() for needle in NEEDLES if needle in text.encode()}
    found |= {("target", needle) for needle in NEEDLES if needle in orjson.dumps(rows)}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes() + b"\n".join(cells(path) if path.suffix == ".db" else ())
            found |= {(path.name, needle) for needle in NEEDLES if needle in content}
    return found


@pytest.fixture
def masked(sandbox: Stages, tmp_path: Path) -> Job:
    stage = sandbox(orders=12, products=20, seed=4)
    ids = stage.change(list="orders", insert=CUSTOMERS)["inserted"]
    assert len(ids) == len(CUSTOMERS)
    job = Job(tmp_path, stage)
    job.top["mask"] = PERSONAL
    text = "def all(r, c):\n    if str(r['id'])[-1] in '05': raise RejectRecordError(f'odd one: {r}')\n"
    job.with_mapper(
        f"{text}    if str(r['id'])[-1] in '1': raise KeyError(r['billing_name'])\n"
        "    return {'store_id': str(r['id']), 'device_id': 'd', 'data': r}\n"
    )
    job.with_fitting(mapper="mappers.py:all").with_orders()
    return job


def test_no_personal_data_stands_anywhere_after_plan_run_and_export(masked: Job) -> None:
    job = masked
    job.write()
    file, said = str(job.file), dict[str, str]()

    def call(*arguments: str) -> Ended:
        ended = invoke(*arguments)
        said[" ".join(arguments[:1] + arguments[2:])] = ended.told
        return ended

    assert call("plan", file, "--show", "20", "-v").code in {0, 3}
    assert call("plan", file, "--show", "20", "--json").code in {0, 3}
    assert call("run", file, "--dry-run", "-v").code in {0, 3}
    assert call("run", file, "-v", "--limit", "6").code in {0, 3}
    looker = sqlite3.connect(job.ledger)
    looker.execute("BEGIN")
    looker.execute("SELECT * FROM runs").fetchone()  # SQLite keeps its log as long as somebody reads
    assert call("run", file, "-v", "--json").code in {0, 3}
    assert job.stage.rows("robosize-orders")
    assert call("failures", file, "-v").code == 0
    for name in ("all.jsonl", "all.csv"):
        assert call("failures", file, "--export", str(job.folder / name), "--records").code == 0
    assert call("retry", file, "-v", "--remap").code in {0, 3}
    for failure in invoke("failures", file, "--json").lines:
        call("explain", file, failure["route"], failure["source_id"], "-v")
    rows = [job.stage.rows(name) for name in ("external-orders", "robosize-orders")]
    assert job.ledger.with_name(f"{job.ledger.name}-wal").stat().st_size
    found = leaks(job.folder, said, rows)
    looker.close()
    assert found == set()


def test_without_a_mask_the_search_finds_them_everywhere(masked: Job) -> None:
    del masked.top["mask"]
    masked.write()
    said = {"plan": invoke("plan", str(masked.file), "--show", "20").told}
    assert masked.run().code in {0, 3}
    found = {where for where, _ in leaks(masked.folder, said, masked.stage.rows("robosize-orders"))}
    assert found >= {"plan", "target", "job.ledger.db"}


def by_order(job: Job) -> dict[str, dict[str, Any]]:
    return {str(row["store_id"]): row["data"] for row in job.stage.rows("robosize-orders")}


def test_stand_ins_fit_their_fields_and_what_belonged_together_does(masked: Job) -> None:
    text = "def all(r, c): return {'store_id': str(r['id']), 'device_id': 'd', 'data': r}\n"
    job = masked.with_mapper(text)
    del job.routes["orders"]
    assert job.run("--limit", "9").code == 0
    assert job.run().code == 0
    was = {str(row["id"]): row for row in job.stage.rows("orders")}
    orders = by_order(job)
    assert orders.keys() == was.keys()
    names: dict[str, set[str]] = {}
    for order_id, order in orders.items():
        source = was[order_id]
        assert order["total_amount"] == source["total_amount"]
        assert order["date_created"] == source["date_created"]
        if source.get("customer_email"):
            assert order["customer_email"].endswith("@example.invalid")
        names.setdefault(source["billing_name"], set()).add(order["billing_name"])
        if source["billing_name"] == source["shipping_name"]:
            assert order["billing_name"] == order["shipping_name"]
        assert len(order["line_items"]) == len(source["line_items"])
    assert all(len(found) == 1 for found in names.values())
    assert names.keys().isdisjoint({name for found in names.values() for name in found})


def test_plan_and_map_show_what_the_run_then_writes_and_read_shows_the_host(masked: Job) -> None:
    job = masked.with_mapper(
        "def all(r, c): return {'store_id': str(r['id']), 'device_id': 'd', 'data': r}\n"
    )
    del job.routes["orders"]
    assert job.run("--limit", "3").code == 0
    (source_id, stored), *_ = by_order(job).items()
    name = stored["billing_name"]
    row = next(row for row in job.stage.rows("orders") if str(row["id"]) == source_id)
    plan = invoke("plan", str(job.file), "--show", "16")
    assert name in plan.stdout
    assert row["billing_name"] not in plan.stdout
    mapped = CliRunner().invoke(
        main,
        ["map", str(job.file), "fitting"],
        input=orjson.dumps({"id": 1, "billing_name": row["billing_name"]}),
    )
    assert orjson.loads(mapped.stdout)["data"]["billing_name"] == name
    assert row["billing_name"] in invoke("read", str(job.file), "old.orders").stdout


def test_a_masked_ledger_does_not_go_on_unmasked_nor_the_other_way_round(masked: Job) -> None:
    job = masked
    assert job.run("--limit", "3").code in {0, 3}
    del job.top["mask"]
    for arguments in ((), ("--accept-changes",)):
        ended = job.run(*arguments)
        assert ended.code == 2
        assert "mask has changed since this ledger was begun" in ended.stderr
        assert "--ledger" in ended.stderr
    ended = job.run("--ledger", str(job.folder / "clear.db"), "--limit", "2")
    assert ended.code in {0, 3}
    job.top["mask"] = PERSONAL
    assert job.run("--ledger", str(job.folder / "clear.db")).code == 2
    job.top["mask"] = list(reversed(PERSONAL))
    assert job.run().code in {0, 3}, "their order is of no matter"


def test_a_pattern_that_matched_nothing_is_named_with_the_nearest(masked: Job) -> None:
    masked.top["mask"] = ["custmer_email", "billing_phone"]
    del masked.routes["orders"]
    for command, arguments in (("plan", ()), ("run", ("--limit", "4")), ("run", ())):
        ended = masked.run(*arguments, command=command)
        (note,) = [note for note in ended.notes if note.startswith("mask: ")]
        assert note.startswith("mask: 'custmer_email' matched no field of the records that were read")
        assert note.endswith("did you mean 'customer_email'?")


@pytest.mark.parametrize("pattern", ["*", "id", "i*"])
def test_an_id_is_not_masked(masked: Job, pattern: str) -> None:
    masked.top["mask"] = [pattern]
    ended = masked.run()
    assert ended.code == 2
    assert f"mask: {pattern!r} means id, by which records of old.orders are known" in ended.stderr
    assert masked.stage.total() == 0


def test_what_the_natural_key_is_made_of_is_not_masked(masked: Job) -> None:
    masked.routes.clear()
    masked.with_fitting()
    fields = {"store_id": "customer_email", "device_id": "id", "data": {"fields": {"id": "id"}}}
    masked.routes["fitting"] = {"source": "old.orders", "target": "sizing.orders", "fields": fields}
    ended = masked.run()
    assert ended.code == 2
    assert "'customer_email' means customer_email, of which route fitting makes store_id" in ended.stderr


def test_rows_that_are_made_of_others_are_masked_too(masked: Job) -> None:
    masked.routes.clear()
    masked.top["mask"] = ["name"]
    masked.with_mapper("def whole(r, c): return {'store_id': str(r['id']), 'device_id': 'd', 'data': r}\n")
    masked.routes["fitting"] = {
        "source": "old.ordered-products", "target": "sizing.orders", "mapper": "mappers.py:whole", "natural_key": "store_id"
    }  # fmt: skip
    ended = masked.run()
    names = {row["data"].get("name") for row in masked.stage.rows("robosize-orders")}
    assert ended.counts("fitting")["written"] == len(masked.stage.rows("robosize-orders")) > 0
    read = {
        row["name"]
        for row in invoke("read", str(masked.file), "old.ordered-products", "--json").lines
        if "name" in row
    }
    assert names.isdisjoint(read)
