"""Writing that is there when it is said to be: private files, locked, on the disk before anybody relies on them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PRIVATE = 0o600
PRIVATE_DIRECTORY = 0o700


def open_private(path: Path) -> int:
    """A descriptor to read and write with, of a file that is made or brought to mode 0600. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), PRIVATE)
    if sys.platform != "win32":
        try:
            os.fchmod(descriptor, PRIVATE)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def is_still(path: Path, descriptor: int) -> bool:
    """Whether the path names the file that is open: another run may have renamed it meanwhile."""
    opened = os.fstat(descriptor)
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)


def write_all(descriptor: int, data: bytes, *, at: int) -> None:
    """Write from place `at` on. Raises OSError, with any part of it written."""
    os.lseek(descriptor, at, os.SEEK_SET)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def save_directory(directory: Path) -> None:
    """Make the names in it durable, where the system has them made so."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_text(path: Path, text: bytes) -> None:
    """A small file, durable as a whole."""
    descriptor = open_private(path)
    try:
        os.ftruncate(descriptor, 0)
        write_all(descriptor, text, at=0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    save_directory(path.parent)


def copy_durably(source: Path, target: Path) -> None:
    """A copy that is there whole, under its name, or not at all."""
    draft = target.with_name(target.name + ".copy")
    descriptor = open_private(draft)
    with os.fdopen(descriptor, "wb") as written, source.open("rb") as read:
        written.truncate()
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())
    draft.replace(target)
    save_directory(target.parent)


if sys.platform == "win32":
    import msvcrt

    def lock(descriptor: int) -> bool:
        """Take the file for this process, until it is closed; False where another has it."""
        try:
            # Far behind any content: locks are mandatory there.
            os.lseek(descriptor, 1 << 60, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def lock(descriptor: int) -> bool:
        """Take the file for this process, until it is closed; False where another has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
