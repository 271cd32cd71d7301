"""Files as they are written: whole or not at all, and never other than the ledger says."""

from __future__ import annotations

import errno
import gzip
import os
import stat
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
import zstandard

from bulkmove.connectors.files import CONNECTOR
from bulkmove.connectors.files.durable import lock
from bulkmove.connectors.files.target import FileTarget
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, HostUnavailableError, LedgerError
from bulkmove.exact import decode_json, encode_json
from bulkmove.extract.once import read_once
from bulkmove.model import JsonObject, PageQuery, Record, Verdict, WriteItem, WriteResult
from bulkmove.protocols import StagedTarget
from bulkmove.settings import HostSettings, RouteSettings

Open = Callable[..., FileTarget]
FINAL, PART = "orders.jsonl", ".orders.jsonl.part"
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "gzip": gzip.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(),
}
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
ALL = ("none", "gzip", "zstd")


@pytest.fixture
def opened(tmp_path: Path, host: Callable[..., HostSettings], route: Callable[..., RouteSettings]) -> Open:
    """The target of stream "orders" in directory "staging"; keywords are the host's options."""

    def make(**options: Any) -> FileTarget:
        settled = host(name="disk", api="files", url=str(tmp_path / "staging"), options=options)
        made = CONNECTOR.target("orders", ScriptedTransport(settled, lambda _: answer()), route())
        assert isinstance(made, FileTarget)
        assert isinstance(made, StagedTarget)
        return made

    return make


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "staging"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def items(*bodies: JsonObject) -> list[WriteItem]:
    return [WriteItem(None, body, encode_json(body)) for body in bodies]


def ids(*numbers: int) -> list[WriteItem]:
    return items(*({"id": number} for number in numbers))


async def written(target: FileTarget, *batches: Sequence[WriteItem]) -> list[WriteResult]:
    """What becomes of the batches, on a list that begins."""
    async with target.open_list(written=0, in_doubt=0):
        return [result for batch in batches for result in await target.write(batch)]


async def rows_of(target: FileTarget) -> list[JsonObject]:
    found: list[Record] = []

    async def sink(records: Sequence[Record]) -> None:
        found.extend(records)

    await read_once(target.list(), limit=100, sink=sink)
    return [target.comparable(record.data) for record in found]


@pytest.mark.parametrize("compression", ALL)
async def test_rows_are_written_in_order_and_the_file_is_there_when_it_is_closed(
    staging: Path, opened: Open, compression: str
) -> None:
    target = opened(compression=compression)
    final = staging / f"{FINAL}{ENDINGS[compression]}"
    async with target.open_list(written=0, in_doubt=0):
        results = [*await target.write(ids(5, 6)), *await target.write(ids(7))]
        assert not final.exists()
        await target.close_list(3)
    assert [result.target_id for result in results] == ["1", "2", "3"]
    assert UNPACK[compression](final.read_bytes()) == b'{"id":5}\n{"id":6}\n{"id":7}\n'
    assert list(contents(staging)) == [final.name]


async def test_the_directory_is_made_and_all_that_is_in_it_is_private(tmp_path: Path, opened: Open) -> None:
    await written(opened(), ids(1))
    folder = tmp_path / "staging"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / PART).stat().st_mode) == 0o600


async def test_numbers_keep_their_digits(staging: Path, opened: Open) -> None:
    body = {"id": 1, "price": Decimal("0.12345678901234567"), "big": Decimal(12345678901234567890123)}
    await written(opened(), items(body))
    text = (staging / PART).read_bytes()
    assert text == b'{"id":1,"price":0.12345678901234567,"big":12345678901234567890123}\n'


async def test_writes_side_by_side_all_come_to_be(staging: Path, opened: Open) -> None:
    target = opened(compression="gzip")
    numbers: dict[int, str | None] = {}

    async def write(number: int) -> None:
        (result,) = await target.write(ids(number))
        numbers[number] = result.target_id

    async with target.open_list(written=0, in_doubt=0):
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(write, number)
        await target.close_list(40)
    lines = gzip.decompress((staging / f"{FINAL}.gz").read_bytes()).splitlines()
    rows = [orjson.loads(line) for line in lines]
    assert {row["id"]: str(place) for place, row in enumerate(rows, 1)} == numbers


