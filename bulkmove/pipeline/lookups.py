"""The look-ups of a run, loaded or made ready before any route starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import anyio
from anyio import to_thread

from bulkmove.errors import BulkmoveError, ConfigError, single_error
from bulkmove.events import Event, Note, Phase
from bulkmove.mapping.lookups.doubting import doubts_of
from bulkmove.mapping.lookups.files import rows_of
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import FieldWatch
from bulkmove.mapping.lookups.on_demand import Ask
from bulkmove.mapping.lookups.resolver import DECISIONS_FILE, Lookups
from bulkmove.model import JsonObject, Record
from bulkmove.pipeline.lookup_plan import way_of_asking
from bulkmove.pipeline.opening import readers_of
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.pipeline.whole import read_list
from bulkmove.protocols import Source, StreamSpec
from bulkmove.settings import LookupSettings, RouteSettings, StreamName
from bulkmove.transport import HostTransport

Emit = Callable[[Event], None]
_LONGEST_VALUE = 80


async def open_lookups(
    plan: MigrationPlan,
    transports: Mapping[str, HostTransport],
    *,
    routes: Iterable[str],
    emit: Emit,
    collecting: bool = False,
) -> Lookups:
    """The look-ups that these routes may use: those that are loaded whole side by side, the others ready to be asked.

    `collecting`: see `Lookups`. Raises ConfigError, and what reading a list raises, naming the look-up.
    """
    decided_in = plan.settings.decisions.name if plan.settings.decisions is not None else DECISIONS_FILE
    lookups = Lookups(plan.decisions, collecting=collecting, decided_in=decided_in)
    users: dict[str, list[str]] = {}
    for route in routes:
        for caution in plan.routes[route].cautions:
            emit(Note(caution, route=route))
        for name in plan.routes[route].lookups.values():
            users.setdefault(name, []).append(route)
    if not collecting and (undecided := _undecided(plan, users)) is not None:
        emit(Note(undecided))
    with single_error():
        async with anyio.create_task_group() as tasks:
            for together in _by_list([plan.settings.lookups[name] for name in users]):
                openers = [_Opener(plan, transports, settings) for settings in together]
                route = users[together[0].name][0]
                tasks.start_soon(
                    _open, plan, openers, lookups, route, emit, name=f"look-up {together[0].name}"
                )
    for route in {used_by[0] for used_by in users.values()}:
        emit(Phase(route, ""))
    return lookups


def _undecided(plan: MigrationPlan, names: Iterable[str]) -> str | None:
    """What is still to be decided of these look-ups; None where nothing is."""
    open_in = {name: count for name in names if (count := plan.decisions.undecided.get(name))}
    total = sum(open_in.values())
    if plan.settings.decisions is None or not total:
        return None
    values = "1 value is" if total == 1 else f"{total:,} values are"
    listed = ", ".join(f"{name} {count:,}" for name, count in open_in.items())
    return (
        f"{plan.settings.decisions.name}: {values} undecided ({listed}): `missing` of the look-up says what becomes of"
        " such records; what it rejects stays rejected in this ledger"
    )


def _by_list(settings: Sequence[LookupSettings]) -> list[list[LookupSettings]]:
    """Look-ups that are loaded whole from the same rows stand together: one reading serves them all."""
    groups: dict[object, list[LookupSettings]] = {}
    for each in settings:
        is_shared = each.stream is not None and each.load == "whole"
        key = (each.stream, frozenset(each.where.items())) if is_shared else each.name
        groups.setdefault(key, []).append(each)
    return list(groups.values())


async def _open(
    plan: MigrationPlan, openers: Sequence[_Opener], lookups: Lookups, route: str, emit: Emit
) -> None:
    first = openers[0]
    with _naming(first.settings.name):
        if first.settings.load == "on-demand" and first.settings.stream is not None:
            ask, by_outer = first.ask()
            lookups.add_on_demand(first.settings, ask, named=first.named, by_outer=by_outer)
            return
        emit(Phase(route, f"reading look-up {', '.join(each.settings.name for each in openers)}"))
        indexes = [each.index() for each in openers]
        await first.load(indexes)
    for opener, index in zip(openers, indexes, strict=True):
        with _naming(opener.settings.name):
            index.check()
        if plan.settings.decisions is not None:
            for doubt in doubts_of(plan.settings.decisions, opener.settings, plan.decisions, index):
                emit(Note(doubt))
        lookups.add_whole(opener.settings, index)
        rows = "1 row" if index.rows == 1 else f"{index.rows:,} rows"
        several = f", {index.ambiguous:,} keys with several values" if index.ambiguous else ""
        emit(Phase(route, f"look-up {opener.settings.name}: {rows}{several}"))


@contextmanager
def _naming(name: str, asked: str | None = None) -> Iterator[None]:
    """Errors say which look-up they are about, and which value was asked for."""
    try:
        yield
    except BulkmoveError as error:
        if not str(error).startswith(f"lookups.{name}"):
            told = "" if asked is None else f", asked for {asked[:_LONGEST_VALUE]!r}"
            error.args = (f"lookups.{name}{told}: {error}",)
        raise


class _Opener:
    """Reads the rows of one look-up, wherever they are."""

    def __init__(
        self, plan: MigrationPlan, transports: Mapping[str, HostTransport], settings: LookupSettings
    ) -> None:
        self.settings = settings
        self._plan = plan
        self._transports = transports

    @property
    def named(self) -> str:
        return str(self.settings.stream or self.settings.file or "the table")

    def index(self) -> Index:
        return Index(self.settings, FieldWatch(self.settings, self.named))

    async def load(self, indexes: Sequence[Index]) -> None:
        """Read the rows once, into all of the indexes."""
        settings = self.settings

        def add(rows: list[JsonObject]) -> None:
            for index in indexes:
                index.add(rows)

        if settings.stream is not None:
            await self._read(settings.stream, settings.where, add)
        elif settings.file is not None:
            await to_thread.run_sync(indexes[0].add, rows_of(settings.file))
        else:
            indexes[0].add_pairs((settings.inline or {}).items())

    def ask(self) -> tuple[Ask, bool]:
        """How single values are asked for, and whether by the outer value that they are within."""
        settings, stream = self.settings, self.settings.stream
        if stream is None:
            raise ConfigError("only a host's stream can be asked on demand")
        if way_of_asking(settings, self._spec(stream)) == "search":
            search = self._plan.connectors[stream.host].search(stream.stream, self._transports[stream.host])

            async def rows_found(text: str) -> Sequence[JsonObject]:
                with _naming(settings.name, text):
                    return await search(text)

            return rows_found, False
        within = settings.within or ""

        async def rows_within(outer: str) -> Sequence[JsonObject]:
            rows: list[JsonObject] = []
            with _naming(settings.name, outer):
                await self._read(stream, {**settings.where, within: outer}, rows.extend)
            return rows

        return rows_within, True

    async def _read(
        self, stream: StreamName, where: Mapping[str, str], take: Callable[[list[JsonObject]], None]
    ) -> None:
        spec = self._spec(stream)
        transport = self._transports[stream.host]

        async def sink(records: Sequence[Record]) -> None:
            take([record.data for record in records])

        # A value that such a list lacks is asked about, or rejected by name: it is not worth a request for each list.
        await read_list(
            self._source(stream, where),
            sink,
            readers=readers_of(transport),
            derive=spec.derive,
            looks_behind=False,
        )

    def _source(self, stream: StreamName, where: Mapping[str, str]) -> Source:
        # What a source asks of its route: the stream, and the filters.
        asked = RouteSettings(
            name=f"lookups.{self.settings.name}", source=stream, target=stream, mapper="", where=where
        )
        return self._plan.connectors[stream.host].source(stream.stream, self._transports[stream.host], asked)

    def _spec(self, stream: StreamName) -> StreamSpec:
        return self._plan.connectors[stream.host].streams[stream.stream]
