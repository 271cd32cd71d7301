"""Suggestions put into a migration's file: what stays of it, and what is refused before a bench begins."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.cutover.bench.writing import refuse_unwritable, write_suggestions
from bulkmove.errors import ConfigError

TEXT = """\
name = "x"  # a comment
[hosts.old]   # the old shop
api = "merchantpro"
rate = ["20/s", "3600/h"]    # as agreed
burst = 1
"""
RATE = ("80/10s", "3600/h")


def suggestion(rate: tuple[str, ...] | None = RATE, concurrency: int | None = 24) -> Suggestion:
    return Suggestion("old", rate, concurrency, ("20/s", "3600/h"), 16, "answers 429 at 12/s")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "migration.toml"
    file.write_text(TEXT)
    return file


def test_a_suggestion_is_written_among_the_comments_and_with_the_files_own_mode(file: Path) -> None:
    file.chmod(0o640)
    assert write_suggestions(file, TEXT.encode(), [suggestion()]) == (
        "hosts.old.rate = 80/10s, 3600/h",
        "hosts.old.concurrency = 24",
    )
    assert file.read_text() == TEXT.replace('"20/s"', '"80/10s"') + "concurrency = 24\n"
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "text",
    [
        '[hosts.old.paths]\norders = "/x"\n\n[hosts.old]  # the shop\nburst = 1\n[hosts.new]\nburst = 2\n',
        '[hosts.old]\nburst = 1  # one\n[routes.r]\nx = 1\n[hosts.old.paths]\norders = "/x"\n',
        'hosts.old.burst = 1\nhosts.new = {burst = 2}\nhosts.old.paths.orders = "/x"\n[routes.r]\nx = 1\n',
        "hosts = {old = {burst = 1}, new = {burst = 2}}\n",
        '[hosts]\nold.rate = "1/s"  # slow\nnew.burst = 2\nold.burst = 1\n',
        '[hosts.old.paths]\norders = "/x"\n',
    ],
)
def test_however_a_host_stands_in_the_file_nothing_else_of_it_changes(file: Path, text: str) -> None:
    file.write_text(text)
    refuse_unwritable(file, text.encode(), ["old"])
    assert file.read_text() == text
    write_suggestions(file, text.encode(), [suggestion()])
    wanted = tomllib.loads(text)
    wanted["hosts"]["old"] |= {"rate": list(RATE), "concurrency": 24}
    assert tomllib.loads(file.read_text()) == wanted
    assert file.read_text().count("#") == text.count("#")


def test_a_file_that_was_changed_meanwhile_is_left_alone(file: Path) -> None:
    file.write_text(TEXT + "# by somebody else\n")
    with pytest.raises(ConfigError, match="changed while the bench ran"):
        write_suggestions(file, TEXT.encode(), [suggestion()])
    assert file.read_text() == TEXT + "# by somebody else\n"


def test_a_file_that_its_owner_may_not_write_is_refused(file: Path) -> None:
    refuse_unwritable(file, TEXT.encode(), ["old"])
    file.chmod(0o440)
    with pytest.raises(ConfigError, match="may not be written"):
        refuse_unwritable(file, TEXT.encode(), ["old"])


def test_a_host_that_could_not_be_changed_afterwards_is_refused_before(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"hosts\.new: stands there in a way that can't be changed"):
        refuse_unwritable(file, TEXT.encode(), ["old", "new"])


def test_nothing_is_written_where_nothing_is_suggested(tmp_path: Path) -> None:
    assert write_suggestions(tmp_path / "none.toml", b"", [suggestion(None, None)]) == ()
