"""A layer between SQLite and its files: a boundary before, and in the middle of, each page that is written.

So a commit and a checkpoint are interrupted within themselves, and a disk can be full for the ledger.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast, memmove, sizeof
from typing import Any

from tests.crash.boundaries import Boundaries

_SQLITE_FULL = 13
_MAIN, _LOG = 0x100, 0x80000

# The name is handed on as it stands in memory: SQLite keeps its place, and reads on behind its end.
_OPEN = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_WRITE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_SYNC = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)
_CUT = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64)


class _Vfs(Structure):
    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("rest", c_void_p * 15),
    )


class _Methods(Structure):
    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("cut", c_void_p),
        ("sync", c_void_p),
        ("rest", c_void_p * 13),
    )


# What SQLite was given stays for the life of the process.
_KEPT: list[Any] = []


def is_possible() -> bool:
    """Whether SQLite's own functions can be reached in this Python."""
    return hasattr(_library(), "sqlite3_vfs_find")


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(_sqlite3.__file__)


def around_pages(boundaries: Boundaries) -> None:
    """From here on SQLite writes through boundaries."""
    library = _library()
    library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    own = _Vfs()
    memmove(byref(own), library.sqlite3_vfs_find(None), sizeof(_Vfs))
    open_file = _OPEN(own.open)
    methods_of: dict[tuple[int, str], _Methods] = {}

    def open_here(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        code: int = open_file(vfs, name, file, flags, out)
        kind = "log" if flags & _LOG else "pages" if flags & _MAIN else ""
        place = cast(file, POINTER(c_void_p))
        if code == 0 and place[0]:
            key = (place[0], kind)
            if key not in methods_of:
                methods_of[key] = _with_boundaries(place[0], kind, boundaries)
            place[0] = ctypes.addressof(methods_of[key])
        return code

    opened = _OPEN(open_here)
    own.name = b"with-boundaries"
    own.open = cast(opened, c_void_p).value
    _KEPT.extend((own, opened, open_file, methods_of))
    library.sqlite3_vfs_register(byref(own), 1)


def _with_boundaries(original: int, kind: str, boundaries: Boundaries) -> _Methods:
    methods = _Methods()
    memmove(byref(methods), original, sizeof(_Methods))
    write, sync, cut = _WRITE(methods.write), _SYNC(methods.sync), _CUT(methods.cut)

    def write_here(file: int, data: int, size: int, place: int) -> int:
        if not kind:  # a temporary file, which no run finds again
            return _SQLITE_FULL if boundaries.is_full else int(write(file, data, size, place))
        boundaries.at(f"{kind} write before")
        boundaries.at(f"{kind} write torn", torn=lambda: write(file, data, size // 2, place))
        return _SQLITE_FULL if boundaries.is_full else int(write(file, data, size, place))

    def sync_here(file: int, flags: int) -> int:
        if kind:
            boundaries.at(f"{kind} sync before")
        return int(sync(file, flags))

    def cut_here(file: int, size: int) -> int:
        if kind:
            boundaries.at(f"{kind} cut before")
        return int(cut(file, size))

    own = (_WRITE(write_here), _SYNC(sync_here), _CUT(cut_here))
    methods.write, methods.sync, methods.cut = (cast(each, c_void_p).value for each in own)
    _KEPT.extend((methods, write, sync, cut, *own))
    return methods
