"""The ledger's file: private, locked by one run at a time, brought to the newest schema."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import resources
from pathlib import Path

from bulkmove.errors import LedgerError, LedgerLockedError, LedgerRefusedError

PRIVATE = 0o600
# Bounded, so that memory does not grow with the ledger; the operating system caches the rest of the file.
WRITE_CACHE_KIB = 8192
LOOK_UP_CACHE_KIB = 4096
_MOMENTS, _MOMENT_S = 5, 0.01
_ROOM_BYTES = 1 << 20
_SHORTEST_BYTES = 512  # of a database of SQLite
APPLICATION_ID = int.from_bytes(b"bmv1", "big")


def lock_path(ledger: Path) -> Path:
    """Beside the file itself: all symbolic links to a ledger lead to one lock, as they lead to one log of SQLite's."""
    real = Path(os.path.realpath(ledger))
    return real.with_name(real.name + ".lock")


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Hold the ledger for one run. The operating system frees the lock when the process ends, however it ends.

    Raises LedgerLockedError, with the other run's process id, where it is held, and LedgerError for a file that has two
    names, each of which would have a lock of its own.
    """
    path = lock_path(ledger)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
    except OSError as error:
        raise LedgerError(
            f"{path}: can't be written ({error.strerror}); choose another place with --ledger"
        ) from error
    try:
        if not _lock(descriptor):
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise LedgerLockedError(
                f"{ledger}: another run holds this ledger (process {holder}); wait for it, or stop it"
            )
        _sign(path, descriptor)
        _refuse_hard_links(ledger)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the lock is ours now. Who only looks whether a run is going holds it for a moment, and is waited for."""
    for _ in range(_MOMENTS):
        if _try_lock(descriptor):
            return True
        time.sleep(_MOMENT_S)
    return _try_lock(descriptor)


def _refuse_hard_links(ledger: Path) -> None:
    try:
        names = ledger.stat().st_nlink if ledger.is_file() else 1
    except OSError:
        return  # there is none yet, or opening it will say what is wrong
    if names > 1:
        raise LedgerError(
            f"{ledger}: is a file of {names} names (hard links), under each of which another run could begin; "
            "copy it to a file of its own, and name that with --ledger"
        )


def _sign(path: Path, descriptor: int) -> None:
    """Say in the lock who holds it. Raises LedgerError, as where the disk is full."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise LedgerError(
            f"{path}: can't be written ({error.strerror}); make room or choose another place with --ledger, and run"
            " again: nothing that was acknowledged is lost"
        ) from error


def is_locked(ledger: Path) -> bool:
    """Whether a run is going on this ledger now."""
    path = lock_path(ledger)
    if not path.is_file():
        return False
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # of somebody else, or on a disk that is read alone: to look, reading is enough
        descriptor = os.open(path, os.O_RDONLY)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            # Byte 1 MiB in: Windows locks are mandatory, and the process id must stay readable.
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def connect(path: Path, *, synchronous: str = "full", read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; whoever uses it says BEGIN and COMMIT. Raises LedgerError."""
    refuse_other_files(path)
    if not read_only:
        _make_private(path)
    mode = "ro" if read_only else "rwc"
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute(f"PRAGMA cache_size = -{LOOK_UP_CACHE_KIB if read_only else WRITE_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise LedgerError(_explain(path, error)) from error
    return connection


def refuse_other_files(path: Path) -> None:
    """Raises LedgerError for a file that is no database: SQLite takes the shortest of files for empty ones, and would write over them.

    Nobody but SQLite opens the file for that: closing it would end the locks that this process holds on it (POSIX),
    and another program that looks into the ledger would then take it for left, and delete its log.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise LedgerError(f"{path}: can't be read ({error.strerror}); name another with --ledger") from error
    if not stat.S_ISREG(found.st_mode) or 0 < found.st_size < _SHORTEST_BYTES:
        raise LedgerError(f"{path}: is not a bulkmove ledger; name another with --ledger")
    if found.st_size:
        _read_start(path)


def _read_start(path: Path) -> None:
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        # Without its log, a database whose last checkpoint was cut short is not whole; with it, it is.
        if getattr(error, "sqlite_errorname", "") != "SQLITE_CORRUPT":
            raise LedgerError(_explain(path, error)) from error


def _make_private(path: Path) -> None:
    """Create the file with mode 0600 before SQLite does: the files beside it (-wal, -shm) take its mode."""
    try:
        with suppress(FileExistsError):
            os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))
        path.chmod(PRIVATE)
    except OSError as error:
        raise LedgerError(
            f"{path}: can't be written ({error.strerror}); choose another place with --ledger"
        ) from error


def _explain(path: Path, error: sqlite3.Error) -> str:
    text = str(error)
    if "disk I/O error" in text and _is_full(path):
        text = "database or disk is full"  # SQLite says so of its tables alone, not of the files beside them
    if "not a database" in text:
        return f"{path}: is not a bulkmove ledger; name another with --ledger"
    if "full" in text:
        return f"{path}: the disk is full; make room and run again: nothing that was acknowledged is lost"
    if "readonly" in text or "unable to open" in text:
        return f"{path}: can't be opened or written ({text})"
    return f"{path}: {text}"


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _ROOM_BYTES
    except OSError:
        return False


def explained(path: Path, error: sqlite3.Error) -> LedgerError:
    """The LedgerError that says what `error` means to the user."""
    return LedgerError(_explain(path, error))


def migrations() -> list[tuple[int, str]]:
    """The numbered schema steps, in order."""
    folder = resources.files("bulkmove.ledger") / "schema"
    steps = [
        (int(entry.name[:4]), entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(steps)


def schema_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def this_machine() -> str:
    """A name for this machine since it was started: clocks of two machines, or boots, can't be compared."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = ""
    return f"{platform.node()} {boot}".strip()


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise LedgerRefusedError where the file is another program's, or a newer bulkmove wrote it."""
    newest = migrations()[-1][0]
    version = schema_version(connection)
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if mark != APPLICATION_ID and not is_empty:
        raise LedgerRefusedError(f"{path}: is not a bulkmove ledger; name another with --ledger")
    if version > newest:
        raise LedgerRefusedError(
            f"{path}: was written by a newer bulkmove (schema {version}, this one knows {newest}); "
            "update bulkmove, or begin anew with --fresh"
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, all steps in one transaction: each of its own waits for the disk."""
    refuse_foreign(connection, path)
    version = schema_version(connection)
    steps = [(number, script) for number, script in migrations() if number > version]
    if not steps:
        return
    scripts = "\n".join(script for _, script in steps)
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{scripts}\nPRAGMA user_version = {steps[-1][0]};\nCOMMIT;"
        )
    except sqlite3.Error as error:
        raise explained(path, error) from error
