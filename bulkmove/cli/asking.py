"""A question before something that can't be taken back."""

from __future__ import annotations

import select
import sys

import click

_YES, _NO = ("y", "yes"), ("n", "no")
_LOOK_EVERY_S = 0.2
_AGAIN = "Type y for yes, n for no"


def confirmed(question: str) -> bool:
    """Whether the answer is yes; Enter and the end of the input say no. Raises KeyboardInterrupt for Ctrl-C.

    An answer that is neither says what to type, and is asked for again.
    """
    told = question
    while True:
        try:
            _ask(told)
            line = _read_line()
        except KeyboardInterrupt:
            click.echo(err=True)  # what is told next gets a line of its own
            raise
        answer = _answer(line)
        if answer is not None:
            return answer
        told = _AGAIN


async def confirmed_meanwhile(question: str) -> bool:
    """`confirmed`, on an event loop that goes on. Cancelled, it leaves nobody behind who waits for an answer."""
    import anyio
    from anyio import to_thread

    told = question
    while True:
        _ask(told)
        try:
            if sys.platform == "win32":
                line = await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            else:
                # A terminal hands over whole lines: what can be read is an answer.
                await anyio.wait_readable(sys.stdin)
                line = sys.stdin.readline()
        except anyio.get_cancelled_exc_class():
            click.echo(err=True)
            raise
        answer = _answer(line)
        if answer is not None:
            return answer
        told = _AGAIN


def _read_line() -> str:
    """A line of the input. A signal that comes right before a terminal is read would else wait for the next key."""
    if sys.platform != "win32" and sys.stdin.isatty():
        while not select.select([sys.stdin], [], [], _LOOK_EVERY_S)[0]:
            pass
    return sys.stdin.readline()


def _ask(question: str) -> None:
    click.echo(f"{question} [y/N]: ", nl=False, err=True)


def _answer(line: str) -> bool | None:
    """None where it is neither yes nor no."""
    answer = line.strip().lower()
    if answer in _YES:
        return True
    if not answer or answer in _NO:
        if not line:
            click.echo(err=True)
        return False
    return None
