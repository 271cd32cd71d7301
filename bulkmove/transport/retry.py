"""What becomes of a request: returned, tried again, or given up. Every wait in here is bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bulkmove.model import Request, Response
from bulkmove.transport import messages
from bulkmove.transport.answers import Answer, Failure, Verdict, described, verdict_on
from bulkmove.transport.attempts import Attempt, note_attempt
from bulkmove.transport.circuit import HostCircuit
from bulkmove.transport.gated import GatedClient, Tries, is_write
from bulkmove.transport.health import MOST_THROTTLE_PAUSES
from bulkmove.transport.hints import throttled_s
from bulkmove.transport.retry_budget import LONGEST_WAIT_S, RetryBudget
from bulkmove.transport.timing import Timing
from bulkmove.transport.waits import full_jitter_s, retry_after_s

LEAST_ATTEMPTS = 6
LONGEST_REFUSAL_BYTES = 4000
LOOK_AT_BUDGET_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class RetryRules:
    """What the connector knows of its API, and how long a 429 that says nothing is waited out."""

    wait_from_body: Callable[[Response], float | None]
    is_passing: Callable[[Response], bool]
    default_429_wait_s: float


class Retrying:
    """Sends until a request is settled, or until trying on is of no use or no longer safe.

    What an attempt means for all who ask the host is the circuit's part; this one is the single request's. A retry
    waits for its backoff, for the host's retry budget, and then for a slot like any request.
    """

    def __init__(
        self,
        host: str,
        client: GatedClient,
        *,
        circuit: HostCircuit,
        budget: RetryBudget,
        rules: RetryRules,
        timing: Timing,
        redirect_target: Callable[[Request, Response], str],
        without_secrets: Callable[[str], str],
    ) -> None:
        self._host = host
        self._client = client
        self._circuit = circuit
        self._health = circuit.health
        self._budget = budget
        self._rules = rules
        self._timing = timing
        self._redirect_target = redirect_target
        self._without_secrets = without_secrets
        self.retries = 0
        self.throttled = 0

    async def send(self, request: Request) -> Response:
        tries = Tries(first_at=self._timing.clock())
        self._budget.earn()
        while True:
            answer = await self._client.send(request, tries)
            verdict = verdict_on(answer, self._rules.is_passing)
            self._note_attempt(tries, answer, verdict)
            if isinstance(answer, Response):
                if verdict is Verdict.SETTLED:
                    self._circuit.served(request)
                    self._circuit.heed(answer.headers, tries, self._host_now(answer))
                    return answer
                self._refuse_final(request, answer, verdict)
            if verdict is Verdict.THROTTLED and isinstance(answer, Response):
                self._note_throttle(request, tries, answer)
                self._budget.charge()
                self._leave_at_end(request, "answered 429")
            else:
                self._note_failure(request, tries, answer, verdict)
                await self._wait_for_retry(request, tries)
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
        told_s = throttled_s(
            answer.headers,
            now=self._host_now(answer),
            from_body=lambda: self._rules.wait_from_body(answer),
        )
        self._circuit.throttled(tries, told_s, otherwise_s=self._rules.default_429_wait_s)
        if self._health.has_throttled_enough:
            raise messages.unavailable(self._host, request, self._health, "answered 429")
        if tries.throttled > MOST_THROTTLE_PAUSES:
            raise messages.failed(self._host, request, tries.throttled + tries.failures, "answered 429")

    def _note_failure(self, request: Request, tries: Tries, answer: Answer, verdict: Verdict) -> None:
        """Count a failure, tell the circuit, and raise where trying on ends."""
        health, what = self._health, described(answer)
        tries.failures += 1
        if isinstance(answer, Failure) and answer.is_lasting and not health.has_answered:
            raise messages.unreachable(self._host, request, what, answer.to_check)
        self._circuit.failed(request, tries, what, told_s=self._told_s(answer))
        if verdict is Verdict.UNSETTLED and not request.is_repeatable:
            raise messages.in_doubt(self._host, request, what, sent_at=tries.sent_at)
        if health.has_failed_enough(is_write=is_write(request)):
            raise messages.unavailable(self._host, request, health, what)
        if tries.failures >= LEAST_ATTEMPTS and health.last_served_at > tries.first_at:
            raise messages.failed(self._host, request, tries.failures + tries.throttled, what)

    def _told_s(self, answer: Answer) -> float | None:
        """The wait that a 503 names."""
        response = answer.response if isinstance(answer, Failure) else answer
        if response is None:
            return None
        self._health.has_answered = True
        if response.status != 503:
            return None
        return retry_after_s(response.headers.get("Retry-After"), self._host_now(response))

    async def _wait_for_retry(self, request: Request, tries: Tries) -> None:
        """The backoff, and then until others have earned this retry, or for long enough."""
        self._leave_at_end(request, "keeps failing")
        clock, changes = self._timing.clock, is_write(request)
        wait_s = full_jitter_s(tries.failures, self._timing.chance())
        began, held_s = clock(), self._circuit.held_s
        await self._timing.sleep(self._health.shortened(wait_s, began, is_write=changes))
        longest_s = self._health.shortened(LONGEST_WAIT_S, began, is_write=changes)
        while True:
            self._leave_at_end(request, "keeps failing")
            waited_s = clock() - began - (self._circuit.held_s - held_s)
            if self._budget.spend(waited_s, longest_s=longest_s):
                return
            await self._timing.sleep(LOOK_AT_BUDGET_EVERY_S)

    def _leave_at_end(self, request: Request, why: str) -> None:
        """When the run ends, it does not wait long for what fails: what is here was not done, or may be done twice."""
        if self._circuit.is_left:
            raise messages.held(self._host, request, why)

    def _host_now(self, response: Response) -> float:
        """The host's own time, by which its dates are to be read."""
        return response.date if response.date is not None else self._timing.wall_clock()
