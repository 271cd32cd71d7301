"""The whole contract: what a connector, a mapper, a ledger, a transport and an observer promise each other."""

from bulkmove.protocols.connector import ALL_MODES, Connector, Derive, Search, Signature, StreamSpec
from bulkmove.protocols.ledger import Befores, KeySweep, Ledger, UnconfirmedChanges
from bulkmove.protocols.mapping import MapContext, Mapped, Mapper
from bulkmove.protocols.observer import Observer
from bulkmove.protocols.source import FindsById, ShowsVersions, Source
from bulkmove.protocols.target import (
    KeepRows,
    LooksFirst,
    RemovesLines,
    SeesDeletions,
    StagedTarget,
    Target,
    WatchesKeys,
)
from bulkmove.protocols.transport import Transport

__all__ = [
    "ALL_MODES",
    "Befores",
    "Connector",
    "Derive",
    "FindsById",
    "KeepRows",
    "KeySweep",
    "Ledger",
    "LooksFirst",
    "MapContext",
    "Mapped",
    "Mapper",
    "Observer",
    "RemovesLines",
    "Search",
    "SeesDeletions",
    "ShowsVersions",
    "Signature",
    "Source",
    "StagedTarget",
    "StreamSpec",
    "Target",
    "Transport",
    "UnconfirmedChanges",
    "WatchesKeys",
]
