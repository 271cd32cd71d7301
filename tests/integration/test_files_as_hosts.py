"""Files as hosts: a shop is staged to disk, mapped and loaded again, and nothing is lost or changed on the way."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import orjson
import pytest
import zstandard

from bulkmove.config import load_migration, warnings_of
from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError
from bulkmove.model import Record, Request
from bulkmove.pipeline.migration import open_migration
from bulkmove.pipeline.opening import open_host, readers_of
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.whole import read_list
from bulkmove.settings import HostSettings, RouteSettings, StreamName
from tests.integration.moving import Ended, Job, Row, by, invoke, toml, without_writes

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "jsonl": lambda data: data,
    "jsonl.gz": gzip.decompress,
    "jsonl.zst": lambda data: (
        zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    ),
}
# As files write them: digits that no double holds, the ends of what 64 bits hold, separators within texts.
ODD_ROWS = b"""\
{"id":1,"a":0.12345678901234567,"b":12345678901234567890123,"c":1E+400,"d":-0.0,"e":1e-7}
{"id":2,"a":58.34,"b":18446744073709551615,"c":[0.1,[1.5]],"text":"\xe2\x80\xa8 \\u0000 \xf0\x9f\x91\x97"}
{"id":"03","b":-9223372036854775809,"null":null,"nested":{"a":{"b":[{}]}}}
"""


@dataclass
class Disk:
    """A migration from stream "orders" of directory "here" to that of directory "there"; keywords are the route's."""

    folder: Path
    there: Row = field(default_factory=dict)
    route: Row = field(default_factory=dict)
    more: Sequence[str] = ()

    def __post_init__(self) -> None:
        (self.folder / "here").mkdir(exist_ok=True)

    @property
    def toml(self) -> Path:
        return self.folder / "migration.toml"

    @property
    def part(self) -> Path:
        return self.folder / "there" / ".orders.jsonl.part"

    @property
    def final(self) -> Path:
        return self.folder / "there" / "orders.jsonl"

    def put(self, content: bytes | list[Row], name: str = "orders.jsonl") -> Disk:
        if isinstance(content, list):
            content = b"".join(orjson.dumps(row) + b"\n" for row in content)
        (self.folder / "here" / name).write_bytes(content)
        return self

    def write(self) -> Path:
        route = {"source": "here.orders", "target": "there.orders", "mapper": "as-it-is", **self.route}
        tables = {
            "hosts.here": {"api": "files", "url": "here"},
            "hosts.there": {"api": "files", "url": "there", **self.there},
            "routes.copy": route,
        }
        lines = ['name = "job"']
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items())]
        self.toml.write_text("\n".join((*lines, *self.more)) + "\n", encoding="utf-8")
        return self.toml

    def run(self, *arguments: str, command: str = "run") -> Ended:
        self.write()
        return invoke(command, str(self.toml), "--json", *arguments)

    def problem(self) -> str:
        """What planning the migration raises."""
        with pytest.raises(ConfigError) as raised:
            plan_migration(load_migration(self.write()))
        return str(raised.value)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path).put(many(20))


def many(count: int) -> list[Row]:
    return [{"id": number, "name": f"Rochie {number} 👗"} for number in range(1, count + 1)]


def rows(path: Path) -> list[Row]:
    data = UNPACK[path.name.partition(".")[2]](path.read_bytes())
    return [orjson.loads(line) for line in data.splitlines()]


