"""The sample that is configuration alone: it runs as its README says, and every order is what the mapping says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import orjson
import pytest

from bulkmove.mapping.builtin.order_status import status_table
from bulkmove.sandbox.places import make_places
from bulkmove.sandbox.process import SandboxHandle, SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.world import World, make_world

SAMPLE = Path(__file__).parents[2] / "samples" / "without-code"
SETTINGS = SandboxSettings(orders=500, strict_references=True)
Row = dict[str, Any]

# What answers.toml says.
DECIDED_REGIONS: dict[str, str] = {"Cluj-Napoca": "Cluj"}
DECIDED_SETTLEMENTS: dict[str, str] = {"Sânmartin": "Bihor", "Valea lui Stefan cel Mare": "Valea lui Ștefan"}
LEFT_OUT_PROMO = "VARA2019"
SKIPPED_CODE = "AMB-01"


def text_of(name: str) -> str:
    return (SAMPLE / name).read_text(encoding="utf-8")


def steps() -> list[str]:
    """The commands of the README, one a line."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text_of("README.md"), flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def tables() -> Iterator[list[list[str]]]:
    """The rows of each table of the README, without its head."""
    for block in re.findall(r"(?:^\|.*\n)+", text_of("README.md"), flags=re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        yield [rows[0], *rows[2:]]


def table(*head: str) -> list[list[str]]:
    return next(rows[1:] for rows in tables() if tuple(rows[0][: len(head)]) == head)


@dataclass(frozen=True)
class Done:
    """What the README's commands came to, one after the other, and what stands in the sandbox after them."""

    results: Mapping[str, list[subprocess.CompletedProcess[bytes]]]
    decisions: str
    orders: list[Row]
    written: list[Row]
    stats: Mapping[str, Any]

    def lines(self, command: str, number: int = 0) -> list[Row]:
        return [orjson.loads(line) for line in self.results[command][number].stdout.splitlines()]


def environment(sandbox: SandboxHandle) -> dict[str, str]:
    exported = [part for line in steps() if line.startswith("export ") for part in shlex.split(line)[1:]]
    values = dict(part.split("=", 1) for part in exported)
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **values, "SHOP_URL": sandbox.url, "PATH": scripts}


async def spoil(sandbox: SandboxHandle, line: str) -> None:
    """What the README's curl does, by the very body that it sends."""
    body = shlex.split(line)[-1]
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(f"{sandbox.url}/_sandbox/source", data=body) as answer,
    ):
        assert (await answer.json())["updated"] == 6


async def follow(folder: Path) -> Done:
    """Do all that the README says, in its order, with `--json` where a command takes it."""
    results: dict[str, list[subprocess.CompletedProcess[bytes]]] = {}
    decisions = ""
    async with sandbox_process(SETTINGS) as sandbox, SandboxRecord(sandbox.url) as record:
        for line in steps():
            if line.startswith(("bulkmove sandbox", "export ")):
                continue
            if line.startswith("curl "):
                await spoil(sandbox, line)
                continue
            if line.startswith("cp "):
                decisions = (folder / "decisions.toml").read_text(encoding="utf-8")
            command = f"{line} --json" if line.startswith("bulkmove ") else line
            done = await anyio.run_process(
                ["sh", "-c", command],
                cwd=folder,
                env=environment(sandbox),
                check=False,
                stdin=subprocess.DEVNULL,
            )
            results.setdefault(line, []).append(done)
        orders, written = await record.rows("orders"), await record.rows("external-orders")
        return Done(results, decisions, orders, written, await record.stats())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("without-code") / "sample"
    shutil.copytree(SAMPLE, folder)
    return anyio.run(follow, folder)


# The commands.


def test_there_is_no_code_in_the_sample() -> None:
    made = ("without-code.ledger", "decisions.toml", ".")  # by whoever runs it where it stands
    names = {path.name for path in SAMPLE.iterdir() if not path.name.startswith(made)}
    assert names == {"README.md", "migration.toml", "answers.toml"}
    assert "mapper" not in re.sub(r"#.*", "", text_of("migration.toml"))


def test_the_readme_starts_the_sandbox_that_the_tests_do() -> None:
    [line] = [line for line in steps() if line.startswith("bulkmove sandbox ")]
    assert shlex.split(line)[2:] == ["--port", "8765", *SETTINGS.arguments()]


def test_every_command_ends_as_the_readme_says(done: Done) -> None:
    codes = {line: [each.returncode for each in results] for line, results in done.results.items()}
    assert codes == {
        "bulkmove config validate": [0],
        "bulkmove doctor": [0],
        "bulkmove plan": [3, 0],
        "cp answers.toml decisions.toml": [0],
        "bulkmove plan --show 1 --sample 1": [0],
        "bulkmove run": [0],
    }


def test_the_run_counts_as_the_readme_promises(done: Done) -> None:
    [[route, *numbers, _]] = table("route", "read")
    nothing = {"unchanged": 0, "unknown": 0, "pending": 0}
    promised = dict(zip(("read", "written", "skipped", "rejected"), map(int, numbers), strict=True))
    assert done.lines("bulkmove run")[-1]["routes"] == {route: {**nothing, **promised}}


