"""The durable record of what happened to every record."""

from bulkmove.ledger.opening import open_ledger
from bulkmove.ledger.sqlite import SqliteLedger

__all__ = ["SqliteLedger", "open_ledger"]
