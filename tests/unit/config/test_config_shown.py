"""The settings as they are shown."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bulkmove.config import described, load_migration, read_document, show

Write = Callable[..., Path]

NEW_URL = 'url = "https://shop.example.md"'


def shown(write: Write, *changes: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    path = write(*changes)
    settings, document = load_migration(path), read_document(path)
    return show(settings, document), described(settings, document, path)


def test_what_is_shown_is_toml_and_says_what_is_set(write: Write) -> None:
    text, _ = shown(write)
    document = tomllib.loads(text)
    assert document["hosts"]["old"]["rate"] == ["4/s", "80/min"]
    assert document["hosts"]["old"]["credentials"] == {"key": "***", "secret": "***"}
    assert document["routes"]["again"]["after"] == ["orders"]
    assert document["ledger"].endswith("/cutover-2026.ledger.db")


def test_defaults_are_marked_and_what_is_given_is_not(write: Write) -> None:
    text, _ = shown(write, (NEW_URL, f"{NEW_URL}\nburst = 1"))
    new = text.split("[hosts.new]")[1].split("[routes")[0].splitlines()
    assert "burst = 1" in new
    assert "concurrency = 16  # default" in new
    assert "# rate: default: the limits that the API publishes" in new


def test_a_value_that_the_migration_resolves_shows_resolved(write: Write) -> None:
    text, _ = shown(write, (NEW_URL, f"{NEW_URL}\ntimeout_s = 60"))
    assert "settle_s = 75.0  # default" in text


def test_json_names_the_keys_that_were_left_out(write: Write) -> None:
    _, described_ = shown(write)
    assert described_["type"] == "config"
    assert described_["hosts"]["new"]["rate"] is None
    assert {"ledger", "hosts.new.rate", "routes.orders.mode"} <= set(described_["defaults"])
    assert not {"name", "hosts.old.rate", "routes.again.after", "hosts.old.credentials"} & set(
        described_["defaults"]
    )


def test_text_with_quotes_and_line_breaks_survives(write: Write) -> None:
    mapper = 'mapper = "mappers.py:again"'
    text, _ = shown(write, (mapper, f'{mapper}\noptions = {{ "a b" = "say \\"ă\\"\\n#" }}'))
    assert tomllib.loads(text)["routes"]["again"]["options"] == {"a b": 'say "ă"\n#'}
