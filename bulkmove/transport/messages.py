"""The texts of the errors that leave the transport: which host, which call, what happened, what to do next.

A query never stands in them, nor a header, a body, or the text of another library's exception.
"""

from __future__ import annotations

from bulkmove.errors import (
    ConfigError,
    CredentialsError,
    HeldError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
)
from bulkmove.model import Request
from bulkmove.transport.health import HostHealth

_LONGEST_PATH = 200


def call_of(host: str, request: Request) -> str:
    """`old: GET /api/v2/orders`, what every message begins with."""
    return f"{host}: {request.method} {request.path.partition('?')[0][:_LONGEST_PATH]}"


def unavailable(host: str, request: Request, health: HostHealth, what: str) -> HostUnavailableError:
    if health.has_throttled_enough:
        state = f"it asked to wait {health.throttle_pauses} times in a row and served nothing in between"
        todo = f"lower hosts.{host}.rate, or wait; then run again to go on"
    elif health.fails_writes_alone:
        failures, over_s = health.failing_writes
        state = f"it serves readings, but has taken no write for {over_s:.0f} s, {failures} failures in a row"
        todo = "when it takes writes again, run again to go on"
    elif health.has_answered:
        state = f"it has served nothing for {health.failing_s:.0f} s, {health.failures} failures in a row"
        todo = "when it works again, run again to go on"
    else:
        state = f"it has not answered once, {health.failures} failures in {health.failing_s:.0f} s"
        todo = f"check hosts.{host}.url and the network, then run again"
    return HostUnavailableError(f"{call_of(host, request)}: {what}; {state}. {todo[0].upper()}{todo[1:]}.")


def given_up(host: str, request: Request, health: HostHealth) -> HostUnavailableError:
    last = f", since the host keeps failing: {health.last_failure}" if health.last_failure else ""
    return unavailable(host, request, health, f"not sent{last}")


def held(host: str, request: Request, why: str) -> HeldError:
    """`why`: as "is paused by hand"."""
    return HeldError(
        f"{call_of(host, request)}: not done, since {host} {why} and the run ends. Run again to go on."
    )


def unreachable(host: str, request: Request, what: str, to_check: str | None = None) -> HostUnavailableError:
    """For what no other try would mend."""
    end = "" if what.endswith("?") else "."
    return HostUnavailableError(
        f"{call_of(host, request)}: {what}{end} Check {to_check or f'hosts.{host}.url'}, then run again."
    )


def failed(host: str, request: Request, attempts: int, what: str) -> RequestFailedError:
    return RequestFailedError(
        f"{call_of(host, request)}: {what}, as the last of {attempts} attempts, while the host served others. "
        "Run again to try it again."
    )


def in_doubt(host: str, request: Request, what: str, *, sent_at: float) -> InDoubtError:
    return InDoubtError(
        f"{call_of(host, request)}: {what}; whether it was done is not known until the host is read back.",
        sent_at=sent_at,
    )


def refused(host: str, request: Request, status: int) -> CredentialsError:
    return CredentialsError(
        f"{call_of(host, request)}: the host refused the credentials ({status}). "
        f"Check hosts.{host}.credentials, and what they are allowed to do."
    )


def redirected(host: str, request: Request, status: int, target: str) -> ConfigError:
    return ConfigError(
        f"hosts.{host}.url: {request.method} {request.path.partition('?')[0][:_LONGEST_PATH]} answers with a redirect to {target} "
        f"({status}). Redirects are not followed; set the address, or the path, to where it points."
    )
