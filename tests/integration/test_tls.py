"""Who is trusted: certificates are always verified, against this machine's authorities or the host's `ca_file`."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from bulkmove.errors import ConfigError, HostUnavailableError
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport import open_transport
from tests.integration.wire import GET, POST, Hurried, opened, raised

YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
MANY_YEARS_AGO = YESTERDAY - dt.timedelta(days=3650)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@asynccontextmanager
async def secured(leaf: trustme.LeafCert) -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a host that shows this certificate, and the paths that it was asked for."""
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://localhost:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def refusal(leaf: trustme.LeafCert, ca_file: Path | None) -> str:
    """How a write to a host with this certificate fails; it was sent nothing, and asked once."""
    async with (
        secured(leaf) as (url, asked),
        opened(url, ca_file=ca_file, timing=Hurried().timing()) as transport,
    ):
        error = await raised(transport, POST)
        assert type(error) is HostUnavailableError
        assert transport.requests == 1
    assert asked == []
    return str(error)


async def test_a_host_whose_authority_ca_file_names_is_trusted(authority: trustme.CA, ca_file: Path) -> None:
    async with (
        secured(authority.issue_cert("localhost")) as (url, asked),
        opened(url, ca_file=ca_file) as transport,
    ):
        await transport.send(POST)
        await transport.send(GET)
    assert asked == ["/orders/", "/orders/"]


async def test_without_ca_file_an_unknown_authority_is_not_trusted(authority: trustme.CA) -> None:
    told = await refusal(authority.issue_cert("localhost"), None)
    assert "its certificate is not trusted: " in told
    assert "ca_file" in told


async def test_ca_file_takes_the_place_of_whom_this_machine_trusts(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "this-machine.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "this-machine.pem"))
    assert "not trusted" in await refusal(authority.issue_cert("localhost"), tmp_path / "another.pem")


async def test_a_certificate_made_out_to_another_name_is_not_trusted(
    authority: trustme.CA, ca_file: Path
) -> None:
    told = await refusal(authority.issue_cert("shop.example.ro"), ca_file)
    assert "it is made out to another name" in told


async def test_a_certificate_made_out_to_another_address_is_not_trusted(
    authority: trustme.CA, ca_file: Path
) -> None:
    leaf = authority.issue_cert("127.0.0.2")
    timing = Hurried().timing()
    async with secured(leaf) as (url, asked):
        address = url.replace("localhost", "127.0.0.1")
        async with opened(address, ca_file=ca_file, timing=timing) as transport:
            assert "it is made out to another address" in str(await raised(transport, GET))
    assert asked == []


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (MANY_YEARS_AGO, YESTERDAY, "it has expired"),
        (YESTERDAY + dt.timedelta(days=30), YESTERDAY + dt.timedelta(days=60), "it is not valid yet"),
    ],
    ids=["expired", "not yet"],
)
async def test_a_certificate_is_trusted_in_its_time_alone(
    authority: trustme.CA, ca_file: Path, begins: dt.datetime, ends: dt.datetime, said: str
) -> None:
    leaf = authority.issue_cert("localhost", not_before=begins, not_after=ends)
    assert said in await refusal(leaf, ca_file)


async def test_a_hosts_own_certificate_may_stand_in_ca_file(tmp_path: Path) -> None:
    """Self-signed, as a staging shop's often is."""
    alone = trustme.CA()
    leaf = alone.issue_cert("localhost")
    (tmp_path / "both.pem").write_bytes(leaf.cert_chain_pems[0].bytes() + alone.cert_pem.bytes())
    async with (
        secured(leaf) as (url, _),
        opened(url, ca_file=tmp_path / "both.pem") as transport,
    ):
        await transport.send(GET)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "it can't be read"), (b"", "no certificates in PEM"), (b"\x30\x82", "no certificates in PEM")],
    ids=["missing", "empty", "DER"],
)
async def test_a_ca_file_that_can_not_be_used_is_a_configuration_error(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    host = HostSettings("old", "none", "https://shop.invalid", ca_file=path)
    with pytest.raises(ConfigError, match=said) as caught:
        async with open_transport(host, windows=(), sign=Signature({}, {})):
            pass
    assert f"hosts.old.ca_file: {path}" in str(caught.value)
