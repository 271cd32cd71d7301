"""`bulkmove demo`: the whole promise in under a minute, on this machine alone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio
import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bulkmove.cli.exits import exits
from bulkmove.demo.story import DemoSettings, Killed, Proof, open_stage, prove, run_and_kill, run_to_the_end


@click.command("demo")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bulkmove-demo"),
    show_default=True,
    help="Where configuration and ledger are left for you to look at.",
)
@click.option(
    "--orders", type=click.IntRange(min=1), default=5000, show_default=True, help="Orders of the shop."
)
@click.option(
    "--products", type=click.IntRange(min=1), default=1000, show_default=True, help="Products to relink."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed makes another shop.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks.")
@exits()
def command(directory: Path, orders: int, products: int, seed: int, *, verbose: bool) -> None:
    """Move 5,000 orders and 1,000 products between hosts, kill the run half way, resume, and prove the result.

    The hosts are a sandbox on this machine that emulates the four APIs, with their limits. The run is killed
    with SIGKILL, started again, and what the sandbox recorded is then held against the source, field by
    field. Ends with 1 if a single record is lost, doubled or wrong.
    """
    del verbose
    settings = DemoSettings(directory=directory, orders=orders, products=products, seed=seed)
    if not anyio.run(_demo, settings, backend_options={"use_uvloop": sys.platform != "win32"}):
        sys.exit(1)


async def _demo(settings: DemoSettings) -> bool:
    console = Console(stderr=False, highlight=False)
    started = time.monotonic()
    progress = "auto"
    _say(
        console, "1", f"A sandbox plays the hosts: {settings.orders:,} orders, {settings.products:,} products"
    )
    async with open_stage(settings) as stage:
        _say(console, "2", "The migration starts, and is killed with SIGKILL when half of it is written")
        killed = await run_and_kill(stage, progress=progress)
        if console.is_terminal:
            console.show_cursor()  # the killed run could not put the terminal back as it was
            console.print()
        _tell_kill(console, killed)
        _say(console, "3", "The same command again: it goes on where the ledger says")
        seconds = await run_to_the_end(stage, progress=progress)
        console.print(f"  finished in {seconds:.1f} s")
        _say(console, "4", "What the sandbox recorded, held against the source, field by field")
        proof = await prove(stage)
    _conclude(console, settings, proof, seconds=time.monotonic() - started)
    return proof.is_good and killed.was_in_time


def _say(console: Console, number: str, text: str) -> None:
    console.print(Text.assemble("\n", (f"{number}  ", "bold cyan"), (text, "bold")))


def _tell_kill(console: Console, killed: Killed) -> None:
    if not killed.was_in_time:
        console.print(
            "  the run ended before it could be killed: nothing is proven; try more --orders", style="red"
        )
        return
    doubt = "no write in doubt" if not killed.in_doubt else f"{killed.in_doubt:,} requests in doubt"
    console.print(
        f"  killed after {killed.seconds:.1f} s, with {killed.written:,} records written and {doubt}"
    )


def _conclude(console: Console, settings: DemoSettings, proof: Proof, *, seconds: float) -> None:
    console.print(_proof_table(proof))
    for check in proof.checks.values():
        if not check.is_good:
            console.print(f"  {check}", style="red", soft_wrap=True)
    requests = ", ".join(f"{api} {count:,}" for api, count in proof.requests.items())
    console.print(f"  requests: {requests}; refused by a limit (429): {proof.too_many}")
    console.print(f"  configuration  {settings.migration}", soft_wrap=True)
    console.print(f"  ledger         {settings.directory / 'demo.ledger.db'}", soft_wrap=True)
    if proof.is_good:
        text = f"Nothing lost, nothing doubled, nothing wrong, after one SIGKILL, in {seconds:.0f} s."
        console.print(Text.assemble("\n", (text, "bold green")))
    else:
        console.print(Text.assemble("\n", ("Something is off: see above.", "bold red")))


def _proof_table(proof: Proof) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("route", no_wrap=True)
    for name in ("source", "there", "lost", "doubled", "wrong", "extra", "left out"):
        table.add_column(name, justify="right", no_wrap=True)
    for route, check in proof.checks.items():
        faults = (len(check.lost), len(check.doubled), len(check.wrong), len(check.extra))
        table.add_row(
            route,
            f"{check.source:,}",
            Text(f"{check.found:,}", "green"),
            *(Text(f"{count:,}", "bold red" if count else "dim") for count in faults),
            f"{len(check.left_out):,}",
        )
    return table
