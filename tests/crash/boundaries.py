"""Counts the I/O boundaries of a run from within it, and at the n-th does to the run what was ordered."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# "cancel" is two SIGTERM, a few boundaries apart.
Deed = Literal["kill", "terminate", "cancel", "stop", "no room"]
SIGNALS: dict[Deed, int] = {
    "kill": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "cancel": signal.SIGTERM,
    "stop": signal.SIGSTOP,
}
_CANCELLED_AFTER = 2

_write = os.write


@dataclass(slots=True)
class Boundaries:
    """`at` is called at each boundary. `number` 0: nothing is done, and all are counted. `only`: those of this name are.

    The names of those that were passed go to `trace`, a line each, so that a killed run tells how far it came.
    """

    trace: int
    number: int
    deed: Deed
    only: str = ""
    count: int = 0
    is_full: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, name: str, torn: Callable[[], object] | None = None) -> None:
        """One boundary. `torn`: half of what is about to be done, for a run that is killed in the middle of it."""
        with self.lock:
            _write(self.trace, f"{name}\n".encode())
            if self.only and name != self.only:
                return
            self.count += 1
            is_it = self.number > 0 and self._is_due()
        if not is_it:
            return
        if self.deed == "no room":
            self.is_full = True
            return
        if torn is not None and self.deed == "kill":
            torn()
        os.kill(os.getpid(), SIGNALS[self.deed])

    def _is_due(self) -> bool:
        again = self.number + _CANCELLED_AFTER
        return self.count == self.number or (self.deed == "cancel" and self.count == again)

    def room(self, path: object) -> None:
        """Raises OSError from the boundary on at which the disk was full."""
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def open_trace(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
