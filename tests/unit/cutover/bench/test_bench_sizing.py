"""How many records are rehearsed without limits: all, or two sizes that differ by enough to tell something."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from bulkmove.config import load_migration
from bulkmove.cutover.bench.sizing import TIMES, without_limits
from bulkmove.cutover.bench.wishes import Conditions, Staged
from bulkmove.settings import MigrationSettings

# A row from directory to directory, which takes no time; and the host whose conditions are named.
MIGRATION = """
name = "job"

[hosts.here]
api = "files"
url = "here"

[hosts.there]
api = "files"
url = "there"

[hosts.old]
api = "merchantpro"
url = "http://127.0.0.1:9"
credentials = { key = "demo-key", secret = "demo-secret" }

[routes.copy]
source = "here.orders"
target = "there.orders"
mapper = "as-it-is"
"""


@dataclass(frozen=True)
class Directories:
    """Implements Staged by directories, in place of a sandbox."""

    settings: MigrationSettings
    empty: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Directories]:
    """A few, each new."""
    made = []
    for number in range(3):
        folder = tmp_path / str(number)
        (folder / "here").mkdir(parents=True)
        (folder / "here" / "orders.jsonl").write_text('{"id":1}\n')
        (folder / "migration.toml").write_text(MIGRATION)
        made.append(Directories(load_migration(folder / "migration.toml")))
    return iter(made)


@pytest.mark.parametrize(
    ("most", "expected"),
    [(70, [70]), (5_001, [5_001]), (9_999, [9_999]), (10_000, [5_000, 10_000])],
)
async def test_a_second_size_is_taken_only_where_it_is_twice_the_first(
    stages: Iterator[Directories], most: int, expected: list[int]
) -> None:
    opened: list[int] = []

    @asynccontextmanager
    async def open_stage(records: int, conditions: Mapping[str, Conditions]) -> AsyncIterator[Staged]:
        assert list(conditions) == ["old"]
        opened.append(records)
        yield next(stages)

    made = await without_limits(open_stage, {"old": Conditions()}, most=most)
    assert opened == [each.records for each in made] == expected


async def test_a_few_records_are_rehearsed_several_times_where_what_was_written_can_be_taken_away(
    stages: Iterator[Directories],
) -> None:
    emptied = 0
    stage = next(stages)
    written = Path(stage.settings.hosts["there"].url) / "orders.jsonl"

    async def empty() -> None:
        nonlocal emptied
        emptied += 1
        written.unlink()

    @asynccontextmanager
    async def open_stage(records: int, conditions: Mapping[str, Conditions]) -> AsyncIterator[Staged]:
        del records, conditions
        yield replace(stage, empty={"there": empty})

    [made] = await without_limits(open_stage, {"old": Conditions()}, most=70)
    assert emptied == TIMES - 1
    assert made.written == 1


async def test_a_rehearsal_that_found_what_the_first_one_wrote_tells_nothing(
    stages: Iterator[Directories],
) -> None:
    """Rows that only change stand as the first one left them, whatever is taken away."""
    stage = next(stages)
    hosts = {name: Path(host.url) / "orders.jsonl" for name, host in stage.settings.hosts.items()}

    async def empty() -> None:
        await anyio.Path(hosts["there"]).unlink()
        await anyio.Path(hosts["here"]).write_text("")

    @asynccontextmanager
    async def open_stage(records: int, conditions: Mapping[str, Conditions]) -> AsyncIterator[Staged]:
        del records, conditions
        yield replace(stage, empty={"there": empty})

    [made] = await without_limits(open_stage, {"old": Conditions()}, most=70)
    assert made.written == 1
