"""The command line: one command a file, exit codes, and nothing that the library lacks."""

from __future__ import annotations

from bulkmove.cli.loading import end_interrupted, loading

__all__ = ["main"]

try:
    with loading():
        from bulkmove.cli.group import main
except KeyboardInterrupt:
    end_interrupted()
