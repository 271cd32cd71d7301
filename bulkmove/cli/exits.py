"""How a command ends: one line on stderr and an exit code for whatever was raised, and never a secret."""

from __future__ import annotations

import errno
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from bulkmove.cli.loading import deliver, loading
from bulkmove.errors import INTERRUPTED, BulkmoveError
from bulkmove.report.logged import said
from bulkmove.report.prose import hung, width_of
from bulkmove.settings import MigrationSettings

UNEXPECTED = 1
_SENTENCE = re.compile(r"(error|warning|note|unexpected|interrupted|waiting)\b")

# Where credentials travel: before a URL's host, in its query, in headers, and in the text of a dict of these.
_NAMES = r"[\w-]*(?:key|token|secret|password|authorization)"
_SECRETS = (
    (re.compile(r"(https?://)[^/\s@'\"]*@"), r"\1***@"),
    (re.compile(r"(https?://[^\s'\"?]*\?)[^\s'\"<>)]+"), r"\1***"),
    (re.compile(rf"(?i)\b({_NAMES}=)[^\s'\"&,)]+"), r"\1***"),
    (re.compile(rf"(?i)(['\"]{_NAMES}['\"]: ?b?['\"])[^'\"]+"), r"\1***"),
    (re.compile(r"(?i)\b((?:authorization|api-token): )(?:\w+ )?[^\s'\"]+"), r"\1***"),
    (re.compile(r"\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{8,}"), r"\1 ***"),
)


@contextmanager
def exits(*, verbose: bool | None = None) -> Iterator[None]:
    """What stands around a command's body, as a context manager or as a decorator.

    A BulkmoveError prints `error: …` and ends with its exit code; anything else prints one line and ends
    with 1; Ctrl-C ends with 130. With `verbose` (else the command's own `-v`) the traceback goes first.
    Errors out of task groups are told one by one. Click's own exceptions pass, and so does SystemExit.
    """
    try:
        deliver()  # what waited while the command was loaded ends it here, as it would any moment later
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001  nothing is above this
        hide = _hiding(error)
        if bool(_parameter("verbose")) if verbose is None else verbose:
            tell(hide("".join(traceback.format_exception(error)).rstrip()))
        code = _end(list(_leaves(error)), hide)
    else:
        return
    sys.exit(code)


def without_secrets(text: str) -> str:
    """The text without what looks like a credential: queries and passwords of URLs, tokens of headers."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _hiding(error: BaseException) -> Callable[[str], str]:
    """What takes the credentials of the settings that the command worked with out of what is told of its end.

    A defect of another library can tell them in words that look like no credential's.
    """
    found = {
        secret.reveal()
        for settings in _settings_near(error)
        for host in settings.hosts.values()
        for secret in host.credentials.values()
    }
    if not found:
        return str
    with loading():
        from bulkmove.transport.hiding import hiding_of

    return hiding_of(found)


def _settings_near(error: BaseException) -> Iterator[MigrationSettings]:
    """Those in the frames that the error came through."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, MigrationSettings):
                yield value


def _end(errors: list[BaseException], hide: Callable[[str], str]) -> int:
    """Tells each error once and returns the gravest exit code: interrupted, unexpected, then the first."""
    codes: list[int] = []
    told: set[str] = set()
    for error in errors:
        if isinstance(error, BulkmoveError):
            line, code = f"error: {error}", error.exit_code
        elif isinstance(error, KeyboardInterrupt):
            line, code = "interrupted", INTERRUPTED
        elif isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            line, code = (
                "error: what is told here can't be written: there is no space left for it",
                UNEXPECTED,
            )
        else:
            kind = type(error).__name__
            line = f"unexpected: {kind}: {_first_line(error)}; run again with -v for the traceback"
            code = UNEXPECTED
        line = hide(line)
        if line not in told:
            tell(line)
        told.add(line)
        codes.append(code)
    return next((code for code in (INTERRUPTED, UNEXPECTED) if code in codes), codes[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")


def tell(text: str) -> None:
    """Say it on stderr, without secrets; as a JSON object on a line where `--log-format json` was given.

    What is no traceback is broken between words where stderr is a terminal.
    """
    text = without_secrets(text)
    if _parameter("log_format") == "json":
        text = json.dumps(said(text), ensure_ascii=False)
    elif _SENTENCE.match(text):
        text = hung(text, width_of(sys.stderr))
    # Not err=True, which goes behind whatever stands in for stderr, as progress bars do.
    click.echo(text, file=sys.stderr)


def _parameter(name: str) -> Any:
    """The running command's own option, None where it has none."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.params.get(name)
