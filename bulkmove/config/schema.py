"""The shape of `migration.toml`. Its descriptions are what an editor shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo

from bulkmove.config import checks
from bulkmove.config.credential_shapes import Credential
from bulkmove.config.fields import Fields, Path
from bulkmove.config.lookup_tables import Lookup
from bulkmove.config.shapes import (
    SHAPE,
    Canary,
    Count,
    Filled,
    FilterValue,
    Hours,
    Options,
    Rate,
    Rates,
    Rejections,
    Seconds,
    Stream,
)
from bulkmove.settings import Confirm, Mode, Sweep, Synchronous

# Its hosts are directories on this machine.
FILES = "files"


def _check_address(text: str, info: ValidationInfo) -> str:
    """A directory where the host is made of files, else a URL."""
    return checks.check_filled(text) if info.data.get("api") == FILES else checks.check_url(text)


class Host(BaseModel):
    """A named address with one budget of requests, shared by all routes, and one set of credentials."""

    model_config = SHAPE

    api: Annotated[str, Field(examples=["merchantpro", "external-order", "robosize", "files"])]
    """Which system answers there: merchantpro, external-order, robosize, files (a directory on this machine), or a
    connector that another package adds."""

    url: Annotated[
        str,
        AfterValidator(_check_address),
        Field(examples=["https://shop.example.ro", "https://api.robosize.com", "staging"]),
    ]
    """The address, with https:// and without a query, user or password; for files a directory, relative to the
    migration's. `${VARIABLE}` may stand in it."""

    credentials: dict[str, Credential] = Field(
        default={},
        examples=[{"key": "${OLD_KEY}", "secret": "${OLD_SECRET}"}, {"token": {"file": "token.txt"}}],
    )
    """The names that the API asks for (merchantpro: key, secret; external-order: token; robosize: api_key), each
    "${VARIABLE}", { file = "…" } or { command = ["…"] }. They are never shown."""

    rate: Annotated[
        list[Rate] | None,
        BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]
        ),
        Field(min_length=1, examples=["10/s", ["4/s", "80/min", "3600/h", "60000/day"]]),
    ] = None
    """The most requests in a period, as "4/s", "80/min", "3600/h", "60000/day" or "5/10s"; several hold at once.
    They replace the limits that the API publishes, which hold otherwise (where none is known, a run begins with 10/s and
    finds what the host takes)."""

    rate_at: dict[Hours, Rates] = Field(
        default={}, examples=[{"08:00-23:00": "2/s", "23:00-02:00": ["4/s", "80/min"]}]
    )
    """Other limits at times of the day, by `timezone`, as { "08:00-23:00" = "2/s" }; 22:00-06:00 goes over midnight.
    They hold in place of `rate`, which holds at all other times. No two of them may hold at one time."""

    burst: Count = 1
    """The most requests let out together. No larger than the smallest of the host's windows."""

    concurrency: Count = 16
    """The most requests in flight on this host at once, over all routes."""

    timeout_s: Seconds = 30.0
    """Seconds until a request whose answer is not whole is given up."""

    connect_timeout_s: Seconds | None = None
    """Seconds until a connection, with TLS, has to stand; part of timeout_s. Nothing was sent where it does not.
    Default: half of timeout_s, at most 10."""

    first_byte_timeout_s: Seconds | None = None
    """Seconds until an answer has to begin, once a request goes out; part of timeout_s. Default: timeout_s."""

    settle_s: Seconds | None = None
    """Seconds after which a write that was sent and never answered can be looked for on the host: more than
    timeout_s plus what the host may still work on it. Default: timeout_s + 15."""

    give_up_after_s: Seconds = 120.0
    """Seconds during which a host may serve nothing at all before the run ends (run again to go on)."""

    max_response_bytes: Count = 64 * 1024 * 1024
    """The largest answer, in bytes, that is read; of one that comes packed, its size unpacked."""

    ca_file: Annotated[Filled | None, Field(examples=["shop-ca.pem"])] = None
    """A file of certificates (PEM), relative to the migration's directory: the authorities, or the host's own
    certificate, that are trusted for this host, in place of those that this machine trusts."""

    live: bool = False
    """Whether customers depend on this host: a command writes to it with --execute alone, and is a dry run without."""

    timezone: Annotated[
        Annotated[str, AfterValidator(checks.check_timezone)] | None, Field(examples=["Europe/Bucharest"])
    ] = None
    """The zone of the host's dates that name none, as Europe/Bucharest. Without it such a date is an error."""

    paths: dict[str, Annotated[str, AfterValidator(checks.check_path)]] = {}
    """Paths of the API that differ on this host, by the connector's names for them."""

    options: Options = {}
    """What else the connector can be told about this host."""


