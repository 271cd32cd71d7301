"""`bulkmove plan` where no host is asked: its options, and how it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bulkmove.cli.group import main

TEXT = """
name = "x"

[hosts.old]
api = "merchantpro"
url = "http://127.0.0.1:9"
credentials = { key = "hunter2-key", secret = "hunter2-secret" }
timezone = "Europe/Bucharest"
give_up_after_s = 0.2

[hosts.new]
api = "external-order"
url = "http://127.0.0.1:9"
credentials = { token = "hunter2-token" }
give_up_after_s = 0.2

[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = { shop = 2 }
"""


@pytest.fixture(autouse=True)
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "migration.toml"
    path.write_text(TEXT)
    # A plan's last words are that signals are ignored.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield path
    for number, handler in handlers.items():
        signal.signal(number, handler)


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sample", "0"), "--sample"),
        (("--show", "-1"), "--show"),
        (("--route", "order"), "did you mean 'orders'?"),
        (("nowhere.toml",), "no such file"),
        (("--limit", "3"), "No such option"),
    ],
)
def test_what_is_refused_ends_with_2_and_a_last_line_all_the_same(
    arguments: tuple[str, ...], said: str
) -> None:
    done = plan(*arguments, "--json")
    assert done.exit_code == 2
    assert said in done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"type": "summary", "exit": 2, "routes": {}}


def test_a_host_that_is_not_there_ends_with_5_and_leaves_nothing_behind(migration: Path) -> None:
    done = plan("--json")
    assert done.exit_code == 5
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["type"], last["exit"]) == ("summary", 5)
    assert "Check hosts.old.url" in done.stderr
    assert "hunter2" not in done.output
    assert [path.name for path in migration.parent.iterdir()] == ["migration.toml"]


def test_what_ended_a_plan_is_told_once_also_where_the_streams_are_no_terminal() -> None:
    done = plan()
    assert done.exit_code == 5
    assert done.output.count("Check hosts.old.url") == done.stderr.count("Check hosts.old.url") == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("migration.toml", "is no saved plan"),
        ("nowhere/plan.json", "there is no folder nowhere"),
    ],
)
def test_a_place_where_no_plan_can_be_saved_is_refused_before_anything_is_read(place: str, said: str) -> None:
    done = plan("--save", place)
    assert done.exit_code == 2, "the host, which is not there, was asked"
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("mode", "said"),
    [("delete", "routes.orders.mode: new.orders takes create or update or upsert, not delete")],
)
def test_a_mode_that_the_target_does_not_take_is_told(migration: Path, mode: str, said: str) -> None:
    migration.write_text(f'{TEXT}mode = "{mode}"\n')
    done = plan()
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('{ item_on_update = "replace" }', "hosts.new.options.item_on_update: there is no such option; did you mean 'items_on_update'?"),
        ('{ items_on_update = "replaced" }', "hosts.new.options.items_on_update: must be append or replace; did you mean 'replace'?"),
        ("{ items_on_update = 7 }", "hosts.new.options.items_on_update: must be append or replace"),
    ],
)  # fmt: skip
def test_an_option_that_a_host_does_not_have_is_told_with_the_nearest(
    migration: Path, options: str, said: str
) -> None:
    migration.write_text(TEXT.replace("[routes.orders]", f"options = {options}\n[routes.orders]"))
    done = plan()
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_option_of_a_host_may_still_stand_in_a_route(migration: Path) -> None:
    migration.write_text(TEXT.replace("shop = 2", 'shop = 2, items_on_update = "replace"'))
    done = CliRunner().invoke(main, ["config", "validate"])
    assert done.exit_code == 0, done.stderr