@pytest.mark.parametrize("compression", ALL)
async def test_a_torn_append_is_cut_off_when_the_file_is_taken_up(
    staging: Path, opened: Open, compression: str
) -> None:
    await written(opened(compression=compression), ids(1, 2))
    part = staging / f".{FINAL}{ENDINGS[compression]}.part"
    whole = part.read_bytes()
    pieces: dict[str, tuple[bytes, ...]] = {
        "none": (b'{"id":3', b'{"id":3}', b"\0" * 9, b'{"i\0\0}\n{"id":4}\n'),
        "gzip": (gzip.compress(b'{"id":3}\n')[:-1], b"\x1f", b"\0" * 9, b"what"),
        "zstd": (zstandard.compress(b'{"id":3}\n')[:-1], b"\x28", b"\0" * 9, b"what"),
    }
    for torn in pieces[compression]:
        part.write_bytes(whole + torn)
        target = opened(compression=compression)
        async with target.open_list(written=2, in_doubt=5):
            assert part.read_bytes() == whole
            assert await rows_of(target) == [{"id": 1}, {"id": 2}]
            (result,) = await target.write(ids(9))
            assert result.target_id == "3"
            await target.close_list(3)
        final = staging / f"{FINAL}{ENDINGS[compression]}"
        assert UNPACK[compression](final.read_bytes()) == b'{"id":1}\n{"id":2}\n{"id":9}\n'
        final.unlink()


async def test_rows_in_doubt_are_read_back_with_their_numbers(opened: Open) -> None:
    await written(opened(), ids(1), ids(2, 3))
    target = opened()
    async with target.open_list(written=1, in_doubt=2):
        page = await target.list().fetch(PageQuery(limit=10))
        assert [record.data[target.id_field] for record in page.records] == ["1", "2", "3"]
        assert [record.id for record in page.records] == ["1", "2", "3"]


async def test_nothing_is_listed_of_a_file_that_is_not_open(staging: Path, opened: Open) -> None:
    (staging / FINAL).write_bytes(b'{"id":1}\n')
    assert await rows_of(opened()) == []


@pytest.mark.parametrize(
    ("count", "in_doubt", "said"),
    [
        (4, 3, "holds 3 whole rows, and the ledger says that 4 were"),
        (1, 1, "holds 3 rows, of which this ledger"),
    ],
)
async def test_a_part_that_is_not_what_the_ledger_says_is_left_alone(
    staging: Path, opened: Open, count: int, in_doubt: int, said: str
) -> None:
    await written(opened(), ids(1, 2, 3))
    with (staging / PART).open("ab") as part:
        part.write(b"{torn")
    before = (staging / PART).read_bytes()
    with pytest.raises(LedgerError, match=said):
        async with opened().open_list(written=count, in_doubt=in_doubt):
            pass
    assert (staging / PART).read_bytes() == before


async def test_a_part_that_is_gone_is_told(staging: Path, opened: Open) -> None:
    with pytest.raises(LedgerError, match=r"\.part is not there, in which the ledger says that 5 rows stand"):
        async with opened().open_list(written=5, in_doubt=0):
            pass
    assert contents(staging) == {}


async def test_a_changed_compression_is_told(opened: Open) -> None:
    await written(opened(), ids(1))
    with pytest.raises(LedgerError, match=r"orders\.jsonl\.part is: put format and compression back"):
        async with opened(compression="gzip").open_list(written=1, in_doubt=0):
            pass


async def test_a_first_write_that_never_came_begins_the_file(staging: Path, opened: Open) -> None:
    target = opened()
    async with target.open_list(written=0, in_doubt=3):
        assert await rows_of(target) == []
        await target.write(ids(1))
        await target.close_list(1)
    assert (staging / FINAL).read_bytes() == b'{"id":1}\n'


@pytest.mark.parametrize("name", [FINAL, PART, "orders.csv", "orders.jsonl.gz"])
async def test_a_file_in_the_way_is_refused_and_kept(staging: Path, opened: Open, name: str) -> None:
    content = gzip.compress(b'{"id":1}\n') if name.endswith(".gz") else b'{"id":1}\n'
    (staging / name).write_bytes(content)
    with pytest.raises(
        ConfigError, match=rf"disk\.orders: {name.replace('.', '[.]')} is there.* move it away"
    ):
        await written(opened(), ids(2))
    assert contents(staging) == {name: content}


