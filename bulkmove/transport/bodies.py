"""The body of an answer, whole and unpacked, within a bound that holds whatever its headers say.

What is packed is unpacked here, and not by aiohttp: a piece of it may become a thousand times as large, and has to be
held against the bound while it does.
"""

from __future__ import annotations

import zlib

import aiohttp
import anyio.lowlevel

# gzip or zlib, whichever its first bytes show.
_ANY_WRAPPING = zlib.MAX_WBITS | 32
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
# A piece becomes 16 MB at most, in some 40 ms.
PIECE_BYTES = 16 * 1024
LARGE_BYTES = 1024 * 1024


class UnusableBodyError(Exception):
    """What the body is that can't be read, as the end of "answered 200 …"."""


async def whole_body(answer: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Raises UnusableBodyError for what is too large or can't be unpacked, and what aiohttp raises for what is cut short."""
    length = answer.content_length
    if length is not None and length > most_bytes:
        raise _too_large(most_bytes)
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in _PACKED:
        return await _unpacked(answer.content, most_bytes)
    if coding not in ("identity", ""):
        raise UnusableBodyError("with a body that is packed in a way that was not asked for")
    if length is not None:
        return await answer.read()
    # Not a list of parts: one that drips in bytes would be forty times as large.
    whole = bytearray()
    while part := await answer.content.readany():
        whole += part
        if len(whole) > most_bytes:
            raise _too_large(most_bytes)
    return bytes(whole)


async def _unpacked(content: aiohttp.StreamReader, most_bytes: int) -> bytes:
    unpacking = _Unpacking(most_bytes)
    received = 0
    while part := await content.readany():
        received += len(part)
        if received > most_bytes:
            raise _too_large(most_bytes)
        for start in range(0, len(part), PIECE_BYTES):
            if unpacking.feed(part[start : start + PIECE_BYTES]) > LARGE_BYTES:
                await anyio.lowlevel.checkpoint()
    return unpacking.whole()


class _Unpacking:
    """One or more packed members, one behind the other. Holds at most a byte more than it may give."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._whole = bytearray()
        self._member = zlib.decompressobj(_ANY_WRAPPING)
        self._is_empty = True

    def feed(self, piece: bytes) -> int:
        """Unpack a piece; how many bytes it became."""
        size_before, is_full = len(self._whole), False
        self._is_empty = False
        while piece or is_full:
            if self._member.eof:
                self._member = zlib.decompressobj(_ANY_WRAPPING)
            most = min(self._most_bytes - len(self._whole) + 1, LARGE_BYTES)
            try:
                part = self._member.decompress(piece, most)
            except zlib.error:
                raise UnusableBodyError("with a body that can't be unpacked") from None
            self._whole += part
            if len(self._whole) > self._most_bytes:
                raise _too_large(self._most_bytes)
            piece = self._member.unconsumed_tail or self._member.unused_data
            # What was taken in and found no room waits in the member.
            is_full = len(part) == most and not self._member.eof
        return len(self._whole) - size_before

    def whole(self) -> bytes:
        if not (self._member.eof or self._is_empty):
            raise UnusableBodyError("with a body that was cut short")
        return bytes(self._whole)


def _too_large(most_bytes: int) -> UnusableBodyError:
    return UnusableBodyError(f"with more than {most_bytes / 1e6:g} MB")
