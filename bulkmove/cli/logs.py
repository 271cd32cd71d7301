"""`--log-format json`: what libraries log or warn of becomes a line of JSON, too."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import orjson

from bulkmove.cli.exits import without_secrets
from bulkmove.cli.options import Output
from bulkmove.report.logged import Level, entry

_SILENT = logging.WARNING


class _JsonHandler(logging.StreamHandler[TextIO]):
    def format(self, record: logging.LogRecord) -> str:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        line = entry("log", level, logger=record.name, text=without_secrets(text))
        return orjson.dumps(line).decode()


@contextmanager
def libraries_logged(output: Output) -> Iterator[None]:
    """While a command works: with text, libraries speak as they like; with JSON, as all others do."""
    if output.log_format != "json":
        yield
        return
    handler, root = _JsonHandler(), logging.getLogger()
    handler.setLevel(_SILENT)
    root.addHandler(handler)
    with warnings.catch_warnings():
        logging.captureWarnings(capture=True)
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            root.removeHandler(handler)