@pytest.mark.parametrize("name", [FINAL, PART, f"{FINAL}.gz"])
async def test_a_file_without_rows_is_in_nobodys_way(staging: Path, opened: Open, name: str) -> None:
    (staging / name).touch()
    target = opened(compression="gzip" if name.endswith(".gz") else "none")
    assert [result.verdict for result in await written(target, ids(2))] == [Verdict.WRITTEN]


async def test_overwriting_replaces_the_file_when_the_new_one_is_whole(staging: Path, opened: Open) -> None:
    (staging / FINAL).write_bytes(b"old\n")
    target = opened(overwrite="yes")
    async with target.open_list(written=0, in_doubt=0):
        await target.write(ids(1))
        assert (staging / FINAL).read_bytes() == b"old\n"
        await target.close_list(1)
    assert (staging / FINAL).read_bytes() == b'{"id":1}\n'
    assert list(contents(staging)) == [FINAL]


async def test_the_file_to_be_replaced_is_never_taken_for_the_new_one(staging: Path, opened: Open) -> None:
    (staging / FINAL).write_bytes(b'{"id":1}\n')
    await written(opened(overwrite="yes"), ids(1))
    (staging / PART).unlink()
    with pytest.raises(LedgerError, match="is not there"):
        async with opened(overwrite="yes").open_list(written=1, in_doubt=0):
            pass


async def test_overwriting_begins_a_part_anew_that_another_ledger_began(staging: Path, opened: Open) -> None:
    (staging / PART).write_bytes(b'{"id":7}\n')
    await written(opened(overwrite="yes"), ids(1))
    assert (staging / PART).read_bytes() == b'{"id":1}\n'


@pytest.mark.parametrize("overwrite", ["no", "yes"])
async def test_a_run_that_ended_between_renaming_and_its_ledger_ends_well(
    staging: Path, opened: Open, overwrite: str
) -> None:
    if overwrite == "yes":
        (staging / FINAL).write_bytes(b"old\n")
    for _ in range(2):
        target = opened(overwrite=overwrite)
        async with target.open_list(written=0, in_doubt=0):
            await target.write(ids(1, 2))
            await target.close_list(2)
        again = opened(overwrite=overwrite)
        async with again.open_list(written=2, in_doubt=0):
            assert await rows_of(again) == [{"id": 1}, {"id": 2}]
            await again.close_list(2)
        assert (staging / FINAL).read_bytes() == b'{"id":1}\n{"id":2}\n'
        if overwrite == "no":
            return


async def test_a_whole_file_can_be_added_to_and_stays_whole_meanwhile(staging: Path, opened: Open) -> None:
    first = opened(compression="zstd")
    async with first.open_list(written=0, in_doubt=0):
        await first.write(ids(1))
        await first.close_list(1)
    final = staging / f"{FINAL}.zst"
    before = final.read_bytes()
    target = opened(compression="zstd")
    async with target.open_list(written=1, in_doubt=1):
        await target.write(ids(2))
        assert final.read_bytes() == before
        await target.close_list(2)
    assert UNPACK["zstd"](final.read_bytes()) == b'{"id":1}\n{"id":2}\n'
    assert list(contents(staging)) == [final.name]


async def test_a_list_that_does_not_hold_what_was_written_is_not_closed(staging: Path, opened: Open) -> None:
    target = opened()
    async with target.open_list(written=0, in_doubt=0):
        await target.write(ids(1, 2))
        with pytest.raises(BadAnswerError, match="holds 2 rows, and the ledger says that 3 were written"):
            await target.close_list(3)
    assert list(contents(staging)) == [PART]


@pytest.mark.parametrize("compression", ALL)
async def test_a_list_without_rows_is_an_empty_file(staging: Path, opened: Open, compression: str) -> None:
    for _ in range(2):  # the second time as after a kill between renaming and the ledger
        target = opened(compression=compression)
        async with target.open_list(written=0, in_doubt=0):
            await target.close_list(0)
    assert UNPACK[compression]((staging / f"{FINAL}{ENDINGS[compression]}").read_bytes()) == b""