def test_what_does_not_resolve_is_listed_before_anything_is_written(done: Done) -> None:
    told = {
        (look_up, value): (int(records), near) for look_up, value, records, near in table("look-up", "value")
    }
    found = {
        (line["lookup"], line["value"]): line
        for line in done.lines("bulkmove plan")
        if line["type"] == "unresolved"
    }
    assert {key: line["records"] for key, line in found.items()} == {key: n for key, (n, _) in told.items()}
    for key, (_, near) in told.items():
        candidates = [candidate["key"] for candidate in found[key]["candidates"]]
        assert candidates[:1] == ([near] if near else []), key
    for _, value in told:
        assert f'"{value}" = "?"  # ' in done.decisions


def test_each_order_was_written_once_with_fields_that_the_target_knows(done: Done) -> None:
    assert {row["_writes"] for row in done.written} == {1}
    assert {tuple(row["_ignored"]) for row in done.written} == {()}
    assert done.stats["external-order"]["creates"] == len(done.written) == 495


# The orders, field by field.


def plain(text: str) -> str:
    """Without diacritics, in small letters."""
    parts = unicodedata.normalize("NFD", text.casefold())
    return "".join(sign for sign in parts if not unicodedata.combining(sign))


def decided(text: str, decisions: Mapping[str, str]) -> str:
    """The new shop's name for a place, in its plain form."""
    return plain(decisions.get(text, text))


class Shop:
    """What the new shop holds, and what an old order has to become there; nothing of it is read from the sample."""

    def __init__(self, world: World) -> None:
        places = make_places()
        self.regions = {plain(row["name"]): row["id"] for row in places.regions}
        self.localities = {(row["region_id"], plain(row["name"])): row["id"] for row in places.localities}
        self.promo_codes = {row["code"]: row["id"] for row in places.promo_codes}
        self.products = {product.name: product.new_id for product in world.catalogue.products}
        self.statuses = status_table({})[0]

    def order(self, old: Row) -> Row | None:
        if old["payment_status"] == "temporary" or old["line_items"][0]["product_sku"] == SKIPPED_CODE:
            return None
        state, city = old["shipping_state"], old["shipping_city"]
        region = self.regions[decided(state, DECIDED_REGIONS)]
        coupon = old["coupon_code"]
        return {
            "rrn": f"mp-{old['id']}",
            "shop": 2,
            "promo_code": self.promo_codes[coupon] if coupon not in {None, LEFT_OUT_PROMO} else None,
            "address": {
                "address_ru": old["shipping_address"] or None,
                "zip_code": old["shipping_postal_code"] or None,
                "region_id": region,
                "locality_id": self.localities[region, decided(city, DECIDED_SETTLEMENTS)],
                "sector": None,
            },
            "order_items": [
                {
                    "product": self.products[line["product_name"]],
                    "quantity": line["quantity"],
                    "loyalty_price": line["unit_price_gross"],
                    "order_status": self.status(old),
                }
                for line in old["line_items"]
            ],
        }

    def status(self, old: Row) -> str:
        both = (old["shipping_status"], old["payment_status"].replace("cancelled", "canceled"))
        return self.statuses[both]


def written_form(row: Row) -> Row:
    """A stored order without what the target itself gives it."""
    given = {"order_id", "address_id", "created_at", "_writes", "_created_at", "_ignored"}
    return {
        **{name: value for name, value in row.items() if name not in given},
        "address": {name: value for name, value in row["address"].items() if name not in given},
        "order_items": [
            {name: value for name, value in item.items() if name != "order_id"} for item in row["order_items"]
        ],
    }


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(make_world(SETTINGS, now=lambda: 0.0))


def test_every_order_is_there_and_every_field_is_what_the_mapping_says(done: Done, shop: Shop) -> None:
    wanted = {body["rrn"]: body for old in done.orders if (body := shop.order(old)) is not None}
    found = {row["rrn"]: written_form(row) for row in done.written}
    assert len(done.written) == len(found)
    assert found.keys() == wanted.keys()
    for rrn, body in wanted.items():
        assert found[rrn] == body, rrn


def test_the_orders_show_what_the_readme_tells_of_their_texts(done: Done, shop: Shop) -> None:
    """Spelled as the new shop does, found all the same, decided by a person."""
    counts: dict[str, Counter[int]] = {name: Counter() for name in ("state", "city", "coupon", "line")}
    places = make_places()
    exact = {row["name"] for row in places.regions}
    exact_cities = {(row["region_id"], row["name"]) for row in places.localities}
    for old in done.orders:
        state, city, coupon = old["shipping_state"], old["shipping_city"], old["coupon_code"]
        region = shop.regions[decided(state, DECIDED_REGIONS)]
        counts["state"][2 if state in DECIDED_REGIONS else int(state not in exact)] += 1
        counts["city"][2 if city in DECIDED_SETTLEMENTS else int((region, city) not in exact_cities)] += 1
        if coupon is not None:
            counts["coupon"][2 if coupon == LEFT_OUT_PROMO else int(coupon not in shop.promo_codes)] += 1
        for line in old["line_items"]:
            code = line["product_sku"]
            counts["line"][2 if code == SKIPPED_CODE else int(code is None)] += 1
    told = [[int(cell) for cell in cells] for _, _, *cells in table("text", "in")]
    assert told == [[count[place] for place in range(3)] for count in counts.values()]
