"""`bulkmove config`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bulkmove.cli.group import main

TEXT = """
name = "x"

[hosts.one]
api = "robosize"
url = "https://api.robosize.com"
credentials = { api_key = "${ROBOSIZE_KEY}" }

[routes.products]
source = "one.products"
target = "one.products"
mapper = "mappers.py:keep"
"""


@pytest.fixture(autouse=True)
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBOSIZE_KEY", "hunter2-key")
    (tmp_path / "mappers.py").write_text("def keep(record, context): return record\n")
    path = tmp_path / "migration.toml"
    path.write_text(TEXT)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


@pytest.mark.parametrize("arguments", [("show",), ("show", "migration.toml")])
def test_show_prints_the_resolved_configuration_without_secrets(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert tomllib.loads(result.stdout)["hosts"]["one"]["credentials"] == {"api_key": "***"}
    assert "concurrency = 16  # default" in result.stdout
    assert "hunter2" not in result.output


def test_show_json_is_one_object_on_a_line() -> None:
    result = run("show", "--json")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    shown = json.loads(line)
    assert shown["type"] == "config"
    assert shown["hosts"]["one"]["credentials"] == {"api_key": "***"}
    assert "hunter2" not in result.output


def test_json_can_be_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKMOVE_JSON", "1")
    assert json.loads(run("show").stdout)["name"] == "x"


def test_schema_prints_json_schema() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["properties"].keys() >= {"name", "hosts", "routes"}


def test_validate_accepts_a_right_file() -> None:
    result = run("validate")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "migration.toml: OK: hosts one; routes products\n"


def test_warnings_go_to_stderr_and_cost_nothing(migration: Path) -> None:
    migration.write_text(TEXT.replace('"${ROBOSIZE_KEY}"', '"hunter2"'))
    result = run("validate")
    assert result.exit_code == 0
    assert "OK" in result.stdout
    assert result.stderr.startswith("warning: hosts.one.credentials.api_key: ")
    assert "hunter2" not in result.output


def test_validate_names_what_is_wrong_and_ends_with_2(migration: Path) -> None:
    migration.write_text(TEXT.replace("url", "ulr"))
    result = run("validate")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "error: migration.toml: hosts.one.url: is missing",
        'migration.toml: hosts.one.ulr: unknown key; did you mean "url"?',
    ]


def test_validate_looks_at_every_mapper(migration: Path) -> None:
    again = (
        TEXT[TEXT.index("[routes.products]") :]
        .replace("routes.products", "routes.again")
        .replace(":keep", ":three")
    )
    migration.write_text(TEXT.replace(":keep", ":kep") + again)
    result = run("validate")
    assert result.exit_code == 2
    assert "routes.products.mapper: mapper 'mappers.py:kep': there is no kep in it" in result.stderr
    assert "routes.again.mapper: mapper 'mappers.py:three': there is no three in it" in result.stderr


def test_validate_asks_a_mapper_about_its_options(migration: Path) -> None:
    migration.write_text(
        TEXT.replace("mappers.py:keep", "robosize-relink") + 'options = { missing = "rejct" }\n'
    )
    result = run("validate")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: migration.toml: routes.products: options.")


def test_validate_warns_of_a_table_that_cannot_be_read_yet(migration: Path, tmp_path: Path) -> None:
    migration.write_text(
        TEXT.replace("mappers.py:keep", "robosize-relink") + 'options = { ids = "ids.csv" }\n'
    )
    result = run("validate")
    assert result.exit_code == 0
    assert (
        f"warning: routes.products.options.ids: {tmp_path / 'ids.csv'}: the table can't be read"
        in result.stderr
    )
    (tmp_path / "ids.csv").write_text("old,new\n1,2\n")
    assert run("validate").stderr == ""


def test_validate_json_tells_errors_and_warnings(migration: Path) -> None:
    assert json.loads(run("validate", "--json").stdout) == {
        "type": "validation", "file": "migration.toml", "ok": True, "errors": [], "warnings": []
    }  # fmt: skip
    migration.write_text(TEXT.replace("robosize.com", "robosize.com?api_key=hunter2"))
    result = run("validate", "--json")
    verdict = json.loads(result.stdout)
    assert result.exit_code == 2
    assert not verdict["ok"]
    assert verdict["errors"][0].startswith("migration.toml: hosts.one.url: must not hold a ?query")
    assert "hunter2" not in result.output


@pytest.mark.parametrize("command", ["show", "validate"])
def test_a_missing_file_points_to_init(command: str) -> None:
    result = run(command, "nowhere.toml")
    assert result.exit_code == 2
    assert result.stderr == "error: nowhere.toml: no such file; `bulkmove init` writes one to start from\n"


def test_a_traceback_with_v_holds_no_secret(migration: Path) -> None:
    migration.write_text(TEXT.replace('"${ROBOSIZE_KEY}"', '"hunter2"').replace("[routes", "[rutes"))
    result = run("validate", "-v")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "hunter2" not in result.output