async def test_two_runs_never_write_one_file(staging: Path, opened: Open) -> None:
    async with opened().open_list(written=0, in_doubt=0):
        with pytest.raises(ConfigError, match="another run is writing"):
            async with opened(overwrite="yes").open_list(written=0, in_doubt=0):
                pass
    assert (staging / PART).read_bytes() == b""


async def test_a_file_that_another_run_finished_meanwhile_is_left_alone(
    staging: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the part and locking it, its other writer gives it its name."""

    def late(descriptor: int) -> bool:
        if not (staging / FINAL).exists():
            (staging / PART).write_bytes(b'{"id":1}\n')
            (staging / PART).replace(staging / FINAL)
        return lock(descriptor)

    monkeypatch.setattr("bulkmove.connectors.files.part.lock", late)
    with pytest.raises(ConfigError, match=r"orders\.jsonl is there already"):
        await written(opened(), ids(2))
    assert contents(staging) == {FINAL: b'{"id":1}\n'}


async def test_a_part_that_anyone_could_read_becomes_private(staging: Path, opened: Open) -> None:
    (staging / PART).touch(mode=0o644)
    (staging / PART).chmod(0o644)
    await written(opened(), ids(1))
    assert stat.S_IMODE((staging / PART).stat().st_mode) == 0o600


async def test_nothing_is_left_of_a_run_that_was_killed_behind_its_renaming(
    staging: Path, opened: Open
) -> None:
    (staging / FINAL).write_bytes(b"old\n")
    await written(opened(overwrite="yes"), ids(1))
    (staging / PART).replace(staging / FINAL)
    target = opened(overwrite="yes")
    async with target.open_list(written=1, in_doubt=0):
        await target.close_list(1)
    assert contents(staging) == {FINAL: b'{"id":1}\n'}


async def test_an_append_that_fails_leaves_nothing_of_it(
    staging: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full after half of an append, which only the system can make."""
    target = opened()
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2])

    async with target.open_list(written=0, in_doubt=0):
        await target.write(ids(1))
        with monkeypatch.context() as full:
            full.setattr("os.write", half)
            with pytest.raises(HostUnavailableError, match="No space left on device"):
                await target.write(ids(*range(50)))
        assert (staging / PART).read_bytes() == b'{"id":1}\n'
        (result,) = await target.write(ids(2))
        assert result.target_id == "2"
        await target.close_list(2)


async def test_a_directory_that_can_not_be_written_is_told(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "staging").write_text("a file")
    with pytest.raises(HostUnavailableError, match=r"staging.* can't be written"):
        await written(opened(), ids(1))


async def test_a_body_that_names_a_row_is_rejected_alone(opened: Open) -> None:
    update = WriteItem("1", {}, b"{}")
    results = await written(opened(), [*ids(1), update, *ids(2)])
    assert [result.verdict for result in results] == [Verdict.WRITTEN, Verdict.REJECTED, Verdict.WRITTEN]
    assert [result.target_id for result in results] == ["1", None, "2"]


def test_an_option_that_is_none_is_refused(opened: Open) -> None:
    with pytest.raises(ConfigError, match=r"option format = 'cvs' is none of jsonl, csv; did you mean 'csv'"):
        opened(format="cvs")
    with pytest.raises(ConfigError, match="option columns must name each column once"):
        opened(format="csv", columns="id,id")
    with pytest.raises(ConfigError, match="option columns must name each column once"):
        opened(format="csv", columns="id,a\0b")


