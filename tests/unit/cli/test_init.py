"""`bulkmove init`."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bulkmove import RejectRecordError
from bulkmove.cli import main
from bulkmove.config import load_migration, warnings_of
from bulkmove.errors import ConfigError
from bulkmove.mapping.resolve import resolve_mapper


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
