"""`bulkmove init`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bulkmove import RejectRecordError
from bulkmove.cli.group import main
from bulkmove.config import load_migration, warnings_of
from bulkmove.errors import ConfigError
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.order_status import status_table
from bulkmove.mapping.builtin.relink import relink_product
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.resolve import resolve_mapper
from bulkmove.model import JsonObject
from bulkmove.pipeline.plan import RoutePlan, plan_migration
from bulkmove.protocols import MapContext
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.world import World, make_world
from bulkmove.settings import MigrationSettings


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def variables(migration: Path) -> dict[str, str]:
    """Those that the head of the file tells to set."""
    names = re.findall(r"^#   export (\w+)=", migration.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: f"secret-of-{name}" for name in names}


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ((), "migration.toml"),
        (("shop/new",), "shop/new/migration.toml"),
        (("shop/cutover.toml",), "shop/cutover.toml"),
    ],
)
def test_init_writes_a_migration_and_a_mapper_beside_it(arguments: tuple[str, ...], written: str) -> None:
    result = init(*arguments)
    mappers = str(Path(written).with_name("mappers.py"))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [written, mappers]
    assert Path(written).is_file()
    assert Path(mappers).is_file()


def test_what_init_writes_is_right_once_its_variables_are_set(directory: Path) -> None:
    init()
    path = directory / "migration.toml"
    settings = load_migration(path, environ=variables(path))
    assert set(settings.routes) == {"orders", "products"}
    assert settings.routes["products"].is_self_route
    assert warnings_of(settings) == ()


def test_without_the_variables_each_one_is_named(directory: Path) -> None:
    init()
    path = directory / "migration.toml"
    with pytest.raises(ConfigError) as raised:
        load_migration(path, environ={})
    for name in variables(path):
        assert f"the environment variable {name} is not set" in str(raised.value)


def test_the_lines_that_are_commented_out_are_right_too(directory: Path) -> None:
    """Whoever takes the # away gets a file that loads."""
    init()
    path = directory / "migration.toml"
    text, count = re.subn(
        r"^# (?=(rate|concurrency|timeout_s|where|rrn_prefix|products) = )",
        "",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert count == 6
    path.write_text(text, encoding="utf-8")
    settings = load_migration(path, environ=variables(path))
    assert settings.routes["orders"].options["products"] == "products.csv"


def test_the_written_mapper_maps_skips_and_rejects(directory: Path) -> None:
    init()
    mapper: Any = resolve_mapper("mappers.py:without_tests", directory).function
    context = SimpleNamespace(options={"shop": 2}, lookup=lambda _, key: {"7": "70"}.get(str(key)))
    line = {"product_id": "7", "quantity": 3}
    assert mapper({"id": "9", "line_items": [line]}, context) == {
        "rrn": "9", "shop": 2, "order_items": [{"product": 70, "quantity": 3}]
    }  # fmt: skip
    assert mapper({"id": "9", "customer_email": "a@example.com"}, context) is None
    with pytest.raises(RejectRecordError, match="product 8 is not in the new shop"):
        mapper({"id": "9", "line_items": [{"product_id": "8", "quantity": 1}]}, context)


def test_the_built_in_mappers_that_init_names_are_there(directory: Path) -> None:
    init()
    path = directory / "migration.toml"
    for route in load_migration(path, environ=variables(path)).routes.values():
        assert resolve_mapper(route.mapper, directory).name == route.mapper


@pytest.mark.parametrize("present", ["migration.toml", "mappers.py"])
def test_nothing_is_overwritten_without_force(directory: Path, present: str) -> None:
    (directory / present).write_text("mine")
    result = init()
    assert result.exit_code == 2
    assert f"{present}: there already; --force overwrites" in result.stderr
    assert (directory / present).read_text() == "mine"
    assert [path.name for path in directory.iterdir()] == [present], "neither file is written"


def test_force_overwrites_both(directory: Path) -> None:
    for name in ("migration.toml", "mappers.py"):
        (directory / name).write_text("mine")
    assert init("--force").exit_code == 0
    assert (directory / "migration.toml").read_text() != "mine"
    assert (directory / "mappers.py").read_text() != "mine"


def test_a_place_that_cannot_be_written_is_an_error_of_its_own(directory: Path) -> None:
    (directory / "file").write_text("")
    result = init("file/below")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: can't write file/below")


def test_the_next_steps_name_the_file_that_was_written() -> None:
    assert "bulkmove config validate shop/cutover.toml" in init("shop/cutover.toml").stderr
    assert "bulkmove config validate\n" in init().stderr


PAIRS = (("merchantpro", "external-order"), ("merchantpro", "robosize"), ("robosize", "robosize"))


def init_between(source: str, target: str) -> MigrationSettings:
    """What init writes for the pair, loaded."""
    result = init("--force", "--from", source, "--to", target)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "migration.toml\n"
    path = Path("migration.toml")
    Path("ids.csv").write_text("old,new\n1001,2001\n1002,2002\n")
    return load_migration(path, environ=variables(path))


def planned(source: str, target: str, route: str) -> RoutePlan:
    return plan_migration(init_between(source, target)).routes[route]


def context(options: Mapping[str, Any] | None = None, **tables: Mapping[str, str]) -> MapContext:
    return RouteContext(route="orders", options=options or {}, tables=tables, ids_of=lambda *_: ())


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(SandboxSettings(orders=300, products=60), now=lambda: 1.7e9)


def orders(world: World) -> list[JsonObject]:
    return [dict(world.orders.order(row)) for row in world.orders.rows_by_date(0, 300)]


@pytest.mark.parametrize("pair", PAIRS)
def test_between_two_apis_a_migration_without_code_is_written(directory: Path, pair: tuple[str, str]) -> None:
    settings = init_between(*pair)
    assert [path.name for path in directory.iterdir() if path.suffix == ".py"] == []
    assert all(route.fields for route in settings.routes.values())
    assert warnings_of(settings) == ()
    plan_migration(settings)


def test_the_written_table_makes_the_bodies_of_the_built_in_mapper(world: World) -> None:
    mapper: Any = planned("merchantpro", "external-order", "orders").mapper.function
    compared = 0
    for order in orders(world):
        body = mapper(order, context())
        assert body == order_to_external_order(order, context({"shop": 2})), order["id"]
        compared += "address" in body and len(body["order_items"]) > 1
    assert compared > 20


def test_the_written_table_knows_every_status_that_the_built_in_mapper_knows(world: World) -> None:
    mapper: Any = planned("merchantpro", "external-order", "orders").mapper.function
    known, _ = status_table({})
    names = {name for pair in known for name in pair} | {"lost", None, ""}
    order = orders(world)[0]
    for shipping, payment in product(names, names):
        changed = {**order, "shipping_status": shipping, "payment_status": payment}
        if (shipping, payment) in known:
            assert mapper(changed, context())["order_items"][0]["order_status"] == known[shipping, payment]
        else:
            with pytest.raises(RejectRecordError, match=r"order_items\[0\].order_status: "):
                mapper(changed, context())


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"line_items": []}, {"line_items": None}, {"line_items": [{"product_id": "A", "quantity": 1}]},
     {"line_items": [{"product_id": 1, "quantity": 1.5}]}, {"line_items": ["x"]}],
)  # fmt: skip
def test_both_reject_the_same_orders(world: World, change: JsonObject) -> None:
    mapper: Any = planned("merchantpro", "external-order", "orders").mapper.function
    order = {**orders(world)[0], **change}
    with pytest.raises(RejectRecordError):
        order_to_external_order(order, context({"shop": 2}))
    with pytest.raises(RejectRecordError):
        mapper(order, context())