class TestCsv:
    """The header is that of the first rows, or what `columns` says."""

    async def test_values_become_texts_and_nested_ones_json(self, staging: Path, opened: Open) -> None:
        body = {
            "id": 1,
            "note": 'a "b",\r\nc\rd',
            "return": "a\rb",
            "none": None,
            "yes": True,
            "price": Decimal("1.10"),
            "lines": [{"name": "Rochie"}],
        }
        target = opened(format="csv", compression="gzip")
        async with target.open_list(written=0, in_doubt=0):
            await target.write(items(body))
            assert await rows_of(target) == [target.comparable(body)]
            await target.close_list(1)
        lines = gzip.decompress((staging / "orders.csv.gz").read_bytes())
        assert lines.startswith(b"id,note,return,none,yes,price,lines\n")
        assert lines.endswith(b',,true,1.10,"[{""name"":""Rochie""}]"\n')

    async def test_cells_are_the_same_whoever_decoded_the_body(self, staging: Path, opened: Open) -> None:
        body = {
            "id": 1,
            "price": Decimal("12.50"),
            "long": Decimal("58.340000000000003"),
            "huge": 1e22,
            "tiny": Decimal("0E-7"),
            "lines": [{"price": Decimal("1.10"), "name": "007", "is_new": True}],
        }
        (fresh,) = items(body)
        kept = WriteItem(None, decode_json(fresh.encoded), fresh.encoded)
        target = opened(format="csv")
        async with target.open_list(written=0, in_doubt=0):
            await target.write([fresh, kept])
            found = await rows_of(target)
        assert found == [target.comparable(kept.body)] * 2
        header, first, second = (staging / ".orders.csv.part").read_text().splitlines()
        assert header == "id,price,long,huge,tiny,lines"
        assert first == second
        huge = encode_json(1e22).decode()
        assert first.startswith(f'1,12.50,58.340000000000003,{huge},0E-7,"[{{""price"":1.10,')

    def test_other_values_never_compare_as_the_same(self, opened: Open) -> None:
        target = opened(format="csv")
        for one, other in [("007", "7"), (12.5, 12.51), ([1.5], ["1.5"]), ([1], [2]), (True, 1)]:
            assert target.comparable({"a": one}) != target.comparable({"a": other})

    @pytest.mark.parametrize("name", ["", "a\0b", "\ufeffid"])
    async def test_a_field_whose_name_no_header_carries_costs_its_record(
        self, staging: Path, opened: Open, name: str
    ) -> None:
        results = await written(opened(format="csv"), items({"id": 1, name: 2}, {"id": 3}))
        assert [result.cause for result in results] == ["no-column", None]
        assert (staging / ".orders.csv.part").read_text() == "id\n3\n"

    async def test_a_body_without_fields_is_no_row(self, staging: Path, opened: Open) -> None:
        results = await written(opened(format="csv"), items({}), items({"id": 1}))
        assert [result.cause for result in results] == ["no-column", None]
        assert (staging / ".orders.csv.part").read_text() == "id\n1\n"

    async def test_a_field_without_a_column_costs_one_record(self, staging: Path, opened: Open) -> None:
        target = opened(format="csv")
        first = items({"id": 1, "a": "x"}, {"id": 2, "b": "y"})
        results = await written(target, first, items({"id": 3, "c": "z"}), items({"b": "w", "id": 4}))
        assert [result.cause for result in results] == [None, None, "no-column", None]
        assert (staging / ".orders.csv.part").read_text() == "id,a,b\n1,x,\n2,,y\n4,,w\n"

    async def test_columns_can_be_named(self, staging: Path, opened: Open) -> None:
        target = opened(format="csv", columns="b, id")
        results = await written(target, items({"id": 1, "b": "x"}, {"id": 2, "a": 1}))
        assert [result.cause for result in results] == [None, "no-column"]
        assert (staging / ".orders.csv.part").read_text() == "b,id\nx,1\n"

    async def test_a_zero_byte_costs_one_record(self, opened: Open) -> None:
        results = await written(opened(format="csv"), items({"id": "a\0"}, {"id": 2}))
        assert [result.cause for result in results] == ["zero-byte", None]

    @pytest.mark.parametrize("compression", ALL)
    async def test_a_torn_row_is_cut_off_and_the_header_is_gone_on_with(
        self, staging: Path, opened: Open, compression: str
    ) -> None:
        options = {"format": "csv", "compression": compression}
        await written(opened(**options), items({"id": 1, "note": "a\nb"}, {"id": 2, "note": "c"}))
        part = staging / f".orders.csv{ENDINGS[compression]}.part"
        whole = part.read_bytes()
        part.write_bytes(whole + (b'3,"d\n4,e\n' if compression == "none" else b"\x1f\x8b"))
        target = opened(**options)
        async with target.open_list(written=2, in_doubt=2):
            assert await rows_of(target) == [{"id": "1", "note": "a\nb"}, {"id": "2", "note": "c"}]
            await target.write(items({"note": "f", "id": 5}))
            await target.close_list(3)
        text = UNPACK[compression]((staging / f"orders.csv{ENDINGS[compression]}").read_bytes())
        assert text == b'id,note\n1,"a\nb"\n2,c\n5,f\n'
