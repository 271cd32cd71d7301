"""What becomes of a request: returned, tried again, or given up. Every wait in here is bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bulkmove.model import Request, Response
from bulkmove.transport import messages
from bulkmove.transport.answers import Answer, Failure, Verdict, described, verdict_on
from bulkmove.transport.attempts import Attempt, note_attempt
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import GatedClient, Tries
from bulkmove.transport.health import MOST_THROTTLE_PAUSES, HostHealth
from bulkmove.transport.timing import Timing
from bulkmove.transport.waits import full_jitter_s, rest_s, retry_after_s, throttled_s

LEAST_ATTEMPTS = 6
LONGEST_REFUSAL_BYTES = 4000


@dataclass(frozen=True, slots=True)
class RetryRules:
    """What the connector knows of its API, and how long a 429 that says nothing is waited out."""

    wait_from_body: Callable[[Response], float | None]
    is_passing: Callable[[Response], bool]
    default_429_wait_s: float


class Retrying:
    """Sends until a request is settled, or until trying on is of no use or no longer safe.

    A 429, or a 503 that names a time, holds the whole host. So does a second failure with nothing served since
    the first, for a growing while, so that a host that is going down is asked by one request at a time.
    """

    def __init__(
        self,
        host: str,
        client: GatedClient,
        *,
        gate: Gate,
        health: HostHealth,
        rules: RetryRules,
        timing: Timing,
        redirect_target: Callable[[Request, Response], str],
        without_secrets: Callable[[str], str],
    ) -> None:
        self._host = host
        self._client = client
        self._gate = gate
        self._health = health
        self._rules = rules
        self._timing = timing
        self._redirect_target = redirect_target
        self._without_secrets = without_secrets
        self.retries = 0
        self.throttled = 0

    async def send(self, request: Request) -> Response:
        tries = Tries(first_at=self._timing.clock())
        while True:
            answer = await self._client.send(request, tries)
            verdict = verdict_on(answer, self._rules.is_passing)
            self._note_attempt(tries, answer, verdict)
            if isinstance(answer, Response):
                if verdict is Verdict.SETTLED:
                    self._health.served(self._timing.clock())
                    return answer
                self._refuse_final(request, answer, verdict)
            if verdict is Verdict.THROTTLED and isinstance(answer, Response):
                self._note_throttle(request, tries, answer)
            else:
                self._note_failure(request, tries, answer, verdict)
                await self._timing.sleep(self._backoff_s(tries))
            self.retries += 1

    def _note_attempt(self, tries: Tries, answer: Answer, verdict: Verdict) -> None:
        refusal = None
        if isinstance(answer, Response) and 400 <= answer.status < 500:
            refusal = self._without_secrets(answer.body[:LONGEST_REFUSAL_BYTES].decode("utf-8", "replace"))
        is_unsettled = verdict is Verdict.UNSETTLED
        note_attempt(Attempt(tries.sent_at, described(answer), is_unsettled, refusal))

    def _refuse_final(self, request: Request, answer: Response, verdict: Verdict) -> None:
        """Raise for an answer that no retry will mend."""
        self._health.has_answered = True
        if verdict is Verdict.REFUSED:
            raise messages.refused(self._host, request, answer.status)
        if verdict is Verdict.REDIRECTED:
            target = self._redirect_target(request, answer)
            raise messages.redirected(self._host, request, answer.status, target)

    def _note_throttle(self, request: Request, tries: Tries, answer: Response) -> None:
        """Hold the host for a 429. Nothing was applied, so any request may go again."""
        self.throttled += 1
        tries.throttled += 1
        wait_s = throttled_s(
            answer.headers,
            now=self._host_now(answer),
            from_body=lambda: self._rules.wait_from_body(answer),
            default_s=self._rules.default_429_wait_s,
        )
        if tries.pauses == self._gate.pauses:
            # The first to come back since the last pause; the others were let out before this one began.
            self._health.throttled()
            self._gate.widen()
            wait_s = wait_s or rest_s(self._health.tripped(), self._timing.chance())
        self._gate.pause(wait_s, "it asked to wait (429)")
        if self._health.has_throttled_enough:
            raise messages.unavailable(self._host, request, self._health, "answered 429")
        if tries.throttled > MOST_THROTTLE_PAUSES:
            raise messages.failed(self._host, request, tries.throttled + tries.failures, "answered 429")

    def _note_failure(self, request: Request, tries: Tries, answer: Answer, verdict: Verdict) -> None:
        """Count a failure, hold the host where it is not the first, and raise where trying on ends."""
        health, now = self._health, self._timing.clock()
        what = described(answer)
        tries.failures += 1
        health.failed(started_at=tries.started_at, now=now, what=what)
        if isinstance(answer, Failure) and answer.is_lasting and not health.has_answered:
            raise messages.unreachable(self._host, request, what)
        self._hold_failing(tries, answer, what, now)
        if verdict is Verdict.UNSETTLED and not request.is_repeatable:
            raise messages.in_doubt(self._host, request, what, sent_at=tries.sent_at)
        if health.has_failed_enough:
            raise messages.unavailable(self._host, request, health, what)
        if tries.failures >= LEAST_ATTEMPTS and health.last_served_at > tries.first_at:
            raise messages.failed(self._host, request, tries.failures + tries.throttled, what)

    def _hold_failing(self, tries: Tries, answer: Answer, what: str, now: float) -> None:
        response = answer.response if isinstance(answer, Failure) else answer
        if response is not None:
            self._health.has_answered = True
            if response.status == 503:
                told_s = retry_after_s(response.headers.get("Retry-After"), self._host_now(response))
                self._gate.pause(told_s or 0.0, "it asked to wait (503)")
        if self._health.failures > 1 and tries.pauses == self._gate.pauses:
            rest = rest_s(self._health.tripped(), self._timing.chance())
            self._gate.pause(self._health.shortened(rest, now), what)

    def _backoff_s(self, tries: Tries) -> float:
        wait_s = full_jitter_s(tries.failures, self._timing.chance())
        return self._health.shortened(wait_s, self._timing.clock())

    def _host_now(self, response: Response) -> float:
        """The host's own time, by which its dates are to be read."""
        return response.date if response.date is not None else self._timing.wall_clock()