def test_the_written_orders_for_the_sizing_service_are_those_of_the_built_in_mapper(world: World) -> None:
    mapper: Any = planned("merchantpro", "robosize", "orders").mapper.function
    made = orders(world)
    guests = [
        {**made[0], "customer_id": 0, "customer_email": "Ana@Exemplu.ro"},
        {**made[1], "customer_id": "0", "customer_email": None},
        {key: value for key, value in made[2].items() if not key.startswith("customer_")},
    ]
    for order in (*made, *guests):
        assert mapper(order, context()) == order_to_robosize_order(order, context()), order["id"]


def test_the_written_products_are_relinked_as_by_the_built_in_mapper() -> None:
    plan = planned("robosize", "robosize", "products")
    table = {"1001": "2001", "1002": "2002"}
    mapper: Any = plan.mapper.function
    asked = SimpleNamespace(lookup=lambda name, key: table.get(str(key)) if name == "new_id" else None)
    by_hand = context({"ids": "ids.csv"}, ids=table)
    for store_id in ("1001", 1002, "1003", "", None):
        product_ = {"id": "5", "store_id": store_id, "name": "x"}
        assert mapper(product_, asked) == relink_product(product_, by_hand), store_id


def test_the_source_is_asked_for_the_fields_that_the_table_reads_alone() -> None:
    assert planned("merchantpro", "external-order", "orders").settings.fields_used == (
        "id", "line_items", "payment_status", "shipping_address", "shipping_postal_code", "shipping_status",
    )  # fmt: skip
    assert planned("robosize", "robosize", "products").settings.fields_used is None, "it can't be asked so"


