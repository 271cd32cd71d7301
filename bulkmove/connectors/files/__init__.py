"""Files of a directory as a host: JSON lines and CSV, plain or packed, to be read and to be written.

names.py        which file a stream is · settings.py  what a host and a route can be told
compression.py  gzip and zstd, piece by piece · rows.py  rows out of bytes · cells.py  values as CSV cells
reading.py      a file from its first row to its last · source.py  as a Source
part.py         a file that is being written, and how it takes its place · durable.py  what is on the disk for good
target.py       as a Target
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.connectors.asking import known_filters
from bulkmove.connectors.files import settings
from bulkmove.connectors.files.source import FileSource, finder
from bulkmove.connectors.files.target import ROWS_AN_APPEND, FileTarget
from bulkmove.errors import ConfigError
from bulkmove.model import Finding, Operation, Response
from bulkmove.protocols import Connector, Search, Signature, Source, StreamSpec, Target, Transport
from bulkmove.settings import HostSettings, RouteSettings, Secret, Window

_STREAM = re.compile(r"[A-Za-z0-9_-]+")


class Streams(Mapping[str, StreamSpec]):
    """Any name that a file can have is a stream. Which are there, each directory tells: none is listed."""

    def __getitem__(self, name: str) -> StreamSpec:
        if not _STREAM.fullmatch(name):
            raise KeyError(name)
        return StreamSpec(
            name=name,
            id_field=settings.ID_FIELD,
            can_read=True,
            can_write=True,
            natural_key=settings.ID_FIELD,
            batch_size=ROWS_AN_APPEND,
            filters=frozenset(),
            modes=frozenset({"create", "upsert"}),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Files:
    """A directory; nothing is sent anywhere."""

    name: str = "files"
    credentials: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    streams: Mapping[str, StreamSpec] = field(default_factory=Streams)
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unconfirmed: frozenset[str] = frozenset()
    operations: Mapping[str, Operation] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: settings.OPTIONS)
    is_local: bool = True

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        del credentials
        return Signature()

    def headers(self, host: HostSettings) -> Mapping[str, str]:
        del host
        return {}

    def wait_from_body(self, response: Response) -> float | None:
        del response
        return None

    def is_passing(self, response: Response) -> bool:
        del response
        return False

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        host = transport.host
        known_filters(route, frozenset())
        return FileSource(
            finder(settings.place_of_stream(host, stream)),
            id_field=settings.id_field_of(host, route),
            longest=host.max_response_bytes,
        )

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        host = transport.host
        return FileTarget(
            settings.place_of_stream(host, stream),
            settings.writing_of(host, route),
            longest=host.max_response_bytes,
        )

    def search(self, stream: str, transport: Transport) -> Search:
        del transport
        raise ConfigError(f"{self.name} {stream} can't be searched")

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        """Nothing beyond what its streams tell."""
        del transport
        return ()


CONNECTOR: Connector = Files()
