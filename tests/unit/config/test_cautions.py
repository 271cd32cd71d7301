"""What is allowed, and warned of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bulkmove.config import load_migration, warnings_of

Write = Callable[..., Path]

OLD_URL = 'url = "https://shop.example.ro/"'
NEW_URL = 'url = "https://shop.example.md"'


def warnings(write: Write, *changes: tuple[str, str]) -> tuple[str, ...]:
    return warnings_of(load_migration(write(*changes)))


def test_a_careful_migration_has_no_warning(write: Write) -> None:
    assert warnings(write) == ()


@pytest.mark.parametrize(("settle_s", "count"), [(29, 1), (30, 1), (31, 0)])
def test_settling_no_longer_than_the_timeout_is_warned_of(write: Write, settle_s: int, count: int) -> None:
    found = warnings(write, (NEW_URL, f"{NEW_URL}\nsettle_s = {settle_s}"))
    assert len(found) == count
    assert all(
        warning.startswith(f"hosts.new.settle_s: {settle_s} s is not longer than timeout_s")
        for warning in found
    )


@pytest.mark.parametrize("url", ["https://shop.example.ro", "https://SHOP.example.ro:443/base"])
def test_two_hosts_at_one_address_are_warned_of(write: Write, url: str) -> None:
    (warning,) = warnings(write, (NEW_URL, f'url = "{url}"'))
    assert warning.startswith("hosts.old, hosts.new: are at one address")


def test_on_loopback_a_sandbox_may_play_several_hosts(write: Write) -> None:
    loopback = 'url = "http://127.0.0.1:8080"'
    assert warnings(write, (NEW_URL, loopback), (OLD_URL, loopback)) == ()


def test_two_ports_are_two_addresses(write: Write) -> None:
    assert warnings(write, (NEW_URL, 'url = "https://shop.example.ro:8443"')) == ()


@pytest.mark.parametrize("url", ["http://shop.example.md", "HTTP://shop.example.md", "http://192.168.1.5"])
def test_plain_http_is_warned_of(write: Write, url: str) -> None:
    (warning,) = warnings(write, (NEW_URL, f'url = "{url}"'))
    assert warning.startswith("hosts.new.url: http:// sends credentials and records unencrypted")


def test_a_credential_in_the_file_is_warned_of_and_not_repeated(write: Write) -> None:
    (warning,) = warnings(write, ('"${NEW_TOKEN}"', '"hunter2"'))
    assert warning.startswith("hosts.new.credentials.token: the credential stands in the file itself")
    assert "hunter2" not in warning


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "127.8.9.1", "[::1]:80", "localhost:1234", "shop.localhost"]
)
def test_on_loopback_neither_http_nor_a_literal_credential_matters(write: Write, host: str) -> None:
    assert warnings(write, (NEW_URL, f'url = "http://{host}"'), ('"${NEW_TOKEN}"', '"sandbox"')) == ()


def test_a_name_that_only_looks_like_loopback_is_warned_of(write: Write) -> None:
    assert len(warnings(write, (NEW_URL, 'url = "http://127.0.0.1.example.md"'))) == 1
