"""The durable record of what happened to every record."""

from bulkmove.ledger.sqlite import SqliteLedger, open_ledger

__all__ = ["SqliteLedger", "open_ledger"]
