"""Routes that were undone: their ledger says what was written, and nothing is written by it again."""

from __future__ import annotations

from collections.abc import Iterable

from bulkmove.errors import LedgerRefusedError
from bulkmove.ledger import SqliteLedger, undone
from bulkmove.pipeline.status import day


async def refuse_undone(ledger: SqliteLedger, routes: Iterable[str]) -> None:
    """Raises LedgerRefusedError where one of the routes was undone as a whole."""
    known = await ledger.ask(undone.undone_routes)
    if found := [name for name in routes if name in known]:
        was = "was" if len(found) == 1 else "were"
        raise LedgerRefusedError(
            f"{' and '.join(found)} {was} undone on {day(known[found[0]])}, and nothing is written by this ledger again:"
            " run --fresh begins anew; --route runs other routes"
        )
