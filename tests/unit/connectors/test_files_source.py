"""Rows out of files: in their order, once, exactly; a bad row costs one row, a bad file is named."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from bulkmove.connectors.files import CONNECTOR
from bulkmove.connectors.files.compression import pack
from bulkmove.connectors.files.source import PAGE_ROWS
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.extract.once import read_once
from bulkmove.model import PageQuery, Record
from bulkmove.protocols import Source
from bulkmove.settings import HostSettings, RouteSettings

Open = Callable[..., Source]


@pytest.fixture
def opened(tmp_path: Path, host: Callable[..., HostSettings], route: Callable[..., RouteSettings]) -> Open:
    """The source of stream "orders" in this test's directory; keywords are the host's settings."""

    def make(*, where: dict[str, str] | None = None, **settings: Any) -> Source:
        settled = host(name="disk", api="files", url=str(tmp_path), **settings)
        return CONNECTOR.source(
            "orders", ScriptedTransport(settled, lambda _: answer()), route(where=where or {})
        )

    return make


async def read(source: Source) -> list[Record]:
    found: list[Record] = []

    async def sink(records: Any) -> None:
        found.extend(records)

    await read_once(source, limit=source.listing.page_limit, sink=sink)
    return found


def lines(*rows: Any) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def many(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"Rochie {number} 👗"} for number in range(count)]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("ending", list(PACKED))
async def test_all_rows_come_in_their_order(tmp_path: Path, opened: Open, ending: str) -> None:
    rows = many(2 * PAGE_ROWS + 7)
    (tmp_path / f"orders.jsonl{ending}").write_bytes(PACKED[ending](lines(*rows)))
    records = await read(opened())
    assert [record.data for record in records] == rows
    assert records[3].id == "3"


@pytest.mark.parametrize("ending", [".gz", ".zst"])
async def test_a_file_of_several_members_is_one_file(tmp_path: Path, opened: Open, ending: str) -> None:
    rows = many(9)
    members = b"".join(PACKED[ending](lines(*rows[start : start + 2])) for start in range(0, 9, 2))
    (tmp_path / f"orders.jsonl{ending}").write_bytes(members)
    assert [record.data for record in await read(opened())] == rows


async def test_padding_behind_a_gzip_member_is_none_of_it(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "orders.jsonl.gz").write_bytes(gzip.compress(lines({"id": 1})) + bytes(512))
    assert [record.id for record in await read(opened())] == ["1"]


async def test_the_version_is_the_date_of_the_last_change(tmp_path: Path, opened: Open) -> None:
    rows = ({"id": 1, "date_modified": "2024-01-31T10:00:00+02:00"}, {"id": 2, "date_modified": 5}, {"id": 3})
    (tmp_path / "orders.jsonl").write_bytes(lines(*rows))
    assert [record.version for record in await read(opened())] == ["2024-01-31T10:00:00+02:00", None, None]


async def test_numbers_keep_their_digits(tmp_path: Path, opened: Open) -> None:
    text = b'{"id":1,"a":0.12345678901234567,"b":12345678901234567890123,"c":1e400,"d":58.340000000000003}\n'
    (tmp_path / "orders.jsonl").write_bytes(text)
    (record,) = await read(opened())
    assert record.data == {
        "id": 1,
        "a": Decimal("0.12345678901234567"),
        "b": Decimal(12345678901234567890123),
        "c": Decimal("1e400"),
        "d": 58.34,
    }


async def test_a_row_is_known_by_the_field_that_the_host_names(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "orders.jsonl").write_bytes(lines({"code": "a-1", "id": 9}))
    (record,) = await read(opened(options={"id_field": "code"}))
    assert record.id == "a-1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"id": 2', "line 3 of orders.jsonl is not JSON"),
        (b"\xff\xfe", "line 3 of orders.jsonl is not JSON"),
        (b"[2]", "line 3 of orders.jsonl is no JSON object"),
        (b'{"id": "' + b"x" * 2000 + b'"}', "line 3 of orders.jsonl is too long to be a row"),
    ],
)
async def test_a_bad_line_costs_one_record(tmp_path: Path, opened: Open, text: bytes, fault: str) -> None:
    (tmp_path / "orders.jsonl").write_bytes(lines({"id": 1}) + b"\n" + text + b"\n" + lines({"id": 3}))
    first, bad, last = await read(opened(max_response_bytes=1000))
    assert (first.fault, last.fault) == (None, None)
    assert (first.id, last.id) == ("1", "3")
    assert str(bad.id).startswith("(bad row) orders.jsonl:3 ")
    assert bad.fault == fault


@pytest.mark.parametrize(("name", "form"), [("orders.jsonl", "{}{}"), ("orders.csv", 'id\n"{}"x{}')])
async def test_a_bad_line_in_the_place_of_another_is_a_new_record(
    tmp_path: Path, opened: Open, name: str, form: str
) -> None:
    named = []
    for text in ("a", "b", "a", "x" * 1500, "x" * 1600):
        (tmp_path / name).write_text(form.format(text, "\n"))
        named += [record.id for record in await read(opened(max_response_bytes=1000)) if record.fault]
    assert len(named) == 5
    assert len(set(named)) == 4
    assert named[0] == named[2]


async def test_a_last_line_without_its_end_is_a_row(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "orders.jsonl").write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}')
    assert [record.data for record in await read(opened())] == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
async def test_what_stands_before_damage_is_read_and_the_damage_is_named(
    tmp_path: Path, opened: Open, ending: str, damage: str
) -> None:
    whole = PACKED[ending](lines(*many(20)))
    packed = pack(os.urandom(5000).hex().encode() + b"\n", "gzip" if ending == ".gz" else "zstd")
    torn = packed[:-2] if damage == "cut" else packed[:-3] + bytes([packed[-3] ^ 1]) + packed[-2:]
    (tmp_path / f"orders.jsonl{ending}").write_bytes(whole + torn)
    found: list[Record] = []

    async def sink(records: Any) -> None:
        found.extend(records)

    with pytest.raises(BadAnswerError, match=rf"orders\.jsonl\{ending}: (ends within|holds damaged)"):
        await read_once(opened(), limit=50, sink=sink)
    assert len(found) >= 20


async def test_a_page_can_be_fetched_again_from_any_row(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "orders.jsonl").write_bytes(lines(*many(30)))
    source = opened()
    for offset in (0, 5, 10, 3, 29, 30, 0):
        page = await source.fetch(PageQuery(limit=5, offset=offset))
        assert [record.data["id"] for record in page.records] == list(range(30))[offset : offset + 5]


async def test_going_on_reads_what_follows_and_not_what_was_read(tmp_path: Path, opened: Open) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(lines(*({"id": n, "pad": "x" * 50_000} for n in range(100))))
    source = opened()
    await source.fetch(PageQuery(limit=50))
    with file.open("r+b") as changed:  # unseen, since neither size nor time of change tell
        stat = file.stat()
        changed.write(b"{bad")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    page = await source.fetch(PageQuery(limit=50, offset=50))
    assert [record.id for record in page.records] == [str(n) for n in range(50, 100)]


@pytest.mark.parametrize("change", ["longer", "touched", "another file"])
async def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, opened: Open, change: str
) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(lines(*many(20)))
    source = opened()
    await source.fetch(PageQuery(limit=5))
    if change == "longer":
        with file.open("ab") as longer:
            longer.write(b"{}\n")
    elif change == "touched":
        os.utime(file, ns=(1, 1))
    else:
        file.replace(tmp_path / "old")
        file.write_bytes(lines(*many(20)))
    with pytest.raises(BadAnswerError, match="was changed while it was read"):
        await source.fetch(PageQuery(limit=5, offset=5))


async def test_a_stream_of_two_files_is_refused(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "orders.jsonl").touch()
    (tmp_path / "orders.csv.gz").touch()
    with pytest.raises(ConfigError, match=r"holds orders\.jsonl and orders\.csv\.gz; leave the one"):
        await read(opened())


async def test_a_stream_without_a_file_is_refused(opened: Open) -> None:
    with pytest.raises(ConfigError, match=r"disk\.orders: there is no orders\.jsonl in"):
        await read(opened())


async def test_a_file_that_is_not_finished_is_no_file_yet(tmp_path: Path, opened: Open) -> None:
    (tmp_path / ".orders.jsonl.zst.part").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"\.orders\.jsonl\.zst\.part, which the route that writes it"):
        await read(opened())


def test_a_filter_is_refused(opened: Open) -> None:
    with pytest.raises(ConfigError, match=r"'since' is no filter of shop\.orders"):
        opened(where={"since": "x"})


async def test_an_empty_file_has_no_rows(tmp_path: Path, opened: Open) -> None:
    for ending, packed in PACKED.items():
        for name in ("orders.jsonl", "orders.csv"):
            (tmp_path / f"{name}{ending}").write_bytes(packed(b""))
            assert await read(opened()) == []
            (tmp_path / f"{name}{ending}").unlink()


@pytest.mark.parametrize("ending", [".gz", ".zst"])
async def test_a_packed_file_without_bytes_is_a_cut_one(tmp_path: Path, opened: Open, ending: str) -> None:
    (tmp_path / f"orders.jsonl{ending}").touch()
    with pytest.raises(BadAnswerError, match="ends before its first"):
        await read(opened())


async def test_memory_does_not_grow_with_the_file(tmp_path: Path, opened: Open) -> None:
    row = orjson.dumps({"id": 1, "pad": "x" * 3000}) + b"\n"
    (tmp_path / "orders.jsonl.gz").write_bytes(b"".join(gzip.compress(row * 200) for _ in range(200)))
    source, rows = opened(), 0
    tracemalloc.start()
    while True:
        page = await source.fetch(PageQuery(limit=500, offset=rows))
        rows += len(page.records)
        if not page.has_next:
            break
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 40_000
    assert peak < 20_000_000  # of 120 MB


class TestCsv:
    """Values are text, and nothing else."""

    async def test_rows_are_texts_by_their_column(self, tmp_path: Path, opened: Open) -> None:
        (tmp_path / "orders.csv").write_bytes(
            '\ufeffid,name,note\r\n1,"Rochie, ""verde""\nlungă",\r\n2,007,x\r\n'.encode()
        )
        records = await read(opened())
        assert [record.data for record in records] == [
            {"id": "1", "name": 'Rochie, "verde"\nlungă', "note": None},
            {"id": "2", "name": "007", "note": "x"},
        ]
        assert [record.id for record in records] == ["1", "2"]

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            (b"2,b,c", "line 3 of orders.csv has 3 cells, where the header has 2"),
            (b"2", "line 3 of orders.csv has 1 cells, where the header has 2"),
            (b"  ", "line 3 of orders.csv has 1 cells, where the header has 2"),
            (b'"2"x,b', "line 3 of orders.csv is not CSV"),
            (b"2,\xff", "line 3 of orders.csv is not UTF-8 text"),
        ],
    )
    async def test_a_bad_row_costs_one_record(
        self, tmp_path: Path, opened: Open, line: bytes, fault: str
    ) -> None:
        (tmp_path / "orders.csv").write_bytes(b"id,name\n1,a\n" + line + b"\n3,c\n")
        first, bad, last = await read(opened())
        assert (first.id, last.id, last.data) == ("1", "3", {"id": "3", "name": "c"})
        assert str(bad.id).startswith("(bad row) orders.csv:3 ")
        assert bad.fault == fault

    @pytest.mark.parametrize("line", [b"2," + b"x" * 2000, b'2,"' + b"x" * 2000 + b'"'])
    async def test_a_line_that_is_too_long_costs_one_record(
        self, tmp_path: Path, opened: Open, line: bytes
    ) -> None:
        (tmp_path / "orders.csv").write_bytes(b"id,name\n1,a\n" + line + b"\n3,c\n")
        first, bad, last = await read(opened(max_response_bytes=1000))
        assert (first.id, last.id) == ("1", "3")
        assert bad.fault == "line 3 of orders.csv is too long to be a row"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b'2,"' + b"x\n" * 2000 + b'9,c\n"\n', "the quotes that line 3 opens hold more than a row may"),
            (b'2,"' + b"x" * 2000 + b'\n9,c\n"\n', "line 3 is too long, and has a quoted cell"),
            (b'2,"\n' + b"x" * 2000 + b'\n9,c\n"\n', "line 4 is too long, and has a quoted cell"),
        ],
    )
    async def test_what_quotes_hold_never_becomes_rows(
        self, tmp_path: Path, opened: Open, text: bytes, said: str
    ) -> None:
        (tmp_path / "orders.csv").write_bytes(b"id,name\n1,a\n" + text + b"3,c\n")
        found: list[Record] = []

        async def sink(records: Any) -> None:
            found.extend(records)

        with pytest.raises(BadAnswerError, match=said):
            await read_once(opened(max_response_bytes=1000), limit=50, sink=sink)
        assert [record.id for record in found] == ["1"]

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ('2,"b\n3,c\n4,d\n', [3, 4, 5]),  # to the end of the file
            ('2,"b\n3,c\n4,"d"\n9,z\n', [3, 4, 5]),
            ('2,"b\n\n4,x",y\n9,z\n', [3, 5]),  # a blank line is no row
            ('"2"x,"b\n3,c\n4,d"\n9,z\n', [3, 4, 5]),  # a second quote opens behind the error
            ("2,a\rb\n9,z\n", [3]),
            ('2,a\r"b,c\n9,z\n', [3]),
        ],
    )
    async def test_a_stray_quote_names_each_line_that_it_costs(
        self, tmp_path: Path, opened: Open, text: str, lines: list[int]
    ) -> None:
        (tmp_path / "orders.csv").write_bytes(b"id,name\n1,a\n" + text.encode())
        first, *others = await read(opened())
        assert first.data == {"id": "1", "name": "a"}
        bad = [str(record.id).split(":")[1].split()[0] for record in others if record.fault is not None]
        assert bad == [str(number) for number in lines]
        good = [record.id for record in others if record.fault is None]
        assert good == (["9"] if "9,z" in text else [])

    async def test_a_quote_within_a_cell_is_part_of_it(self, tmp_path: Path, opened: Open) -> None:
        (tmp_path / "orders.csv").write_text('id,name\n1,5" pipe\n2,b\n')
        assert [record.data["name"] for record in await read(opened())] == ['5" pipe', "b"]

    @pytest.mark.parametrize("header", ["id,id", "id,,name"])
    async def test_a_header_that_names_no_columns_is_refused(
        self, tmp_path: Path, opened: Open, header: str
    ) -> None:
        (tmp_path / "orders.csv").write_text(f"{header}\n1,2\n")
        with pytest.raises(BadAnswerError, match=r"orders\.csv: its first line must name each column"):
            await read(opened())

    async def test_a_cell_may_be_long(self, tmp_path: Path, opened: Open) -> None:
        (tmp_path / "orders.csv").write_text(f"id,lines\n1,{'x' * 200_000}\n")
        (record,) = await read(opened())
        assert len(record.data["lines"]) == 200_000

    async def test_a_page_can_be_fetched_again_from_any_row(self, tmp_path: Path, opened: Open) -> None:
        rows = "".join(f'{n},"a\nb"\n' for n in range(20))
        (tmp_path / "orders.csv").write_text("id,name\n" + rows)
        source = opened()
        for offset in (0, 7, 4):
            page = await source.fetch(PageQuery(limit=3, offset=offset))
            assert [record.id for record in page.records] == [str(offset + n) for n in range(3)]