class TestByWayOfDisk:
    """old.orders → disk.orders → new.orders."""

    @staticmethod
    def stage(job: Job, **options: str) -> Job:
        job.with_orders(source="disk.orders", after=["stage"])
        job.hosts["disk"] = {"api": "files", "url": "staging", "options": options}
        job.routes["stage"] = {"source": "old.orders", "target": "disk.orders", "mapper": "as-it-is"}
        return job

    @staticmethod
    def written(job: Job) -> dict[str, Row]:
        found = by(job.stage.rows("external-orders"), "rrn")
        return {rrn: _without_the_hosts_own(row) for rrn, row in found.items()}

    def test_the_shop_gets_what_the_direct_way_brings(self, job: Job, tmp_path: Path) -> None:
        assert job.with_orders().run().code == 0
        direct = self.written(job)
        job.stage.clean()
        (tmp_path / "disk").mkdir()
        by_disk = self.stage(Job(tmp_path / "disk", job.stage), compression="zstd")
        ended = by_disk.run()
        assert (ended.code, ended.counts("stage"), ended.counts("orders")) == (
            0,
            {"read": 300, "written": 300},
            {"read": 300, "written": 300},
        )
        assert self.written(by_disk) == direct
        by_disk.check_all_equal()

    def test_a_backup_holds_every_order_field_by_field(self, job: Job) -> None:
        self.stage(job).run("--route", "stage")
        staged = by(rows(job.folder / "staging" / "orders.jsonl"), "id")
        assert staged == by(without_writes(job.stage.orders), "id")

    def test_the_old_host_is_not_asked_again(self, job: Job) -> None:
        self.stage(job).run("--route", "stage")
        asked = job.stage.count("merchantpro")
        assert job.run().code == 0
        assert job.stage.count("merchantpro") == asked
        job.check_all_equal()

    def test_a_dry_run_leaves_no_file_and_says_what_it_did_not_try(self, job: Job) -> None:
        ended = self.stage(job).run("--dry-run")
        assert (ended.code, ended.counts("stage")) == (0, {"read": 300, "written": 300})
        assert not (job.folder / "staging").exists()
        assert any(
            "disk.orders is not there before route stage has written it" in each for each in ended.notes
        )

    def test_a_dry_run_reads_a_file_that_is_there(self, job: Job) -> None:
        self.stage(job).run("--route", "stage")
        ended = job.run("--dry-run")
        assert (ended.code, ended.counts("orders")) == (0, {"read": 300, "written": 300})
        assert any("disk.orders is there already, or begun" in each for each in ended.notes)


def _without_the_hosts_own(value: Any) -> Any:
    """A row without what its host makes of its own: ids, wherever they stand, and the time of its creation."""
    if isinstance(value, list):
        return [_without_the_hosts_own(each) for each in value]
    if not isinstance(value, dict):
        return value
    own = {"id", "order_id", "address_id", "created_at", "_created_at", "_writes"}
    return {name: _without_the_hosts_own(each) for name, each in value.items() if name not in own}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_odd_values_keep_every_digit(disk: Disk, compression: str) -> None:
    disk.there = {"options": {"compression": compression}}
    assert disk.put(ODD_ROWS).run().code == 0
    ending = {"none": "jsonl", "gzip": "jsonl.gz", "zstd": "jsonl.zst"}[compression]
    assert UNPACK[ending]((disk.folder / "there" / f"orders.{ending}").read_bytes()) == ODD_ROWS


def test_a_run_that_is_limited_is_gone_on_with(disk: Disk) -> None:
    assert disk.run("--limit", "7").code == 0
    assert (disk.part.exists(), disk.final.exists()) == (True, False)
    ended = disk.run()
    assert (ended.code, ended.counts("copy")) == (0, {"read": 20, "written": 20})
    assert rows(disk.final) == many(20)
    assert not disk.part.exists()


def test_a_finished_migration_touches_nothing(disk: Disk) -> None:
    disk.run()
    disk.final.unlink()
    assert disk.run().code == 0
    assert not disk.final.exists()


def test_a_bad_line_costs_one_record_and_is_named(disk: Disk) -> None:
    ended = disk.put(b'{"id":1}\n{"id":\n[3]\n{"name":"x"}\n{"id":5}\n').run()
    assert (ended.code, ended.counts("copy")) == (3, {"read": 5, "written": 2, "rejected": 3})
    assert rows(disk.final) == [{"id": 1}, {"id": 5}]
    found = {
        line["source_id"].rpartition(" ")[0]: (line["cause"], line["message"])
        for line in disk.run(command="failures").lines
    }
    assert found["(bad row) orders.jsonl:2"] == ("bad-row", "line 2 of orders.jsonl is not JSON")
    assert found["(bad row) orders.jsonl:3"] == ("bad-row", "line 3 of orders.jsonl is no JSON object")
    assert [cause for cause, _ in found.values()].count("no-id") == 1


