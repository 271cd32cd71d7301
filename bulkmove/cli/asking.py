"""A question before something that can't be taken back."""

from __future__ import annotations

import sys

import click

_YES, _NO = ("y", "yes"), ("n", "no")


def confirmed(question: str) -> bool:
    """Whether the answer is yes; Enter and the end of the input say no. Raises KeyboardInterrupt for Ctrl-C.

    An answer that is neither says what to type, and is asked for again.
    """
    told = question
    while True:
        try:
            click.echo(f"{told} [y/N]: ", nl=False, err=True)
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            click.echo(err=True)  # what is told next gets a line of its own
            raise
        answer = line.strip().lower()
        if answer in _YES:
            return True
        if not answer or answer in _NO:
            if not line:
                click.echo(err=True)
            return False
        told = "Type y for yes, n for no"
