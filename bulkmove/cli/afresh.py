"""Beginning anew: the old ledger is put aside, and nothing is sent before what its runs sent must have landed."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from bulkmove import clock
from bulkmove.cli.ending import RunRequest
from bulkmove.cli.exits import tell
from bulkmove.cli.loading import loading
from bulkmove.errors import ConfigError, LedgerError
from bulkmove.pipeline.status import requests_in_doubt
from bulkmove.settings import MigrationSettings


def begin_anew(settings: MigrationSettings, request: RunRequest) -> Path | None:
    """Where the ledger is now, None where there was none. Raises ConfigError where nobody can be asked, or the answer was no."""
    path = settings.ledger
    if request.dry_run:
        raise ConfigError("--fresh and --dry-run exclude each other: a dry run leaves the ledger alone")
    if not path.exists():
        return None
    with loading():
        from bulkmove.cli.asking import confirmed
        from bulkmove.ledger.aside import put_aside

    doubt = _doubt(settings)
    if not request.yes:
        if not sys.stdin.isatty():
            raise ConfigError(
                f"--fresh puts {path} aside and begins anew{doubt}; nobody can be asked here: --yes says that"
                " it is meant"
            )
        question = f"Put {path} aside and begin anew, from the first record{doubt}?"
        if not confirmed(question):
            raise ConfigError("nothing was done; without --fresh the run goes on where it stopped")
    aside = put_aside(path)
    tell(f"the old ledger is now {aside}")
    return aside


def take_back_old(settings: MigrationSettings, aside: Path | None) -> None:
    """A fresh run that was refused before it read anything shall not cost the ledger."""
    if aside is None:
        return
    with loading():
        from bulkmove.ledger.aside import take_back

    if take_back(settings.ledger, aside):
        tell(f"nothing was begun: the ledger is {settings.ledger} again")


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


def old_may_land_since(aside: Path | None) -> float:
    """When the old ledger's runs can have sent something last that nothing settled; 0 where they settled all of it."""
    if aside is None:
        return 0.0
    with loading():
        from bulkmove.ledger.aside import may_land_since

    try:
        return may_land_since(aside)
    except LedgerError:
        return 0.0  # it can't be read: nothing tells


async def outwait_old(settings: MigrationSettings, since: float, stop: anyio.Event) -> bool:
    """Wait until nothing that a run of the ledger put aside sent can land on top of what this one reads and writes."""
    rest_s = since + max(host.settle_s for host in settings.hosts.values()) - clock.now()
    if rest_s > 0:
        tell(f"waiting {rest_s:.0f} s until what the old ledger's last run sent has settled")
        with anyio.move_on_after(rest_s):
            await stop.wait()
    return not stop.is_set()