def uncommented(pair: tuple[str, str]) -> str:
    """The written text, each setting that is commented out in the place of the one that it stands for."""
    init("--force", "--from", pair[0], "--to", pair[1])
    lines: list[str] = []
    keys: set[str] = set()
    for line in Path("migration.toml").read_text(encoding="utf-8").splitlines():
        shown = re.sub(r"^# (?=\[lookups|[a-z_]+ = )", "", line)
        if shown.startswith("["):
            keys = set()
        key = shown.partition(" = ")[0] if re.match(r"[a-z_]+ = ", shown) else ""
        if key in keys:
            lines = [each for each in lines if not each.startswith(f"{key} = ")]
        keys |= {key} - {""}
        lines.append(shown)
    return "\n".join(lines)


@pytest.mark.parametrize("pair", PAIRS)
def test_what_is_commented_out_there_is_right_too(directory: Path, pair: tuple[str, str]) -> None:
    text = uncommented(pair)
    (directory / "ids.csv").write_text("old,new\n1,2\n")
    path = directory / "migration.toml"
    environ = variables(path)
    path.write_text(text, encoding="utf-8")
    settings = load_migration(path, environ=environ)
    plan_migration(settings)
    if pair == PAIRS[0]:
        assert set(settings.lookups) == {
            "product_by_code",
            "product_by_barcode",
            "promo_code",
            "region",
            "locality",
        }
        fields: Any = settings.routes["orders"].fields
        assert fields["address"]["fields"]["locality_id"]["within"]["lookup"] == "region"
        assert fields["order_items"]["fields"]["quantity"]["scale"] == 1000
        assert settings.routes["orders"].skip_when


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "merchantpr", "--to", "robosize"), '--from merchantpr: must be merchantpro or robosize; did you mean "merchantpro"?'),
        (("--from", "merchantpro", "--to", "external"), '--to external: must be external-order or robosize; did you mean "external-order"?'),
        (("--from", "merchantpro"), "--to is missing; name the API, external-order or robosize"),
        (("--to", "robosize"), "--from is missing; name the API, merchantpro or robosize"),
        (("--from", "robosize", "--to", "external-order"), "there is no mapping to start from; there are --from merchantpro"),
    ],
)  # fmt: skip
def test_apis_that_there_is_no_mapping_between_are_told(
    directory: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = init(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert list(directory.iterdir()) == []
