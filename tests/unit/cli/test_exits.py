"""How a command ends."""

from __future__ import annotations

import errno
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from bulkmove.cli.exits import exits, without_secrets
from bulkmove.cli.group import main
from bulkmove.errors import ConfigError, CredentialsError, HostUnavailableError, LedgerLockedError


def end(raise_it: Callable[[], None], *arguments: str) -> Result:
    @click.command()
    @click.option("-v", "--verbose", is_flag=True)
    @exits()
    def command(*, verbose: bool) -> None:  # noqa: ARG001  exits() asks click for it
        raise_it()

    return CliRunner().invoke(command, arguments)


def raising(error: BaseException) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("no such key"), 2, "error: no such key\n"),
        (CredentialsError("old refused the key"), 6, "error: old refused the key\n"),
        (LedgerLockedError("another run holds it"), 11, "error: another run holds it\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (ValueError("odd\nvery"), 1, "unexpected: ValueError: odd; run again with -v for the traceback\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: what is told here can't be written: there is no space left for it\n",
        ),
        (click.UsageError("bad option"), 2, None),
        (click.exceptions.Exit(5), 5, ""),
        (SystemExit(3), 3, ""),
    ],
)
def test_each_error_has_its_exit_code_and_one_line(error: BaseException, code: int, line: str | None) -> None:
    result = end(raising(error))
    assert result.exit_code == code
    assert result.stdout == ""
    assert line is None or result.stderr == line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json", "status"], "options go after the command, as in bulkmove COMMAND --json"),
        (["statsu"], "No such command 'statsu'. Did you mean status?"),
        (["zzz"], "No such command 'zzz'."),
    ],
)
def test_a_misplaced_option_and_a_misspelt_command_say_what_to_type(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_command_that_raises_nothing_ends_with_0() -> None:
    assert end(lambda: None).exit_code == 0


def test_a_traceback_comes_with_v_alone() -> None:
    assert "Traceback" not in end(raising(ConfigError("x"))).stderr
    result = end(raising(ConfigError("x")), "-v")
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("error: x\n")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ((HostUnavailableError("a is gone"), ConfigError("b")), 5),
        ((ConfigError("b"), ValueError("c")), 1),
        ((ValueError("c"), ExceptionGroup("inner", [ConfigError("b")])), 1),
        ((ConfigError("b"), KeyboardInterrupt()), 130),
    ],
)
def test_errors_out_of_task_groups_are_told_one_by_one(errors: tuple[BaseException, ...], code: int) -> None:
    result = end(raising(BaseExceptionGroup("tasks", list(errors))))
    assert result.exit_code == code
    assert "BaseExceptionGroup" not in result.stderr
    assert len(result.stderr.splitlines()) == len(errors)


def test_one_error_out_of_many_tasks_is_told_once() -> None:
    result = end(raising(ExceptionGroup("tasks", [ConfigError("same"), ConfigError("same")])))
    assert result.stderr == "error: same\n"


@pytest.mark.parametrize(
    "text",
    [
        "GET https://api.robosize.com/api/v1/product/?api_key=hunter2&limit=5 failed",
        "URL('https://api.robosize.com/?limit=5&api_key=hunter2')",
        "https://me:hunter2@shop.ro/orders",
        "https://hunter2@shop.ro/",
        "Authorization: Basic hunter2hunter2==",
        "{'Authorization': 'Basic hunter2hunter2=='}",
        "{'API-Token': 'hunter2', 'Accept': '*/*'}",
        'b"API-Token": b"hunter2"',
        "API-Token: hunter2",
        "Bearer hunter2hunter2",
        "token=hunter2, next",
    ],
)
@pytest.mark.parametrize("arguments", [(), ("-v",)])
def test_a_secret_in_an_errors_text_is_hidden(text: str, arguments: tuple[str, ...]) -> None:
    result = end(raising(ValueError(text)), *arguments)
    assert "hunter2" not in result.output
    assert "***" in result.output


@pytest.mark.parametrize(
    "text",
    [
        "m.toml: hosts.new.credentials.token: the environment variable NEW_TOKEN is not set",
        'use "${VARIABLE}", { file = "…" } or { command = ["…"] }',
        "https://shop.example.ro/orders: basic configuration? yes",
        "routes.orders.natural_key: must not be empty",
    ],
)
def test_a_message_without_a_secret_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text
