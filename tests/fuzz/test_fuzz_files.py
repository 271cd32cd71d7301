"""Files as sources: whatever stands in them, rows come, or an error of ours that names the file."""

from __future__ import annotations

import gzip
import tempfile
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.connectors.files import CONNECTOR
from bulkmove.connectors.files.names import SHAPES, Shape
from bulkmove.connectors.files.reading import Reader, columns_of, holds_rows, scan
from bulkmove.errors import BadAnswerError, BulkmoveError
from bulkmove.exact import is_utf8
from bulkmove.model import PageQuery
from bulkmove.settings import HostSettings
from tests.fuzz.conftest import Run
from tests.fuzz.odd_hosts import answering, check_page, route_of
from tests.fuzz.odd_json import LEAVES, ODD, bytes_of, written

LONGEST = 4096
PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
CELLS = st.one_of(
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=8),
    st.sampled_from(
        [
            b'"',
            b'""',
            b'"a\nb"',
            b'"a',
            b'a"',
            b"\r",
            b"\0",
            b"\xff",
            b"\xef\xbb\xbf",
            b"x" * 5000,
            b"id",
            b"=1+1",
        ]
    ),
)
LINES = {
    "jsonl": st.one_of(
        st.dictionaries(st.sampled_from(["id", "date_modified", "a"]), LEAVES, max_size=3)
        .map(written)
        .map(lambda text: text.encode("utf-8", "surrogatepass")),
        ODD.map(written).map(lambda text: text.encode("utf-8", "surrogatepass")),
        bytes_of({"id": 1, "a": {"b": [1]}}),
        st.sampled_from([b"", b"{", b"{" * 5000, b"null", b"\xef\xbb\xbf{}", b"\r", b"{}" * 3000]),
    ),
    "csv": st.lists(CELLS, max_size=4).map(b",".join),
}


@st.composite
def file_of(draw: st.DrawFn, shape: Shape) -> bytes:
    """A file of odd lines, packed as its name says, cut or scrambled now and then."""
    lines = draw(st.lists(LINES[shape.format], max_size=6))
    head = [b"id,date_modified,a"] if shape.format == "csv" and draw(st.booleans()) else []
    text = draw(st.sampled_from([b"\n", b"\r\n"])).join([*head, *lines]) + draw(st.sampled_from([b"", b"\n"]))
    packed = PACK[shape.compression](text)
    match draw(st.integers(0, 5)):
        case 0:
            return packed[: draw(st.integers(0, len(packed)))]
        case 1:
            at = draw(st.integers(0, len(packed)))
            return packed[:at] + draw(st.binary(max_size=4)) + packed[at + 2 :]
        case 2:
            return packed + draw(st.sampled_from([packed, b"\0" * 5, b"rest", PACK["gzip"](b"{}\n")]))
        case 3:
            return draw(st.binary(max_size=60))
        case _:
            return packed


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.ending)
@given(data=st.data())
def test_a_file_is_rows_or_an_error_of_ours(shape: Shape, data: st.DataObject, run: Run) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / f"orders{shape.ending}").write_bytes(data.draw(file_of(shape)))
        host = HostSettings("disk", "files", directory, max_response_bytes=LONGEST)
        source = CONNECTOR.source("orders", answering(host, [b""]), route_of("orders"))

        async def read_all() -> None:
            offset, limit = 0, data.draw(st.integers(1, 4))
            for _ in range(100):
                page = await source.fetch(PageQuery(limit, offset))
                check_page(page)
                for record in page.records:
                    assert record.fault is None or is_utf8(record.fault)
                offset += len(page.records)
                if not page.has_next:
                    return
            raise AssertionError("it does not end")

        with suppress(BulkmoveError):
            run(read_all())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.ending)
@given(data=st.data())
def test_what_a_file_holds_can_be_asked_of_any_file(shape: Shape, data: st.DataObject) -> None:
    content = data.draw(file_of(shape))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"orders{shape.ending}"
        path.write_bytes(content)
        found = scan(path, shape)
        assert 0 <= found.end <= found.size == len(content)
        holds_rows(path, shape, longest=LONGEST)
        with suppress(BadAnswerError):
            columns_of(path, shape, longest=LONGEST)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_packed_line_without_end_takes_no_memory(form: str, compression: str, tmp_path: Path) -> None:
    shape = next(each for each in SHAPES if (each.format, each.compression) == (form, compression))
    path = tmp_path / f"orders{shape.ending}"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(PACK[compression](b"x" * 2**20))
    tracemalloc.start()
    try:
        reader = Reader(path, shape, longest=LONGEST)
        with suppress(BadAnswerError):
            while reader.page(10)[1]:
                pass
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
