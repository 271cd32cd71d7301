"""`bulkmove bench`: how fast the hosts can be asked, and how long the migration takes then, before it begins."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import click

from bulkmove.cli.ending import EndingCommand
from bulkmove.cli.exits import exits
from bulkmove.cli.going import Duration
from bulkmove.cli.last_object import last_object
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, output_options, routes_option

COMPARE = "compare"
_REFUSED: Mapping[str, object] = MappingProxyType(
    {"type": "bench-summary", "exit": 2, "hosts": {}, "prediction": None}
)


class _Command(EndingCommand):
    refused: ClassVar[Mapping[str, object]] = _REFUSED


@click.command("bench", cls=_Command)
@click.argument("words", metavar="[FILE] | compare A.json B.json", nargs=-1)
@routes_option
@click.option(
    "--records",
    metavar="[ROUTE=]N",
    multiple=True,
    help="Foretell the migration of so many records a route; without it as many as the source counts (--live-read), else 10,000.",
)
@click.option(
    "--allows",
    metavar="HOST=RATE",
    multiple=True,
    help="Let the sandbox allow this host so much, as new=12/s, in place of its rate; may be repeated.",
)
@click.option(
    "--latency",
    metavar="[HOST=]TIME",
    multiple=True,
    help="Let the sandbox answer after so long: 50ms, 20-80ms, 20~500ms with a long tail.  [default: 20-80ms]",
)
@click.option(
    "--live-read",
    is_flag=True,
    help="Ask the real sources, by GETs alone, within --budget; the first 429 ends it for its host.",
)
@click.option(
    "--budget",
    metavar="N",
    type=click.IntRange(min=10),
    help="Requests that --live-read makes at most.  [default: 200]",
)
@click.option(
    "--max-duration", metavar="TIME", type=Duration(), help="Begin no further step after so long, as 10m."
)
@click.option(
    "--step",
    "step_s",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    help="How long each rate is offered, as long as 20 requests take at least.",
)
@click.option(
    "--arrivals",
    type=click.Choice(["even", "poisson"]),
    default="even",
    show_default=True,
    help="Requests evenly apart, as a run sends them, or by chance, as many clients do.",
)
@click.option("--write", is_flag=True, help="Put the suggested rate and concurrency into FILE.")
@click.option(
    "--plot",
    metavar="FILE.svg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw records a second, latency and 429s over the offered rate.",
)
@click.option(
    "--save",
    metavar="FILE.json",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep what was found, for bulkmove bench compare.",
)
@output_options
def command(*, words: tuple[str, ...], output: Output, **asked: Any) -> None:
    """Find how fast the hosts of FILE (default: migration.toml) can be asked, and foretell how long the migration takes.

    It rehearses the migration on a sandbox that is shaped like its hosts, and offers each a rising rate of the same
    requests, up to the first 429, to where answers wait, or to its configured rate; no real host is asked, and no
    credential is needed. With --live-read the real sources are, which are only read.

    compare tells two saved benches apart: what got better or worse beyond noise.

    Ends with 0; 2 for a mistake in the configuration, 5 when a host stayed unreachable, 6 when it refuses the
    credentials, 11 when a run of this migration is going (--live-read), 130 or 143 when interrupted.
    """
    with last_object(output, _REFUSED) as ending:
        with exits():
            if words[:1] == (COMPARE,):
                with loading():
                    from bulkmove.cli.bench_compare import compare

                code = compare(words[1:], asked, output)
            else:
                with loading():
                    from bulkmove.cli.bench_asked import BenchRequest
                    from bulkmove.cli.benching import perform

                code = perform(BenchRequest(words=words, output=output, **asked), ending)
        sys.exit(code)
