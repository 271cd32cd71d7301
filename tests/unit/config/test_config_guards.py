"""`canary` and `mask` as they stand in a migration's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.config import load_migration, warnings_of
from bulkmove.errors import ConfigError
from bulkmove.settings import MigrationSettings

HEAD = 'name = "x"\n'
REST = """
[hosts.old]
api = "robosize"
url = "http://127.0.0.1:1"
credentials = { api_key = "${KEY}" }
[routes.orders]
source = "old.orders"
target = "old.orders"
mapper = "as-it-is"
[routes.products]
source = "old.products"
target = "old.products"
mapper = "as-it-is"
"""


def loaded(tmp_path: Path, top: str = "", end: str = "") -> MigrationSettings:
    file = tmp_path / "migration.toml"
    file.write_text(HEAD + top + REST + end, encoding="utf-8")
    return load_migration(file, environ={"KEY": "a key"})


def test_a_route_has_the_migrations_canary_unless_it_has_one_of_its_own(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "canary = 5", "canary = 0")
    assert [route.canary for route in settings.routes.values()] == [5, 0]
    assert [route.canary for route in loaded(tmp_path, end="canary = 3").routes.values()] == [0, 3]


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("canary = -1", "canary"), ("canary = 5.0", "canary"), ("canary = 100000", "canary"), ('mask = "x"', "mask"),
        ('mask = [""]', "mask"), ('masks = ["x"]', 'unknown key; did you mean "mask"'),
    ],
)  # fmt: skip
def test_what_is_none_is_refused(tmp_path: Path, top: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        loaded(tmp_path, top)


def test_a_mask_over_a_list_that_is_changed_in_place_is_a_warning(tmp_path: Path) -> None:
    assert loaded(tmp_path, 'mask = ["a", "b", "a"]').mask == ("a", "b")
    assert [
        text
        for text in warnings_of(loaded(tmp_path, 'mask = ["a"]'))
        if text.startswith("mask: route orders")
    ]
    assert not [text for text in warnings_of(loaded(tmp_path)) if "mask" in text]
