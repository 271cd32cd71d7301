"""`bulkmove doctor`: look at the hosts before anything is moved."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
import orjson

from bulkmove.cli.ending import EndingCommand
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, migration_file, output_options

if TYPE_CHECKING:
    from bulkmove.cutover.doctor import HostReport
    from bulkmove.settings import MigrationSettings


class _DoctorCommand(EndingCommand):
    refused = MappingProxyType({"type": "doctor", "exit": 2})


@click.command("doctor", cls=_DoctorCommand)
@migration_file
@click.option("--host", "hosts", metavar="NAME", multiple=True, help="This host alone; may be repeated.")
@output_options
def command(*, file: Path, hosts: tuple[str, ...], output: Output) -> None:
    """Look at the hosts of FILE (default: migration.toml) by a few read-only calls, and say what is found and assumed.

    Ends with 0 when nothing is bad, 2 when the configuration has to be mended, 5 when a host can't be reached or
    can't be used as it is, 6 when it refuses the credentials.
    """
    with _last_line(output), exits():
        with loading():
            import anyio

            from bulkmove.cli.warned import warn
            from bulkmove.config import load_migration
            from bulkmove.cutover.doctor import examine_hosts, exit_code_of
            from bulkmove.pipeline.plan import check_names

        settings = load_migration(file)
        warn(settings)
        _check_hosts(settings, file, hosts)
        connectors = check_names(settings)
        reports = anyio.run(lambda: examine_hosts(settings, connectors, only=hosts, on_pause=_tell_pause))
        if output.as_json:
            _print_json(reports)
        else:
            _print_text(reports)
        sys.exit(exit_code_of(reports))


def _tell_pause(host: str, seconds: float, reason: str) -> None:
    tell(f"{host}: waiting {seconds:.0f} s: {reason}")


@contextmanager
def _last_line(output: Output) -> Iterator[None]:
    """With --json the last line says how it ended, however it did."""
    try:
        yield
    except SystemExit as end:
        if output.as_json:
            click.echo(orjson.dumps({"type": "doctor", "exit": end.code}))
        raise


def _check_hosts(settings: MigrationSettings, file: Path, hosts: Sequence[str]) -> None:
    with loading():
        from bulkmove.connectors.asking import nearest
        from bulkmove.errors import ConfigError

    for name in hosts:
        if name not in settings.hosts:
            raise ConfigError(f"{file}: there is no host {name!r}{nearest(name, settings.hosts)}")


def _print_json(reports: Sequence[HostReport]) -> None:
    for report in reports:
        for finding in report.findings:
            line = {
                "type": "finding",
                "host": report.host.name,
                "question": finding.question,
                "verdict": finding.verdict,
                "text": finding.text,
                "setting": finding.setting,
            }
            click.echo(orjson.dumps(line))


def _print_text(reports: Sequence[HostReport]) -> None:
    with loading():
        from bulkmove.report.doctor import host_block
        from bulkmove.report.telling import stdout_console

    console = stdout_console()
    width = console.width if console.is_terminal else None
    for number, report in enumerate(reports):
        host = report.host
        if number:
            console.print()
        for line in host_block(host.name, host.api, host.url, report.findings, width=width):
            console.print(line, soft_wrap=True)
