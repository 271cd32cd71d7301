"""Where credentials come from: the environment, a file, a command. What they are never reaches a message."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulkmove.config.problems import KeyPath, Problems
from bulkmove.config.variables import expand, has_variable
from bulkmove.settings import Secret

COMMAND_TIMEOUT_S = 30.0
_MOST_BYTES = 64 * 1024


class LiteralSecret(Secret):
    """A credential that stands in the migration's file itself; `cautions` tells of it. No other difference."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a credential is looked up in."""

    directory: Path
    environ: Mapping[str, str]
    command_timeout_s: float = COMMAND_TIMEOUT_S


def resolve_credentials(
    document: Mapping[str, Any], surroundings: Surroundings, problems: Problems
) -> dict[str, dict[str, Secret]]:
    """The credentials by host and name. Works on whatever part of the document has the right shape.

    Commands run last, and only where nothing else is wrong: one may ask a person for a fingerprint.
    """
    found: dict[str, dict[str, Secret]] = {}
    commands: list[tuple[KeyPath, dict[str, Any]]] = []
    for key, value in _credentials(document):
        if isinstance(value, dict) and "command" in value:
            commands.append((key, value))
        else:
            _keep(key, value, surroundings, problems, found)
    for key, value in commands if not problems else ():
        _keep(key, value, surroundings, problems, found)
    return found


def _credentials(document: Mapping[str, Any]) -> list[tuple[KeyPath, Any]]:
    hosts = document.get("hosts")
    return [
        (("hosts", host, "credentials", name), value)
        for host, table in (hosts.items() if isinstance(hosts, Mapping) else ())
        if isinstance(table, Mapping) and isinstance(table.get("credentials"), Mapping)
        for name, value in table["credentials"].items()
    ]


def _keep(
    key: KeyPath,
    value: Any,
    surroundings: Surroundings,
    problems: Problems,
    found: dict[str, dict[str, Secret]],
) -> None:
    try:
        secret = _resolve(value, surroundings)
    except ValueError as error:
        problems.add(key, str(error))
        return
    if secret is not None:
        found.setdefault(str(key[1]), {})[str(key[3])] = secret


def _resolve(value: Any, surroundings: Surroundings) -> Secret | None:
    """Raises ValueError with a message that is fit to be shown. None: the shape is wrong, as others say."""
    environ = surroundings.environ
    match value:
        case str():
            text = _checked(expand(value, environ))
            return Secret(text) if has_variable(value) else LiteralSecret(text)
        case {"file": str(name)}:
            return Secret(_checked(_read(surroundings.directory / expand(name, environ), name)))
        case {"command": [*arguments]} if arguments and all(isinstance(part, str) for part in arguments):
            expanded = [expand(part, environ) for part in arguments]
            return Secret(_checked(_run(expanded, surroundings, arguments[0])))
    return None


def _checked(text: str) -> str:
    if not text.strip():
        raise ValueError("the credential is empty")
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("the credential holds a line break or another control character")
    return text


def _read(path: Path, shown: str) -> str:
    """`shown` is the path as the file spells it: who writes a secret's variable there shall not see its value."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{shown} is too large to be a credential")
        return content.decode().rstrip("\r\n")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    raise ValueError(f"can't read the file {shown}: {reason}")


def _run(arguments: list[str], surroundings: Surroundings, program: str) -> str:
    """The command's stdout. Its arguments and its stderr may hold secrets, so only its name is told, as the file spells it."""
    try:
        process = subprocess.Popen(  # noqa: S603  the user's own command, without a shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=surroundings.directory,
            env=dict(surroundings.environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its arguments can't be passed on"
        raise ValueError(f"can't run {program}: {reason}") from None
    with process:
        try:
            output, _ = process.communicate(timeout=surroundings.command_timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise ValueError(f"{program} did not end within {surroundings.command_timeout_s:g} s") from None
        except BaseException:
            _kill(process)
            raise
    if process.returncode != 0:
        raise ValueError(f"{program} ended with exit code {process.returncode}")
    try:
        return output.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{program} printed something that is not UTF-8 text") from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With its whole group, so that nothing it started goes on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
