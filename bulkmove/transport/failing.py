"""What an attempt that failed means: which deadline passed, what broke, and whether the host can have seen the request."""

from __future__ import annotations

import enum
import os

import aiohttp

from bulkmove.settings import Deadlines
from bulkmove.transport.answers import Failure, Verdict
from bulkmove.transport.tls import tls_failure


class Stage(enum.Enum):
    """How far an attempt came."""

    CONNECTING = "no byte of the request went out"
    SENT = "the request went out"
    ANSWERED = "the head of an answer came"


def failure_of(error: aiohttp.ClientError | OSError, stage: Stage, deadlines: Deadlines) -> Failure | None:
    """What an exception of aiohttp or the system means; None for an address that can't be used at all.

    Only what happened before the request went out is surely not applied. Of the exception only the system's own
    error text is shown: the rest may hold the URL with its query.
    """
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return None
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure(Verdict.NOT_APPLIED, "its name was not found (DNS)")
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return tls_failure(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        who = "the proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else "it"
        return Failure(Verdict.NOT_APPLIED, f"could not connect to {who} ({_system_text(error)})")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(Verdict.NOT_APPLIED, f"no connection came about in {deadlines.connect_s:g} s")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_failure(error.status)
    verdict = Verdict.NOT_APPLIED if stage is Stage.CONNECTING else Verdict.UNSETTLED
    return Failure(verdict, told(error, stage, deadlines))


def told(error: aiohttp.ClientError | OSError, stage: Stage, deadlines: Deadlines) -> str:
    """What happened to an attempt that came so far, in words that may be shown."""
    if isinstance(error, TimeoutError):
        return {
            Stage.CONNECTING: f"no connection came about in {deadlines.whole_s:g} s",
            Stage.SENT: f"no first byte of an answer in {deadlines.whole_s:g} s",
            Stage.ANSWERED: f"the body was not whole after {deadlines.whole_s:g} s",
        }[stage]
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut short"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer was not HTTP"
    return f"the connection broke ({_system_text(error)})"


def proxy_failure(status: int) -> Failure:
    """What a proxy answered in place of the host, which never saw the request."""
    if status == 407:
        text = "the proxy refused the credentials that the environment gives it (407)"
        return Failure(Verdict.NOT_APPLIED, text, is_lasting=True, to_check="HTTP_PROXY and HTTPS_PROXY")
    return Failure(Verdict.NOT_APPLIED, f"the proxy answered {status}")


def no_first_byte(deadlines: Deadlines) -> Failure:
    return Failure(Verdict.UNSETTLED, f"no first byte of an answer in {deadlines.first_byte_s:g} s")


def _system_text(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(error).__name__
