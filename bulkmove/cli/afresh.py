"""Beginning anew: the old ledger is put aside, once what its runs sent must have landed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from bulkmove import clock
from bulkmove.cli.ending import RunRequest
from bulkmove.cli.exits import tell
from bulkmove.cli.loading import loading
from bulkmove.errors import ConfigError, LedgerError, LedgerLockedError
from bulkmove.ledger.aside import may_land_since, put_aside, take_back
from bulkmove.pipeline.status import requests_in_doubt
from bulkmove.settings import MigrationSettings


def ask_anew(settings: MigrationSettings, request: RunRequest) -> None:
    """Ask whether the ledger shall be put aside. Raises ConfigError where nobody can be asked, or the answer was no."""
    path = settings.ledger
    if request.dry_run:
        raise ConfigError("--fresh and --dry-run exclude each other: a dry run leaves the ledger alone")
    if request.yes or not path.exists():
        return
    with loading():
        from bulkmove.cli.asking import confirmed

    doubt = _doubt(settings)
    if not sys.stdin.isatty():
        raise ConfigError(
            f"--fresh puts {path} aside and begins anew{doubt}; nobody can be asked here: --yes says that"
            " it is meant"
        )
    question = f"Put {path} aside and begin anew, from the first record{doubt}?"
    if not confirmed(question):
        raise ConfigError("nothing was done; without --fresh the run goes on where it stopped")


def _doubt(settings: MigrationSettings) -> str:
    try:
        count = requests_in_doubt(settings)
    except LedgerError:
        return " (it can't be read: whether writes are in doubt is not known)"
    if not count:
        return ""
    requests = "1 write request" if count == 1 else f"{count:,} write requests"
    return (
        f" ({requests} of it {'is' if count == 1 else 'are'} in doubt: what they carried may be at the target"
        " already, and a fresh run may write it twice)"
    )


@dataclass(slots=True)
class OldLedger:
    """The ledger that a fresh run puts aside. It stays in its place while the run waits for what it sent to land.

    So a run that ends while it waits, however it ends, has forgotten nothing. `aside`: where it is now, None as long as it
    is in its place, or where there was none.
    """

    settings: MigrationSettings
    aside: Path | None = None
    is_in_place: bool = True

    async def put_aside(self, stop: anyio.Event) -> bool:
        """Wait, and rename it; False where the run was told to stop first. Raises LedgerLockedError while a run is going."""
        path = self.settings.ledger
        if path.exists():
            while (rest_s := await to_thread.run_sync(self._may_land_for)) > 0 and not stop.is_set():
                tell(f"waiting {rest_s:.0f} s until what the old ledger's last run sent has settled")
                with anyio.move_on_after(rest_s):
                    await stop.wait()
            if stop.is_set():
                tell(f"nothing was begun: {path} is as it was")
                return False
            with anyio.CancelScope(shield=True):  # renamed and not known to be, it would not be taken back
                self.aside = await to_thread.run_sync(put_aside, path)
            tell(f"the old ledger is now {self.aside}")
        self.is_in_place = False
        return True

    def take_back(self) -> None:
        """A fresh run that was refused before it read anything shall not cost the ledger."""
        if self.aside is None:
            return
        if take_back(self.settings.ledger, self.aside):
            tell(f"nothing was begun: the ledger is {self.settings.ledger} again")

    def _may_land_for(self) -> float:
        """So many seconds something that its runs sent, and nothing settled, can land on top of what is read and written."""
        try:
            since = may_land_since(self.settings.ledger)
        except LedgerLockedError:
            raise
        except LedgerError:
            return 0.0  # it can't be read: nothing tells
        return since + max(host.settle_s for host in self.settings.hosts.values()) - clock.now()
