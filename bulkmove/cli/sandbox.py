"""`bulkmove sandbox`: the four APIs emulated on loopback, until it is told to end."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import typing
from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
import click
import orjson

from bulkmove.cli.loading import deliver, hold
from bulkmove.errors import ConfigError
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings, option_name

_LOOK_FOR_PARENT_EVERY_S = 0.5


class _Parsed(click.ParamType[Any]):
    """A value that the settings parse themselves; what they refuse is a usage error."""

    name = "text"

    def __init__(self, parse: Callable[[str], object]) -> None:
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    hints = typing.get_type_hints(SandboxSettings)
    for field in reversed(dataclasses.fields(SandboxSettings)):
        function = _option(field, hints[field.name])(function)
    return function


def _option(field: dataclasses.Field[Any], hint: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    names = (option_name(field), field.name)
    help_text = field.metadata["help"]
    if field.type == "bool":
        return click.option(*names, is_flag=True, default=field.default, help=help_text)
    is_repeated = typing.get_origin(hint) is tuple
    kind: Any = hint
    if field.metadata["parse"] is not None:
        kind = _Parsed(field.metadata["parse"])
    elif typing.get_origin(hint) is typing.Literal:
        kind = click.Choice(typing.get_args(hint))
    return click.option(
        *names,
        type=kind,
        default=field.default,
        multiple=is_repeated,
        show_default=not is_repeated,
        help=help_text,
    )


@click.command("sandbox")
@_with_options
@click.option("--parent-pid", type=int, default=None, help="End when this process is gone.")
def command(parent_pid: int | None, **options: Any) -> None:
    """Emulate the four APIs on loopback, with limits and faults, until SIGTERM or Ctrl-C.

    Prints one JSON line when it accepts connections. What was written to it, and what was counted, is shown under
    /_sandbox/.
    """
    deliver()  # what waited while this was loaded ends it here
    hold()  # until `_serve` listens: an interrupt that is raised while a loop starts leaves one that can't be closed
    try:
        settings = SandboxSettings(**options)
        anyio.run(_serve, settings, parent_pid, backend_options={"use_uvloop": _has_uvloop()})
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    finally:
        deliver()


async def _serve(settings: SandboxSettings, parent_pid: int | None) -> None:
    # Signals are listened for before the ready line is out: whoever reads it may send one at once.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        deliver()
        async with Sandbox(settings) as sandbox, anyio.create_task_group() as tasks:
            _settle_memory()
            if parent_pid is not None:
                tasks.start_soon(_end_with_parent, tasks.cancel_scope, parent_pid, name="sandbox parent")
            click.echo(orjson.dumps(sandbox.ready_line))
            async for _ in signals:
                tasks.cancel_scope.cancel()


def _settle_memory() -> None:
    """Do without the collector: a strict limit that counts by a clock which stood still for 20 ms refuses what kept it.

    Nothing that is served makes cycles, faults included: after thousands of requests it found none.
    """
    gc.collect()
    gc.disable()


async def _end_with_parent(scope: anyio.CancelScope, parent_pid: int) -> None:
    is_own_parent = os.getppid() == parent_pid
    # A parent that was killed tells nobody: looking is the only way that works on every system.
    while _is_alive(parent_pid) and (not is_own_parent or os.getppid() == parent_pid):  # noqa: ASYNC110  no event tells that another process ended
        await anyio.sleep(_LOOK_FOR_PARENT_EVERY_S)
    scope.cancel()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401  whether it is there is all that matters, and only here
    except ImportError:
        return False
    return True
