"""Addresses that say a part of their paths a second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.cutover.addresses import doubled_paths
from bulkmove.settings import HostSettings, MigrationSettings


def told(api: str, url: str, **paths: str) -> list[str]:
    host = HostSettings(name="old", api=api, url=url, paths=paths)
    settings = MigrationSettings(
        name="m", directory=Path(), ledger=Path("x.db"), hosts={"old": host}, routes={}
    )
    return list(doubled_paths(settings))


@pytest.mark.parametrize(
    ("api", "url", "start"),
    [
        ("merchantpro", "https://shop.example.ro/api/v2", "/api/v2"),
        ("merchantpro", "https://shop.example.ro/api/", "/api"),
        ("merchantpro", "https://example.ro/shop/api/v2/", "/api/v2"),
        ("external-order", "https://shop.example.md/external", "/external"),
        ("robosize", "https://api.robosize.com/api/v1", "/api/v1"),
    ],
)
def test_a_url_that_ends_in_what_a_path_begins_with_is_warned_of(api: str, url: str, start: str) -> None:
    (warning,) = told(api, url)
    assert warning.startswith(f"hosts.old.url: ends in {start}, with which the paths of {api} begin already")


@pytest.mark.parametrize("url", ["https://shop.example.ro", "https://example.ro/shop", "https://x.ro/api/v9"])
def test_other_addresses_are_not(url: str) -> None:
    assert told("merchantpro", url) == []


def test_paths_of_the_user_s_own_count() -> None:
    own = {"orders": "/o", "order": "/o/{id}", "handler": "/o/{id}/{handler}", "products": "/p"}
    assert told("merchantpro", "https://shop.example.ro/api/v2", **own) == []
