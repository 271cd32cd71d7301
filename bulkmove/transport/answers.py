"""What comes back from one attempt, and what it means for its request."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from bulkmove.model import Response


class Verdict(enum.Enum):
    """What an attempt means. `NOT_APPLIED`: it surely never reached the host's code. `UNSETTLED`: it may have."""

    SETTLED = "settled"
    THROTTLED = "throttled"
    NOT_APPLIED = "not applied"
    UNSETTLED = "unsettled"
    REDIRECTED = "redirected"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt without an answer that can be used. `text` says what happened, in words that may be shown.

    `response` is set where there was an answer whose body is unusable. `is_lasting`: another try would bring the same,
    until a person has looked at `to_check` (the host's url where it is None).
    No exception is kept: those of an HTTP client carry the whole URL.
    """

    verdict: Verdict
    text: str
    response: Response | None = None
    is_lasting: bool = False
    to_check: str | None = None


Answer = Response | Failure


def verdict_on(answer: Answer, is_passing: Callable[[Response], bool]) -> Verdict:
    """What an answer means. `is_passing` is asked of each 4xx that would settle its request."""
    if isinstance(answer, Failure):
        return answer.verdict
    status = answer.status
    if 200 <= status < 300:
        return Verdict.SETTLED
    if 300 <= status < 400:
        return Verdict.REDIRECTED
    if status in (401, 403):
        return Verdict.REFUSED
    if status == 429:
        return Verdict.THROTTLED
    if status in (408, 425) or not 400 <= status < 500 or is_passing(answer):
        return Verdict.UNSETTLED
    return Verdict.SETTLED


def status_of(answer: Answer) -> int | None:
    """None where there was no answer."""
    response = answer.response if isinstance(answer, Failure) else answer
    return None if response is None else response.status


def described(answer: Answer) -> str:
    """What happened, for a message."""
    return answer.text if isinstance(answer, Failure) else f"answered {answer.status}"
