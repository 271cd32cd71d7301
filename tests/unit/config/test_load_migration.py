"""What a right file becomes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulkmove.config import load_migration, read_document
from bulkmove.config.problems import Problems
from bulkmove.config.variables import expand_document
from bulkmove.settings import HostSettings, MigrationSettings, Secret, StreamName, Window

Write = Callable[..., Path]

URL = 'url = "https://shop.example.md"'
MAPPER = 'mapper = "mappers.py:again"'


def load(path: Path, **more: str) -> MigrationSettings:
    return load_migration(path, environ={**os.environ, **more})


def test_a_minimal_host_gets_the_defaults_of_its_settings(write: Write, environ: dict[str, str]) -> None:
    host = load(write()).hosts["new"]
    expected = HostSettings(
        name="new",
        api="external-order",
        url="https://shop.example.md",
        credentials={"token": Secret(environ["NEW_TOKEN"])},
    )
    for field in dataclasses.fields(HostSettings):
        value = getattr(host, field.name)
        assert (dict(value) if hasattr(value, "keys") else value) == getattr(expected, field.name), field.name


def test_routes_name_their_ends_and_what_they_wait_for(write: Write) -> None:
    settings = load(write())
    assert settings.routes["orders"].source == StreamName("old", "orders")
    assert settings.routes["orders"].mode == "upsert"
    assert settings.routes["again"].is_self_route
    assert settings.routes["again"].after == ("orders",)


def test_the_ledger_stands_beside_the_file_under_the_migrations_name(write: Write, tmp_path: Path) -> None:
    settings = load(write())
    assert settings.ledger == tmp_path / "cutover-2026.ledger.db"
    assert settings.directory == tmp_path
    assert settings.file == tmp_path / "migration.toml"


def test_a_ledger_in_the_file_is_relative_to_the_files_directory(write: Write, tmp_path: Path) -> None:
    path = write(('name = "cutover-2026"', 'name = "x"\nledger = "state/l.db"\nsynchronous = "normal"'))
    settings = load(path)
    assert settings.ledger == tmp_path / "state" / "l.db"
    assert settings.synchronous == "normal"


def test_the_callers_ledger_goes_before_the_files(write: Write, tmp_path: Path) -> None:
    path = write(('name = "cutover-2026"', 'name = "x"\nledger = "state/l.db"'))
    assert load_migration(path, ledger=tmp_path / "o.db").ledger == tmp_path / "o.db"


def test_the_callers_ledger_is_relative_to_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_migration(path, ledger=Path("o.db")).ledger == tmp_path / "elsewhere" / "o.db"


def test_a_relative_path_is_resolved_before_the_working_directory_can_change(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.chdir(tmp_path)
    settings = load(Path("migration.toml"))
    assert settings.directory == tmp_path
    assert settings.ledger.is_absolute()


@pytest.mark.parametrize(
    ("rate", "windows"),
    [
        ('"4/s"', (Window(4, 1.0),)),
        ('["4/s", "80/min", "3600/h", "60000/day"]',
         (Window(4, 1.0), Window(80, 60.0), Window(3600, 3600.0), Window(60000, 86400.0))),
        ('"5/10s"', (Window(5, 10.0),)),
        ('"5 / 2.5s"', (Window(5, 2.5),)),
        ('"100/5min"', (Window(100, 300.0),)),
    ],
)  # fmt: skip
def test_rates_become_windows(write: Write, rate: str, windows: tuple[Window, ...]) -> None:
    settings = load(write(('rate = ["4/s", "80/min"]', f"rate = {rate}")))
    assert settings.hosts["old"].windows == windows


def test_settle_follows_the_timeout_unless_it_is_given(write: Write) -> None:
    assert load(write((URL, f"{URL}\ntimeout_s = 60"))).hosts["new"].settle_s == 75.0
    assert load(write((URL, f"{URL}\ntimeout_s = 60\nsettle_s = 61.5"))).hosts["new"].settle_s == 61.5


def test_an_address_loses_its_last_slash_and_keeps_its_path(write: Write) -> None:
    assert load(write()).hosts["old"].url == "https://shop.example.ro"
    assert (
        load(write(("example.ro/", "example.ro:8443/base/"))).hosts["old"].url
        == "https://shop.example.ro:8443/base"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"2024-01-01"', "2024-01-01"),
        ("7", "7"),
        ("true", "true"),
        ("false", "false"),
        ('["new", "done"]', "new,done"),
        ('[1, "2", true]', "1,2,true"),
    ],
)
def test_filters_become_the_text_of_a_query(write: Write, value: str, text: str) -> None:
    settings = load(write((MAPPER, f"{MAPPER}\nwhere = {{ f = {value} }}")))
    assert dict(settings.routes["again"].where) == {"f": text}


def test_variables_are_filled_in_wherever_a_string_stands(write: Write) -> None:
    options = 'options = { a = ["x-${PLACE}"], b = { c = "${PLACE}" }, n = 2, d = "$${PLACE}" }'
    path = write((URL, 'url = "https://${PLACE}.example.md/${PLACE}"'), (MAPPER, f"{MAPPER}\n{options}"))
    settings = load(path, PLACE="md")
    assert settings.hosts["new"].url == "https://md.example.md/md"
    expected: dict[str, Any] = {"a": ["x-md"], "b": {"c": "md"}, "n": 2, "d": "${PLACE}"}
    assert dict(settings.routes["again"].options) == expected


def test_credentials_are_kept_out_of_what_the_schema_checks(write: Write, environ: dict[str, str]) -> None:
    document = read_document(write())
    expanded = expand_document(document, environ, Problems(document))
    assert expanded == document


def test_a_variable_that_holds_a_reference_is_not_filled_in_again(write: Write) -> None:
    path = write((MAPPER, f'{MAPPER}\noptions = {{ a = "${{PLACE}}" }}'))
    assert load(path, PLACE="${NEW_TOKEN}").routes["again"].options["a"] == "${NEW_TOKEN}"


def test_the_settings_cannot_be_changed(write: Write) -> None:
    settings = load(write())
    with pytest.raises(TypeError):
        settings.hosts["old"].credentials["key"] = Secret("x")  # type: ignore[index]  # the point of the test
    with pytest.raises(TypeError):
        settings.routes["more"] = settings.routes["orders"]  # type: ignore[index]  # the point of the test


def test_a_mark_at_the_files_beginning_is_no_error(write: Write) -> None:
    path = write()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path).name == "cutover-2026"


def test_the_environment_is_the_processs_own_unless_another_is_given(
    write: Write, environ: dict[str, str]
) -> None:
    def token(settings: MigrationSettings) -> str:
        return settings.hosts["new"].credentials["token"].reveal()

    assert token(load_migration(write())) == environ["NEW_TOKEN"]
    assert token(load_migration(write(), environ={**environ, "NEW_TOKEN": "another"})) == "another"
