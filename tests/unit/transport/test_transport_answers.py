"""What each status and each exception of the HTTP client means for its request."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from bulkmove.model import Response
from bulkmove.settings import Deadlines
from bulkmove.transport.answers import Failure, Verdict, verdict_on
from bulkmove.transport.failing import Stage, failure_of

SECRET_URL = "https://shop.example/api?api_key=s3cret"
DEADLINES = Deadlines(connect_s=5.0, first_byte_s=10.0, whole_s=30.0)


def response(status: int) -> Response:
    return Response(status, {}, b"", None, 0.0, None)


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.SETTLED, (200, 201, 202, 204, 207, 400, 404, 405, 409, 410, 413, 415, 422, 451)),
        (Verdict.REDIRECTED, (300, 301, 302, 303, 304, 307, 308)),
        (Verdict.REFUSED, (401, 403)),
        (Verdict.THROTTLED, (429,)),
        (Verdict.UNSETTLED, (408, 425, 500, 501, 502, 503, 504, 520, 599)),
    ],
)
def test_a_status_has_one_meaning(verdict: Verdict, statuses: tuple[int, ...]) -> None:
    assert {verdict_on(response(status), lambda _: False) for status in statuses} == {verdict}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Verdict.UNSETTLED),
        (405, Verdict.UNSETTLED),
        (401, Verdict.REFUSED),
        (429, Verdict.THROTTLED),
        (200, Verdict.SETTLED),
    ],
)
def test_a_passing_4xx_is_unsettled_but_never_refused_credentials(status: int, verdict: Verdict) -> None:
    assert verdict_on(response(status), lambda _: True) is verdict


def key() -> ConnectionKey:
    return cast("ConnectionKey", SimpleNamespace(host="shop.example", port=443, ssl=True, is_ssl=True))


def info() -> Any:
    return SimpleNamespace(real_url=SECRET_URL, url=SECRET_URL)


BEFORE_CONNECTING: list[aiohttp.ClientError | OSError] = [
    aiohttp.ClientConnectorError(key(), ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 443)")),
    aiohttp.ClientConnectorDNSError(key(), OSError(-2, "Name or service not known")),
    aiohttp.ClientConnectorCertificateError(
        key(), ssl.SSLCertVerificationError(1, "certificate verify failed")
    ),
    aiohttp.ClientConnectorSSLError(key(), ssl.SSLError(1, "handshake failure")),
    aiohttp.ClientProxyConnectionError(key(), ConnectionRefusedError(111, SECRET_URL)),
    aiohttp.ClientHttpProxyError(info(), (), status=407, message=SECRET_URL),
    aiohttp.ConnectionTimeoutError(f"Connection timeout to host {SECRET_URL}"),
]
AFTER_CONNECTING: list[aiohttp.ClientError | OSError] = [
    aiohttp.ServerDisconnectedError(SECRET_URL),
    aiohttp.ClientOSError(104, "Connection reset by peer"),
    aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
    aiohttp.SocketTimeoutError(f"Timeout on reading data from {SECRET_URL}"),
    aiohttp.ServerTimeoutError(SECRET_URL),
    TimeoutError(),
    aiohttp.ClientPayloadError(SECRET_URL),
    aiohttp.ClientResponseError(info(), (), status=400, message=SECRET_URL),
    aiohttp.ClientConnectionError("Connection closed"),
    aiohttp.ClientError(SECRET_URL),
    ssl.SSLError(1, "bad record mac"),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
]


@pytest.mark.parametrize("error", BEFORE_CONNECTING, ids=lambda error: type(error).__name__)
def test_what_fails_before_a_connection_stands_was_surely_not_applied(
    error: aiohttp.ClientError | OSError,
) -> None:
    failure = failure_of(error, Stage.CONNECTING, DEADLINES)
    assert isinstance(failure, Failure)
    assert failure.verdict is Verdict.NOT_APPLIED
    assert "s3cret" not in failure.text


@pytest.mark.parametrize("error", AFTER_CONNECTING, ids=lambda error: type(error).__name__)
def test_what_fails_later_leaves_the_request_unsettled(error: aiohttp.ClientError | OSError) -> None:
    failure = failure_of(error, Stage.SENT, DEADLINES)
    assert isinstance(failure, Failure)
    assert failure.verdict is Verdict.UNSETTLED
    assert "s3cret" not in failure.text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (10, "it has expired"),
        (18, "it is self-signed"),
        (62, "it is made out to another name"),
        (1, "not trusted"),
    ],
)
def test_a_certificate_that_is_not_trusted_says_why_and_is_not_tried_again(code: int, said: str) -> None:
    refusal = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refusal.verify_code = code
    failure = failure_of(aiohttp.ClientConnectorCertificateError(key(), refusal), Stage.CONNECTING, DEADLINES)
    assert failure is not None
    assert failure.text.startswith("its certificate is not trusted")
    assert said in failure.text
    assert failure.is_lasting


def test_a_handshake_that_fails_in_another_way_may_go_again() -> None:
    failure = failure_of(
        aiohttp.ClientConnectorSSLError(key(), ssl.SSLError(1, "handshake failure")),
        Stage.CONNECTING,
        DEADLINES,
    )
    assert failure is not None
    assert not failure.is_lasting


def test_an_address_that_can_not_be_used_is_no_failure_to_retry() -> None:
    assert failure_of(aiohttp.InvalidURL(SECRET_URL), Stage.CONNECTING, DEADLINES) is None
    assert failure_of(aiohttp.NonHttpUrlClientError(SECRET_URL), Stage.CONNECTING, DEADLINES) is None


def test_a_failure_says_what_the_system_said() -> None:
    failure = failure_of(BEFORE_CONNECTING[0], Stage.CONNECTING, DEADLINES)
    assert failure is not None
    assert "Connection refused" in failure.text


@pytest.mark.parametrize("error", AFTER_CONNECTING, ids=lambda error: type(error).__name__)
def test_whatever_breaks_before_a_byte_of_the_request_went_out_was_surely_not_applied(
    error: aiohttp.ClientError | OSError,
) -> None:
    failure = failure_of(error, Stage.CONNECTING, DEADLINES)
    assert failure is not None
    assert failure.verdict is Verdict.NOT_APPLIED


@pytest.mark.parametrize(
    ("error", "stage", "said"),
    [
        (aiohttp.ConnectionTimeoutError(), Stage.CONNECTING, "no connection came about in 5 s"),
        (TimeoutError(), Stage.CONNECTING, "no connection came about in 30 s"),
        (TimeoutError(), Stage.SENT, "no first byte of an answer in 30 s"),
        (TimeoutError(), Stage.ANSWERED, "the body was not whole after 30 s"),
    ],
)
def test_a_failure_says_which_deadline_passed(
    error: aiohttp.ClientError | OSError, stage: Stage, said: str
) -> None:
    failure = failure_of(error, stage, DEADLINES)
    assert failure is not None
    assert failure.text == said
