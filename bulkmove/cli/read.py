"""`bulkmove read`: the rows of a host's stream, on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
import orjson

from bulkmove.cli.by_hand import pairs, split_file, stdout_is_gone, tell_pause
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, output_options
from bulkmove.errors import INTERRUPTED

if TYPE_CHECKING:
    from bulkmove.cli.rows import Encode
    from bulkmove.model import Record
    from bulkmove.pipeline.hosts import ReadEnd, Reading
    from bulkmove.settings import MigrationSettings, StreamName


@click.command("read")
@click.argument("arguments", metavar="[FILE] HOST.STREAM", nargs=-1, required=True)
@click.option(
    "--where", "filters", metavar="NAME=VALUE", multiple=True, help="A filter of the stream; may be repeated."
)
@click.option(
    "--fields", metavar="A,B.C", multiple=True, help="These fields alone; a dot goes into nested values."
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Stop after N rows.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@output_options
def command(
    *,
    arguments: tuple[str, ...],
    filters: tuple[str, ...],
    fields: tuple[str, ...],
    limit: int | None,
    form: str,
    output: Output,
) -> None:
    """Print the rows of any stream of a host of FILE (default: migration.toml): bulkmove read old.orders

    Each row comes once, as soon as it is read; without --limit the list is read as a run reads it, to its proven
    end. Ends with 0, also when nobody reads on (`| head`); 5 when a host stayed unreachable or the list could not be
    proven read; 6 when credentials were refused.
    """
    with exits():
        with loading():
            from bulkmove.config import load_migration
            from bulkmove.errors import ConfigError
            from bulkmove.pipeline.hosts import Reading

        file, names = split_file(arguments, most=1)
        if form == "csv" and output.as_json:
            raise ConfigError("--json and --format csv exclude each other")
        if not names:
            raise ConfigError(f"{file}: which stream? Name it as HOST.STREAM, as in old.orders")
        wanted = tuple(name.strip() for text in fields for name in text.split(",") if name.strip())
        settings = load_migration(file)
        reading = Reading(
            _stream(names[0], settings),
            where=pairs(filters, "--where"),
            fields=tuple(dict.fromkeys(name.partition(".")[0] for name in wanted)) or None,
            limit=limit,
        )
        _print_rows(settings, reading, wanted, form=form, output=output)


def _stream(text: str, settings: MigrationSettings) -> StreamName:
    with loading():
        from bulkmove.errors import ConfigError
        from bulkmove.settings import StreamName

    host, dot, stream = text.partition(".")
    if not (host and dot and stream):
        hosts = ", ".join(settings.hosts)
        raise ConfigError(f"{text!r} is no stream: name it as HOST.STREAM, as in old.orders; hosts: {hosts}")
    return StreamName(host, stream)


def _print_rows(
    settings: MigrationSettings, reading: Reading, names: Sequence[str], *, form: str, output: Output
) -> None:
    with loading():
        import anyio

        from bulkmove.cli.rows import CsvLines, json_lines, typed_lines
        from bulkmove.errors import ConfigError
        from bulkmove.pipeline.hosts import read_stream

    table = CsvLines(names or None)
    as_json = typed_lines(str(reading.stream)) if output.as_json else json_lines
    printer = Printer(table if form == "csv" else as_json, names, is_shown=form != "csv")
    try:
        ended = anyio.run(lambda: read_stream(settings, reading, printer.take, on_pause=tell_pause))
    except KeyboardInterrupt:
        if printer.is_writing:
            # Nobody reads on, and the thread that writes would keep the process until somebody does.
            tell("interrupted")
            os._exit(INTERRUPTED)
        raise
    except ConfigError as error:
        # What a source says of its route speaks of filters that stand in no file here.
        said = str(error).replace("routes.read.where.", "--where ").replace("routes.read.where", "--where")
        raise ConfigError(said) from error
    if printer.is_closed:
        return
    if output.as_json:
        end = {
            "type": "read",
            "stream": str(reading.stream),
            "rows": printer.rows,
            "is_whole": ended.is_whole,
        }
        click.echo(orjson.dumps(end))
    if output.quiet:
        return
    if form == "csv" and table.left_out:
        tell(
            f"note: left out, since the first row lacks it: {', '.join(table.left_out)}; --fields names columns"
        )
    _tell_end(reading, ended, printer.rows, as_json=output.as_json)


def _tell_end(reading: Reading, ended: ReadEnd, count: int, *, as_json: bool) -> None:
    if ended.undated:
        tell(
            f"note: {ended.undated:,} rows of {reading.stream} have no date, so that no filter by date brings them;"
            " they were not read"
        )
    if as_json:
        return
    if ended.is_whole and not count and reading.where:
        asked = " ".join(f"{name}={value}" for name, value in reading.where.items())
        tell(f"note: 0 rows match {asked}: does it fit?")
    rows = "1 row" if count == 1 else f"{count:,} rows"
    tell(f"{rows} of {reading.stream}{'' if ended.is_whole or ended.undated else ', stopped by --limit'}")


class Printer:
    """Writes rows to stdout. A terminal that shows JSON gets it in colour, unless NO_COLOR is set."""

    def __init__(self, encode: Encode, names: Sequence[str], *, is_shown: bool) -> None:
        self.rows = 0
        self.is_closed = False
        self.is_writing = False
        self._encode = encode
        self._names = names
        self._out: Callable[[bytes], None] = _write_colourful if is_shown and _is_colourful() else _write

    async def take(self, records: Sequence[Record]) -> bool:
        """Returns once the rows are written; False where nobody reads them any more."""
        from anyio import to_thread

        from bulkmove.cli.rows import picked

        rows = [picked(each.data, self._names) if self._names else each.data for each in records]
        lines = self._encode(rows)
        try:
            # A reader that is slow, or a person who pages, holds up this thread and no request.
            await to_thread.run_sync(self._write, lines, abandon_on_cancel=True)
        except BrokenPipeError:
            self.is_closed = True
            stdout_is_gone()
            return False
        self.rows += len(rows)
        return True

    def _write(self, lines: bytes) -> None:
        self.is_writing = True
        try:
            self._out(lines)
        finally:
            self.is_writing = False


def _write(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def _is_colourful() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write_colourful(lines: bytes) -> None:
    with loading():
        from rich.console import Console
        from rich.highlighter import JSONHighlighter
        from rich.text import Text

    console, highlighter = Console(), JSONHighlighter()
    for line in lines.decode().removesuffix("\n").split("\n"):
        console.print(highlighter(Text(line)), soft_wrap=True)
