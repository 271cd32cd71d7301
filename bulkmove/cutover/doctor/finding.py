"""What is found while a host is looked at, and the exit code that it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bulkmove.errors import (
    BulkmoveError,
    CredentialsError,
    HostUnavailableError,
    RefusedError,
    RetryableError,
)
from bulkmove.model import Finding

# What to say first where several things are wrong, as a run does: credentials, configuration, hosts.
_CODES_GRAVEST_FIRST = (6, 2, 5)
WRONG_CONFIGURATION = 2
UNUSABLE_HOST = 5


@dataclass(slots=True)
class Findings:
    """Findings in the order in which they were made. A host that is bad in any way can't be migrated from or to."""

    found: list[Finding] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)

    def good(self, question: str, text: str) -> None:
        self.found.append(Finding(question, "good", text))

    def note(self, question: str, text: str, *, setting: str | None = None) -> None:
        self.found.append(Finding(question, "note", text, setting))

    def assumed(self, question: str, text: str, *, setting: str | None = None) -> None:
        self.found.append(Finding(question, "assumed", text, setting))

    def bad(self, question: str, text: str, *, code: int = UNUSABLE_HOST, setting: str | None = None) -> None:
        self.found.append(Finding(question, "bad", text, setting))
        self.codes.add(code)

    def add(self, findings: Iterable[Finding]) -> None:
        """A connector's own; what is bad and can be mended by a line is a wrong configuration."""
        for finding in findings:
            self.found.append(finding)
            if finding.verdict == "bad":
                self.codes.add(UNUSABLE_HOST if finding.setting is None else WRONG_CONFIGURATION)

    def add_error(self, question: str, error: BulkmoveError) -> None:
        self.bad(question, str(error), code=_code_of(error))

    @contextmanager
    def errors(self, question: str) -> Iterator[None]:
        """What is raised in here is a finding, but for what ends all questions to the host."""
        try:
            yield
        except (CredentialsError, HostUnavailableError):
            raise
        except BulkmoveError as error:
            self.add_error(question, error)


def gravest_code(codes: Iterable[int]) -> int:
    """0 where there is none."""
    given = set(codes)
    return next((code for code in _CODES_GRAVEST_FIRST if code in given), max(given, default=0))


def _code_of(error: BulkmoveError) -> int:
    if isinstance(error, RefusedError):
        return WRONG_CONFIGURATION if error.status == 404 else UNUSABLE_HOST
    return UNUSABLE_HOST if isinstance(error, RetryableError) else error.exit_code
