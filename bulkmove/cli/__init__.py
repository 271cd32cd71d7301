"""The command line: one command a file, exit codes, and nothing that the library lacks."""

from __future__ import annotations

import sys

from bulkmove.cli.loading import loading

__all__ = ["main"]

try:
    with loading():
        from bulkmove.cli.group import main
except KeyboardInterrupt:
    sys.stderr.write("interrupted\n")
    sys.exit(130)
