"""The JSON Schema that an editor completes with."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from bulkmove.config import json_schema
from bulkmove.settings import HostSettings, MigrationSettings, RouteSettings

SCHEMA = json_schema()


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = (
        SCHEMA["properties"] if name == "Migration" else SCHEMA["$defs"][name]["properties"]
    )
    return found


@pytest.mark.parametrize("name", ["Migration", "Host", "Route", "CredentialFile", "CredentialCommand"])
def test_every_key_is_described(name: str) -> None:
    lacking = [key for key, schema in properties(name).items() if len(schema.get("description", "")) < 20]
    assert lacking == []
    assert not any("\n" in schema["description"] for schema in properties(name).values())


@pytest.mark.parametrize("name", ["Host", "Route", "CredentialFile", "CredentialCommand"])
def test_other_keys_are_refused(name: str) -> None:
    assert SCHEMA["additionalProperties"] is False
    assert SCHEMA["$defs"][name]["additionalProperties"] is False


def test_each_setting_has_its_key() -> None:
    def names(settings: type) -> set[str]:
        return {field.name for field in dataclasses.fields(settings)}

    assert properties("Host").keys() == names(HostSettings) - {"name", "windows"} | {"rate"}
    assert properties("Route").keys() == names(RouteSettings) - {"name"}
    assert properties("Migration").keys() == names(MigrationSettings) - {"directory", "file"}


def test_the_defaults_are_those_of_the_settings() -> None:
    by_name = {field.name: field.default for field in dataclasses.fields(HostSettings)}
    for key, schema in properties("Host").items():
        if "default" in schema and schema["default"] != {}:
            assert schema["default"] == by_name[key], key


def test_the_modes_can_be_completed() -> None:
    assert properties("Route")["mode"]["enum"] == ["create", "update", "upsert", "delete"]


def test_a_rate_is_one_or_several() -> None:
    assert [branch["type"] for branch in properties("Host")["rate"]["anyOf"]] == ["string", "array"]


def test_there_is_no_null_in_toml() -> None:
    assert '"type": "null"' not in json.dumps(SCHEMA)
    assert '"default": null' not in json.dumps(SCHEMA)
