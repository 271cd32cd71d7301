"""What stands in a compressed file, piece by piece and in bounded memory, and members that can be appended to one.

A gzip member or zstd frame of its own for each append: files of many are as good as files of one, and a torn one
at the end can be cut off.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, get_args

from bulkmove.errors import ConfigError

try:
    import zstandard
except ImportError:  # an extra of the package
    _HAS_ZSTD = False
else:
    _HAS_ZSTD = True

Compression = Literal["none", "gzip", "zstd"]
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)

_GZIP_WBITS = 31
# zlib's default takes three times as long and saves a tenth.
_GZIP_LEVEL = 3
_ZSTD_LEVEL = 3
_MOST_UNPACKED = 1024 * 1024
# A zstd frame tells nothing of how much it unpacks to before it does: 4 bytes can become 128 KB, so it is fed in
# small pieces.
_ZSTD_FEED = 4096


class Piece(NamedTuple):
    """Some unpacked bytes. `end`: a member is complete with them, at this place of the packed file; None within one."""

    data: bytes
    end: int | None


class CutError(Exception):
    """What follows can't be read: the file ends within a member or a quoted cell, or is damaged."""


def check_compression(compression: Compression) -> None:
    """Raises ConfigError for a compression whose library is not installed."""
    if compression == "zstd" and not _HAS_ZSTD:
        raise ConfigError(
            'compression = "zstd" needs the package zstandard: pip install "bulkmove[zstd]", or take "gzip"'
        )


def pack(data: bytes, compression: Compression) -> bytes:
    """One member, checksum included."""
    match compression:
        case "none":
            return data
        case "gzip":
            packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
            return packer.compress(data) + packer.flush()
        case "zstd":
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compress(data)


def unpack(chunks: Iterable[bytes], compression: Compression) -> Iterator[Piece]:
    """All members, one after the other. Raises CutError where the chunks end within one, or are no such file."""
    match compression:
        case "none":
            return _as_they_are(chunks)
        case "gzip":
            return _ungzip(chunks)
        case "zstd":
            return _unzstd(chunks)


def _as_they_are(chunks: Iterable[bytes]) -> Iterator[Piece]:
    at = 0
    for chunk in chunks:
        at += len(chunk)
        yield Piece(chunk, at)


def _ungzip(chunks: Iterable[bytes]) -> Iterator[Piece]:
    at = 0
    member = None
    is_begun = False
    for chunk in chunks:
        at += len(chunk)
        left = chunk
        while left:
            if member is None:
                left = left.lstrip(b"\0")  # padding between members
                if not left:
                    break
                member = zlib.decompressobj(_GZIP_WBITS)
                is_begun = True
            try:
                data = member.decompress(left, _MOST_UNPACKED)
            except zlib.error as error:
                raise CutError("holds damaged gzip data") from error
            if member.eof:
                left, member = member.unused_data, None
                yield Piece(data, at - len(left))
            else:
                left = member.unconsumed_tail
                yield Piece(data, None)
    if member is not None:
        raise CutError("ends within a gzip member")
    if not is_begun:
        raise CutError("ends before its first gzip member")


def _unzstd(chunks: Iterable[bytes]) -> Iterator[Piece]:
    unpacker = zstandard.ZstdDecompressor()
    at = 0
    frame = None
    for chunk in chunks:
        for start in range(0, len(chunk), _ZSTD_FEED):
            left = chunk[start : start + _ZSTD_FEED]
            at += len(left)
            while left:
                frame = frame or unpacker.decompressobj()
                try:
                    data = frame.decompress(left)
                except zstandard.ZstdError as error:
                    raise CutError("holds damaged zstd data") from error
                left = frame.unused_data if frame.eof else b""
                yield Piece(data, at - len(left) if frame.eof else None)
                frame = None if frame.eof else frame
    if frame is not None:
        raise CutError("ends within a zstd frame")
    if not at:
        raise CutError("ends before its first zstd frame")