class Route(BaseModel):
    """One stream, through a mapper, into one stream."""

    model_config = SHAPE

    source: Annotated[Stream, Field(examples=["old.orders"])]
    """Where records are read: a host's name and its stream, joined by a dot."""

    target: Annotated[Stream, Field(examples=["new.orders"])]
    """Where they are written. The same as `source` for a route that changes its own list."""

    mapper: Annotated[
        Filled | None,
        Field(
            examples=[
                "merchantpro-to-external-order",
                "robosize-relink",
                "mappers.py:relink",
                "package.module:function",
            ]
        ),
    ] = None
    """What makes a target's body out of a source's record: a built-in mapper's name, "file.py:function" (relative to
    the migration's directory) or "module:function". In its place a [routes.X.fields] table can stand."""

    fields: Fields | None = None
    """The mapping itself, without code: each field of the target, and what it is made of: the text of a path, or a
    table that names a source and what is done to it."""

    skip_when: Path | None = None
    """With `fields`: a condition on the source's record, as a JMESPath expression; where it holds, the record is
    skipped on purpose."""

    check_bodies: bool = True
    """Whether mapped records are held against what the target documents before they are sent: one that does not fit is
    rejected with its reason. false leaves that to the host."""

    mode: Mode = "upsert"
    """create: only new records. update: only records that are there. upsert: whichever it takes. delete: the records
    that the bodies name are deleted on the target."""

    natural_key: Filled | None = None
    """The field by which a written record is found again on the target. Default: the connector's."""

    where: Annotated[
        dict[str, FilterValue], Field(examples=[{"created_after": "2024-01-01T00:00:00+02:00"}])
    ] = {}
    """The source's own filters: only the records that match are read. A list becomes values joined with commas."""

    batch_size: Count | None = None
    """How many records one write request carries. Default: what the target takes best."""

    fields_used: Annotated[list[Filled] | None, Field(min_length=1)] = None
    """The only fields that the source is asked for, where it can select fields. Default: all."""

    max_rejected: Rejections | None = None
    """What `max_rejected` of the migration is for this route."""

    confirm: Confirm = "sample"
    """Whether rows that one request changed together, whose answer tells nothing of each, are read back at the end: all
    of them; a sample of at most 5 requests, and all where one of it shows something else; or none."""

    canary: Canary | None = None
    """What `canary` of the migration is for this route."""

    undo_with: Annotated[Options | None, Field(examples=[{"order_items": {"order_status": "canceled"}}])] = (
        None
    )
    """The fields that a row which this route created gets when it is undone, in place of being deleted. A table where the
    row has a list is set on each line of it."""

    after: list[str] = []
    """The routes that have to be finished before this one starts. Without it routes run side by side."""

    options: Options = {}
    """What the mapper is told, as context.options. A name of a CSV file here is a table that it looks up in."""


class Migration(BaseModel):
    """A migration between REST APIs, as `bulkmove run` carries it out."""

    model_config = SHAPE

    name: Annotated[str, AfterValidator(checks.check_name), Field(examples=["cutover-2026"])]
    """What the migration is called; its ledger is NAME.ledger.db beside this file, unless `ledger` says otherwise."""

    ledger: Filled | None = None
    """The file that remembers what became of every record, relative to the migration's directory."""

    synchronous: Synchronous = "full"
    """full: progress survives a loss of power. normal: faster; it survives a killed process."""

    sweep: Sweep = "doubts"
    """When the target's list is looked through for rows that were created twice, at the end of a route: doubts: where
    an answer was ever lost. always: at the end of each route that created rows. never."""

    keep_before: bool = False
    """Whether the ledger keeps, compressed, what was written and each row as it stood before it was first changed:
    `bulkmove undo` puts rows back to that. Both are records of customers; `bulkmove purge` erases them."""

    canary: Canary = 0
    """How many records of each route are written first, and read back field by field: the rest follows once a person
    says so, or --yes. 0: none."""

    mask: Annotated[list[Filled], Field(examples=[["customer_email", "*_phone", "shipping_address.*"]])] = []
    """Source fields whose values are replaced by stand-ins of their kind as soon as they are read, so that a rehearsal
    carries no personal data: names or patterns (*, ?) of fields at any depth, or, with dots, whole paths."""

    delta_overlap_s: Annotated[float, Field(ge=0, le=31_536_000)] = 3600.0
    """How many seconds before the end of the last pass `bulkmove delta` looks for new records by their dates: for orders
    that come into their list later than they are dated. Older ones are found too, unless by --new-only."""

    max_rejected: Rejections | None = None
    """How many records of one route a run may reject before it ends (exit code 7), with all progress kept: a number, or
    "2%" of those that it handles, once they are 100. Default: any number."""

    decisions: Filled = "decisions.toml"
    """The file in which a person says what becomes of values that no look-up resolves, relative to the migration's
    directory. `bulkmove plan` writes it."""

    hosts: Annotated[dict[str, Host], Field(min_length=1)]
    """The addresses, each under a name of its own: [hosts.old], [hosts.new]."""

    routes: Annotated[dict[str, Route], Field(min_length=1)]
    """What is moved, each route under a name of its own: [routes.orders]."""

    lookups: dict[str, Lookup] = {}
    """Tables that mappers look values up in, each under a name of its own: [lookups.region]."""


Section = Literal["", "hosts", "routes", "lookups"]
SECTIONS: dict[Section, type[BaseModel]] = {"": Migration, "hosts": Host, "routes": Route, "lookups": Lookup}