def test_a_source_that_is_cut_keeps_what_was_read_and_ends_with_5(disk: Disk) -> None:
    packed = gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in many(5)))
    (disk.folder / "here" / "orders.jsonl").unlink()
    disk.put(packed + packed[:-4], "orders.jsonl.gz")
    ended = disk.run()
    assert (ended.code, ended.counts("copy")) == (5, {"read": 5, "pending": 5})
    assert any("orders.jsonl.gz: ends within a gzip member" in each for each in ended.notes)
    disk.put(packed, "orders.jsonl.gz")
    assert disk.run().code == 0
    assert rows(disk.final) == many(5)


def test_a_record_may_become_several_rows(disk: Disk) -> None:
    (disk.folder / "mappers.py").write_text(
        "def twice(record, context):\n"
        "    return [{**record, 'id': f\"{record['id']}-{n}\"} for n in range(record['id'] % 3)]\n"
    )
    disk.route = {"mapper": "mappers.py:twice"}
    ended = disk.run()
    assert (ended.code, ended.counts("copy")) == (0, {"read": 20, "written": 14, "skipped": 6})
    assert len(rows(disk.final)) == sum(number % 3 for number in range(1, 21))


def test_a_key_that_comes_twice_is_written_once(disk: Disk) -> None:
    disk.route = {"natural_key": "code"}
    ended = disk.put([{"id": 1, "code": "a"}, {"id": 2, "code": "a"}, {"id": 3, "code": "b"}]).run()
    assert (ended.code, ended.counts("copy")) == (3, {"read": 3, "written": 2, "rejected": 1})
    assert [row["id"] for row in rows(disk.final)] == [1, 3]
    ((_, cause, _),) = [
        (each["source_id"], each["cause"], each["message"]) for each in disk.run(command="failures").lines
    ]
    assert cause == "duplicate-key"


def test_rows_are_known_by_the_field_that_options_name(disk: Disk) -> None:
    disk.route = {"options": {"id_field": "code"}}
    ended = disk.put([{"code": "a"}, {"code": "b"}]).run()
    assert (ended.code, ended.counts("copy")) == (0, {"read": 2, "written": 2})


def test_csv_becomes_json_lines_and_csv_again(disk: Disk) -> None:
    (disk.folder / "here" / "orders.jsonl").unlink()
    text = b'id,name,note\n1,"a ""b""",\n2,"c\nd",\xc8\x99\n'
    disk.put(text, "orders.csv").there = {"options": {"format": "csv"}}
    assert disk.run().code == 0
    assert (disk.folder / "there" / "orders.csv").read_bytes() == text


def test_a_file_that_is_there_is_not_written_over(disk: Disk) -> None:
    (disk.folder / "there").mkdir()
    disk.final.write_bytes(b'{"id":9}\n')
    ended = disk.run()
    assert ended.code == 2
    assert any("there.orders: orders.jsonl is there already; move it away" in each for each in ended.notes)
    assert rows(disk.final) == [{"id": 9}]
    disk.there = {"options": {"overwrite": "yes"}}
    assert disk.run().code == 0
    assert rows(disk.final) == many(20)


def test_a_part_of_another_ledger_is_not_gone_on_with(disk: Disk) -> None:
    disk.run("--limit", "7")
    ended = disk.run("--fresh", "--yes")
    assert ended.code == 2
    assert any(
        ".orders.jsonl.part is there, begun by a run with another ledger" in each for each in ended.notes
    )
    disk.there = {"options": {"overwrite": "yes"}}
    assert disk.run().code == 0
    assert rows(disk.final) == many(20)


def test_a_part_that_lost_rows_or_got_others_ends_the_run(disk: Disk) -> None:
    disk.run("--limit", "7")
    content = disk.part.read_bytes()
    for changed in (content[:-1], content + b'{"id":99}\n', None):
        disk.part.write_bytes(changed) if changed is not None else disk.part.unlink()
        ended = disk.run()
        assert ended.code == 1
        assert "there.orders:" in ended.stderr
    disk.part.write_bytes(content)
    assert disk.run().code == 0
    assert rows(disk.final) == many(20)


def test_a_changed_id_field_is_refused_while_the_file_is_written(disk: Disk) -> None:
    disk.run("--limit", "7")
    disk.there = {"options": {"id_field": "name"}}
    ended = disk.run()
    assert ended.code == 2
    assert "file options" in ended.stderr


