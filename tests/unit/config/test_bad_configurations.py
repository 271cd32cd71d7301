"""What a wrong file is told: file, key, what is wrong, and the nearest right spelling."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bulkmove.config import load_migration
from bulkmove.errors import ConfigError

Write = Callable[..., Path]

NAME = 'name = "cutover-2026"'
OLD_URL = 'url = "https://shop.example.ro/"'
NEW_URL = 'url = "https://shop.example.md"'
RATE = 'rate = ["4/s", "80/min"]'
ORDERS_MAPPER = 'mapper = "merchantpro-to-external-order"'
AFTER = 'after = ["orders"]'
OLD_API, NEW_API = 'api = "merchantpro"', 'api = "external-order"'
CREDENTIALS = 'credentials = { token = "${NEW_TOKEN}" }'
TEXT_OF_A_ROUTE = 'source = "old.orders"\ntarget = "new.orders"\nmapper = "m.py:f"\n'
SOURCE, TARGET = 'source = "old.orders"', 'target = "new.orders"'


def told(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load_migration(path)
    return str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        # unknown keys
        (RATE, 'rates = "4/s"', ("hosts.old.rates: unknown key", 'did you mean "rate"?')),
        (NAME, f'{NAME}\nsynchronus = "full"', ("synchronus: unknown key", '"synchronous"')),
        (NAME, f'{NAME}\nrate = "4/s"', ("rate: unknown key here; it belongs in [hosts.NAME]",)),
        (AFTER, f'{AFTER}\nurl = "https://x.ro"', ("routes.again.url: unknown key here; it belongs in [hosts.NAME]",)),
        (AFTER, f"{AFTER}\nzzz = 1", ("routes.again.zzz: unknown key; known here: source, target, mapper",)),
        (AFTER, f'{AFTER}\n[routes.again.fields]\nid = "id"', ("routes.again.mapper: must not stand beside `fields`",)),
        (AFTER, f'{AFTER}\n[lookups.ids]\nfrom = "ids.csv"\nfile = 1', ("lookups.ids.file: unknown key; known here: from, key",)),
        (AFTER, f'{AFTER}\n[lookups.ids]\nfrom = "ids.xls"', ("lookups.ids.from: must be a host's stream",)),
        (AFTER, f'{AFTER}\n[lookups.ids]\nfrom = "ids.csv"\nload = "whole"', ("lookups.ids.load: belongs to a look-up from",)),
        (AFTER, f'{AFTER}\n[lookups.ids]\nfrom = "ids.csv"\nmissing = "nul"',
         ("lookups.ids.missing: must be reject, null or { default = … }", 'did you mean "null"?')),
        # missing keys
        (NAME, "", ("name: is missing",)),
        (NEW_URL, "", ("hosts.new.url: is missing",)),
        (ORDERS_MAPPER, "", ("routes.orders.mapper: is missing",)),
        # names
        (NAME, 'name = "a/b"', ("name: must be letters, digits and . _ -", 'not "a/b"')),
        (NAME, 'name = ".hidden"', ("name: must be letters", "not begin with a dot")),
        (AFTER, f'{AFTER}\n[hosts."n.ew"]\n{OLD_API}\n{OLD_URL}', ('hosts."n.ew": must be named with letters',)),
        # hosts
        (OLD_API, 'api = "merchant-pro"', ("hosts.old.api: must be one of", "robosize", 'did you mean "merchantpro"?')),
        (NEW_API, "api = 4", ("hosts.new.api: must be text in quotes, not 4",)),
        (NEW_URL, 'url = "shop.example.md"', ("hosts.new.url: must begin with https://",)),
        (NEW_URL, 'url = "ftp://shop.example.md"', ("hosts.new.url: must begin with https://",)),
        (NEW_URL, 'url = "https://"', ("hosts.new.url: must name a host",)),
        (NEW_URL, 'url = "https://shop .md"', ("hosts.new.url: must name a host", "without spaces")),
        (NEW_URL, 'url = "https://shop.md:99999"', ("hosts.new.url: ", "port")),
        (NEW_URL, 'url = "https://shop.md/?a=1"', ("hosts.new.url: must not hold a ?query",)),
        (NEW_URL, 'url = "https://shop.md/#a"', ("hosts.new.url: ", "#fragment")),
        (NEW_URL, 'url = "https://me:pw@shop.md"', ("hosts.new.url: must not hold a user or password",)),
        (RATE, 'rate = ["4/s", "80/minute"]', ("hosts.old.rate[1]: must be", '"80/minute"', 'spelled "min"')),
        (RATE, 'rate = "4"', ("hosts.old.rate: must be a whole number of requests and a period", '"4"')),
        (RATE, 'rate = "0/s"', ("hosts.old.rate: must allow at least 1 request", '"0/s"')),
        (RATE, 'rate = "4/0s"', ("hosts.old.rate: must allow", "a period from 0.001 s")),
        (RATE, 'rate = "0.5/s"', ("hosts.old.rate: must be a whole number of requests",)),
        (RATE, "rate = []", ("hosts.old.rate: must not be empty",)),
        (RATE, "rate = 4", ("hosts.old.rate: must be a list", "not 4")),
        (RATE, "rate = [4]", ("hosts.old.rate[0]: must be text in quotes, not 4",)),
        (RATE, f"{RATE}\nburst = 5", ("hosts.old.burst: must be at most 4", "not 5")),
        (RATE, f"{RATE}\nburst = 0", ("hosts.old.burst: must be at least 1, not 0",)),
        (RATE, f"{RATE}\nconcurrency = 2.5", ("hosts.old.concurrency: must be a whole number",)),
        (RATE, f"{RATE}\nconcurrency = true", ("hosts.old.concurrency: must be a whole number",)),
        (RATE, f"{RATE}\ntimeout_s = 0", ("hosts.old.timeout_s: must be more than 0, not 0",)),
        (RATE, f'{RATE}\ntimeout_s = "30"', ("hosts.old.timeout_s: must be a number without quotes",)),
        (RATE, f"{RATE}\ntimeout_s = inf", ("hosts.old.timeout_s: must be a finite number",)),
        (RATE, f"{RATE}\nsettle_s = -1", ("hosts.old.settle_s: must be more than 0, not -1",)),
        (RATE, f"{RATE}\ngive_up_after_s = 0", ("hosts.old.give_up_after_s: must be more than 0",)),
        (RATE, f"{RATE}\nmax_response_bytes = 0", ("hosts.old.max_response_bytes: must be at least 1",)),
        (RATE, f'{RATE}\ntimezone = "Europe/Bucarest"', ("hosts.old.timezone: ", 'did you mean "Europe/Bucharest"?')),
        (RATE, f'{RATE}\ntimezone = "Bucharest"', ('not "Bucharest"; did you mean "Europe/Bucharest"?',)),
        (RATE, f'{RATE}\ntimezone = "Turkey/Istanbul"', ('did you mean "Europe/Istanbul"?',)),
        (RATE, f'{RATE}\ntimezone = "Europe"', ("hosts.old.timezone: must be a time zone's name", '"Europe"')),
        (RATE, f'{RATE}\ntimezone = "../etc"', ("hosts.old.timezone: must be a time zone's name",)),
        (RATE, f'{RATE}\npaths = {{ orders = "" }}', ("hosts.old.paths.orders: must not be empty",)),
        (RATE, f'{RATE}\npaths = {{ orders = "/v3/orders?key=x" }}', ("hosts.old.paths.orders: must be a path alone",)),
        (RATE, f'{RATE}\npaths = {{ orders = "/v3/../orders" }}', ("hosts.old.paths.orders: must be the whole path",)),
        (RATE, f"{RATE}\noptions = 3", ("hosts.old.options: must be a table",)),
        # credentials
        (CREDENTIALS, 'credentials = "x"', ("hosts.new.credentials: must be a table",)),
        (CREDENTIALS, "credentials = { token = 4 }", ('hosts.new.credentials.token: must be "${VARIABLE}"',)),
        (CREDENTIALS, 'credentials = { token = { fil = "x" } }', ("hosts.new.credentials.token: must be", "{ file =")),
        (CREDENTIALS, "credentials = { token = { command = [] } }", ("token.command: must not be empty",)),
        (CREDENTIALS, 'credentials = { token = { command = "x" } }', ("token.command: must be a list",)),
        (CREDENTIALS, 'credentials = { token = { command = ["true"], mode = 1 } }',
         ("hosts.new.credentials.token.mode: unknown key",)),
        # variables
        ("${NEW_TOKEN}", "${NEW_TOKN}", ("hosts.new.credentials.token: ", "NEW_TOKN is not set", '"NEW_TOKEN"')),
        (NEW_URL, 'url = "https://${WHERE}"', ("hosts.new.url: the environment variable WHERE is not set",)),
        (NEW_URL, 'url = "https://${1}"', ("hosts.new.url: ", "a variable's name")),
        (NEW_URL, 'url = "https://${OLD_KEY"', ("hosts.new.url: ", "a variable's name")),
        # routes
        (SOURCE, 'source = "odl.orders"', ("routes.orders.source: ", "(old, new)", 'did you mean "old.orders"?')),
        (TARGET, 'target = "neu.orders"', ("routes.orders.target: ", 'did you mean "new.orders"?')),
        (SOURCE, 'source = "orders"', ("routes.orders.source: must be a host and its stream", 'not "orders"')),
        (SOURCE, 'source = "old.orders.x"', ("routes.orders.source: must be a host and its stream",)),
        (ORDERS_MAPPER, 'mapper = " "', ("routes.orders.mapper: must not be empty",)),
        (AFTER, f'{AFTER}\nmode = "upsrt"',
         ("routes.again.mode: must be create, update, upsert or delete", 'not "upsrt"', 'did you mean "upsert"?')),
        (AFTER, 'after = ["ordres"]', ("routes.again.after[0]: ", "(orders, again)", 'did you mean "orders"?')),
        (AFTER, 'after = "orders"', ("routes.again.after: must be a list",)),
        (AFTER, 'after = ["again"]', ("routes.again.after: ", "in a circle: again → again")),
        (ORDERS_MAPPER, f'{ORDERS_MAPPER}\nafter = ["again"]', ("after: routes wait for each other in a circle:",)),
        (AFTER, f"{AFTER}\nbatch_size = 0", ("routes.again.batch_size: must be at least 1, not 0",)),
        (AFTER, f"{AFTER}\nfields_used = []", ("routes.again.fields_used: must not be empty",)),
        (AFTER, f'{AFTER}\nnatural_key = ""', ("routes.again.natural_key: must not be empty",)),
        (AFTER, f"{AFTER}\nwhere = {{ created_after = 2024-01-01T00:00:00+02:00 }}",
         ("routes.again.where.created_after: must be in quotes",)),
        (AFTER, f"{AFTER}\nwhere = {{ a = 1.5 }}", ("routes.again.where.a: must be text, a whole number",)),
        (AFTER, f"{AFTER}\nwhere = {{ a = [] }}", ("routes.again.where.a: must be text, a whole number",)),
        (AFTER, f"{AFTER}\nwhere = {{ a = [[1]] }}", ("routes.again.where.a: must be text, a whole number",)),
        (AFTER, f"{AFTER}\noptions = {{ a = [2024-01-01] }}", ("routes.again.options: must not hold a date",)),
        (AFTER, f"{AFTER}\noptions = {{ a = nan }}", ("routes.again.options: must not hold inf or nan",)),
        (AFTER, f"{AFTER}\noptions = {{ a = [18446744073709551616] }}", ("routes.again.options: must not hold a whole number of",)),
        (AFTER, f"{AFTER}\n[lookups.ids]\nfrom = {{ a = -9223372036854775809 }}", ("lookups.ids.from.a: must not hold a whole number of",)),
        (AFTER, f"{AFTER}\n[lookups.ids]\nfrom = {{ a = nan }}", ("lookups.ids.from.a: must not hold inf or nan",)),
        # the file
        (NAME, f'{NAME}\nsynchronous = "of"', ("synchronous: must be full or normal", 'not "of"')),
        (NAME, f'{NAME}\nledger = ""', ("ledger: must not be empty",)),
        (NAME, 'name = "unclosed', ("is not TOML", "line 2, column 17")),
        (AFTER, "after = [", ("is not TOML", "line 24, column 10")),
    ],
)  # fmt: skip
def test_a_bad_configuration_names_file_key_and_remedy(
    write: Write, old: str, new: str, parts: tuple[str, ...]
) -> None:
    path = write((old, new))
    message = told(path)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message
    assert len(message.splitlines()) == 1, "one mistake is told in one line"


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(write: Write) -> None:
    path = write(
        (OLD_API, 'api = "merchantpr"'),
        (RATE, "burts = 2"),
        ("${NEW_TOKEN}", "${NOPE}"),
        (SOURCE, 'source = "odl.orders"'),
        (AFTER, 'after = ["ordres"]\nmode = "replace"'),
    )
    keys = [line.removeprefix(f"{path}: ").split(": ")[0] for line in told(path).splitlines()]
    assert keys == [
        "hosts.old.api",
        "hosts.old.burts",
        "hosts.new.credentials.token",
        "routes.orders.source",
        "routes.again.after[0]",
        "routes.again.mode",
    ]


@pytest.mark.parametrize("section", ["hosts", "routes"])
def test_a_file_without_hosts_or_routes_says_so(tmp_path: Path, section: str) -> None:
    path = tmp_path / "migration.toml"
    path.write_text('name = "x"\n')
    assert f"{path}: {section}: is missing" in told(path)
    path.write_text('name = "x"\n[hosts]\n[routes]\n')
    assert f"{path}: {section}: must not be empty" in told(path)


def test_a_missing_file_points_to_init(tmp_path: Path) -> None:
    message = told(tmp_path / "migration.toml")
    assert str(tmp_path / "migration.toml") in message
    assert "bulkmove init" in message


def test_a_directory_is_told_which_file_to_name(tmp_path: Path) -> None:
    assert str(tmp_path / "migration.toml") in told(tmp_path)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "migration.toml"
    path.write_bytes(b'name = "x"\n# \xe3\n')
    assert told(path) == f"{path}: line 2: is not UTF-8 text"


def test_a_circle_is_told_in_the_order_of_waiting(write: Write) -> None:
    route = TEXT_OF_A_ROUTE
    more = "".join(f'[routes.{name}]\n{route}after = ["{other}"]\n' for name, other in ("ab", "bc", "ca"))
    message = told(write((AFTER, f"{AFTER}\n{more}")))
    circle = message.split("in a circle: ")[1].split(" → ")
    assert set(pairwise(circle)) == {("a", "b"), ("b", "c"), ("c", "a")}


def test_a_number_for_a_credential_is_not_repeated_whatever_its_name(write: Write) -> None:
    assert "20318877" not in told(write((CREDENTIALS, "credentials = { name = 20318877 }")))


def test_a_value_out_of_a_variable_is_shown_as_the_file_spells_it(
    write: Write, environ: dict[str, str]
) -> None:
    """A variable that is named in the wrong place may hold a credential."""
    path = write(
        (AFTER, f'{AFTER}\nmode = "${{NEW_TOKEN}}"'),
        (SOURCE, 'source = "${OLD_KEY}.orders"'),
        (RATE, 'rate = "${OLD_SECRET}"'),
    )
    message = told(path)
    assert "${NEW_TOKEN}" in message
    assert "${OLD_KEY}.orders" in message
    assert not any(secret in message for secret in environ.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (CREDENTIALS, 'credentials = "hunter2-secret"'),
        (CREDENTIALS, 'credentials = ["hunter2-secret"]'),
        (CREDENTIALS, 'credentials = { token = { value = "hunter2-secret" } }'),
        (CREDENTIALS, 'credentials = { token = { command = "hunter2-secret" } }'),
        (CREDENTIALS, 'credentials = { token = "hunter2-secret\\n" }'),
        (CREDENTIALS, 'token = "hunter2-secret"'),
        (CREDENTIALS, 'credentials = { name = ["hunter2-secret"], mode = "hunter2-secret\\n" }'),
        (NEW_URL, 'url = "https://me:hunter2-secret@shop.md"'),
        (NEW_URL, 'url = "https://shop.md?api_key=hunter2-secret"'),
        (NEW_URL, 'url = "hunter2-secret"'),
        (RATE, 'options = "hunter2-secret"'),
        (CREDENTIALS, 'credentials = { token = "hunter2-secret }'),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(write: Write, old: str, new: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_migration(write((old, new)))
    error: BaseException | None = raised.value
    assert "hunter2" not in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