def test_files_give_no_cause_for_warnings(disk: Disk) -> None:
    assert warnings_of(load_migration(disk.write())) == ()


@pytest.mark.parametrize(
    ("there", "route", "said"),
    [
        ({"rate": "4/s"}, {}, "hosts.there.rate: no requests are sent to a directory; leave this out"),
        ({"credentials": {"token": "x"}}, {}, "hosts.there.credentials.token: api 'files' takes none"),
        (
            {"options": {"compresion": "gzip"}},
            {},
            "compresion: there is no such option; did you mean 'compression'",
        ),
        (
            {"options": {"compression": "bz2"}},
            {},
            "hosts.there.options.compression: must be none or gzip or zstd",
        ),
        ({}, {"mode": "update"}, "routes.copy.mode: there.orders takes create or upsert, not update"),
        ({}, {"where": {"since": "x"}}, "routes.copy.where.since: here.orders has no such filter"),
        ({}, {"fields_used": ["id"]}, "routes.copy.fields_used: here.orders always sends all its fields"),
        ({"url": "./here/../here"}, {}, "routes.copy.target: there.orders is its source too"),
    ],
)
def test_what_makes_no_sense_is_refused(disk: Disk, there: Row, route: Row, said: str) -> None:
    disk.there, disk.route = there, route
    assert said in disk.problem()


SECOND = """
[hosts.alias]
api = "files"
url = "there/."
[routes.second]
source = "{source}"
target = "{target}"
mapper = "as-it-is"
after = {after}
"""


@pytest.mark.parametrize(
    ("source", "target", "after", "said"),
    [
        ("here.others", "alias.orders", "[]", "alias.orders is written by route copy too"),
        ("alias.orders", "alias.others", "[]", 'alias.orders is written by route copy; add after = ["copy"]'),
    ],
)
def test_routes_that_share_a_file_have_to_agree(
    disk: Disk, source: str, target: str, after: str, said: str
) -> None:
    disk.more = [SECOND.format(source=source, target=target, after=after)]
    assert said in disk.problem()


def test_a_route_may_read_what_one_before_it_wrote(disk: Disk) -> None:
    disk.more = [SECOND.format(source="alias.orders", target="alias.others", after='["copy"]')]
    assert disk.run().code == 0
    assert rows(disk.folder / "there" / "others.jsonl") == many(20)


@pytest.mark.parametrize("at_bytes", [1, 3_000, 9_000])
async def test_a_run_that_is_cancelled_lets_go_of_the_file_and_is_gone_on_with(
    disk: Disk, at_bytes: int
) -> None:
    disk.put(many(500)).route = {"batch_size": 5}
    async with open_migration(disk.write()) as migration:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(migration.run)
            while not disk.part.exists() or disk.part.stat().st_size < at_bytes:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        summary = await migration.run()
    assert (summary.exit_code, summary.routes["copy"].written) == (0, 500)
    assert sorted(row["id"] for row in rows(disk.final)) == list(range(1, 501))


async def test_a_file_is_read_whole_beside_any_route(tmp_path: Path) -> None:
    (tmp_path / "regions.jsonl").write_bytes(b'{"id":1}\n{"id":2}\n{"id":1}\n')
    host = HostSettings("disk", "files", str(tmp_path))
    files = connector("files")
    found: list[Any] = []

    async def sink(records: Sequence[Record]) -> None:
        found.extend(record.data["id"] for record in records)

    async with open_host(host, files) as transport:
        name = StreamName("disk", "regions")
        source = files.source("regions", transport, RouteSettings("read", name, name, ""))
        await read_list(source, sink, readers=readers_of(transport))
        assert (transport.requests, transport.latency_s, transport.rate_per_s) == (0, None, None)
        assert transport.sample().requests == 0
        with pytest.raises(ConfigError, match="host disk is a directory: nothing answers GET /x"):
            await transport.send(Request("GET", "/x"))
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("name", "is_one"), [("orders", True), ("a-b_1", True), ("../x", False), ("", False)]
)
def test_any_name_that_a_file_can_have_is_a_stream(name: str, is_one: bool) -> None:  # noqa: FBT001  a value of the table
    streams = connector("files").streams
    assert (name in streams) is is_one
    assert list(streams) == []
