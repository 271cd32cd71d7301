"""Where credentials come from, and that they go nowhere else."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bulkmove.config import described, load_migration, read_document, show
from bulkmove.config.credentials import Surroundings, resolve_credentials
from bulkmove.config.problems import Problems
from bulkmove.errors import ConfigError

Write = Callable[..., Path]

PYTHON = json.dumps(sys.executable)


def with_token(write: Write, token: str) -> Path:
    return write(('"${NEW_TOKEN}"', token))


def token_of(path: Path) -> str:
    return load_migration(path).hosts["new"].credentials["token"].reveal()


def told(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load_migration(path)
    return str(raised.value).removeprefix(f"{path}: hosts.new.credentials.token: ")


def test_a_variable_can_stand_within_text(write: Write) -> None:
    assert token_of(with_token(write, '"Bearer ${NEW_TOKEN}"')) == "Bearer t-c01dbeef"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_is_read_beside_the_migration_without_its_last_line_break(
    write: Write, tmp_path: Path, end: str
) -> None:
    (tmp_path / "token.txt").write_bytes(b" from a file " + end.encode())
    assert token_of(with_token(write, '{ file = "token.txt" }')) == " from a file "


def test_a_command_runs_in_the_migrations_directory_without_a_shell(write: Write, tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), sys.argv[1], os.environ['OLD_KEY'])"
    path = with_token(write, f"{{ command = [{PYTHON}, '-c', {json.dumps(program)}, '$(id) *'] }}")
    assert token_of(path) == f"{tmp_path} $(id) * k-3f9a1c7e"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ('{ file = "nowhere.txt" }', "can't read the file nowhere.txt: No such file or directory"),
        ('{ file = "." }', "can't read the file .: Is a directory"),
        ('{ file = "empty.txt" }', "the credential is empty"),
        ('{ file = "lines.txt" }', "the credential holds a line break or another control character"),
        ('{ file = "latin.txt" }', "can't read the file latin.txt: it is not UTF-8 text"),
        ('{ file = "large.txt" }', "large.txt is too large to be a credential"),
        ('{ file = "${NEW_TOKEN}" }', "can't read the file ${NEW_TOKEN}: No such file or directory"),
        ('"${EMPTY}"', "the credential is empty"),
        (
            '{ command = ["no-such-program-here"] }',
            "can't run no-such-program-here: No such file or directory",
        ),
        ('{ command = ["false"] }', "false ended with exit code 1"),
        ('{ command = ["true"] }', "the credential is empty"),
        ('{ command = ["${NEW_TOKEN}"] }', "can't run ${NEW_TOKEN}: No such file or directory"),
    ],
)
def test_a_credential_that_cannot_be_had_says_why(
    write: Write, tmp_path: Path, token: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "lines.txt").write_text("a\nb\n")
    (tmp_path / "latin.txt").write_bytes(b"\xe3\xe2")
    (tmp_path / "large.txt").write_text("a" * 100_000)
    path = with_token(write, token)
    with pytest.raises(ConfigError) as raised:
        load_migration(path)
    assert str(raised.value) == f"{path}: hosts.new.credentials.token: {message}"


def test_what_a_failing_command_prints_is_not_repeated(write: Write) -> None:
    program = "import sys; print('hunter2'); print('hunter2', file=sys.stderr); sys.exit(3)"
    message = told(with_token(write, f"{{ command = [{PYTHON}, '-c', {json.dumps(program)}] }}"))
    assert "hunter2" not in message
    assert message.endswith("ended with exit code 3")


def test_what_a_command_says_on_stderr_is_not_part_of_the_credential(write: Write) -> None:
    program = "import sys; print('careful', file=sys.stderr, flush=True); print('from-a-command')"
    path = with_token(write, f"{{ command = [{PYTHON}, '-c', {json.dumps(program)}] }}")
    assert token_of(path) == "from-a-command"


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    document = {
        "hosts": {"new": {"credentials": {"token": {"command": ["sh", "-c", "sleep 50 > pipe & wait"]}}}}
    }
    problems = Problems(document)
    surroundings = Surroundings(tmp_path, {"PATH": "/usr/bin:/bin"}, command_timeout_s=1)
    assert resolve_credentials(document, surroundings, problems) == {}
    with pytest.raises(ConfigError, match=r"hosts\.new\.credentials\.token: sh did not end within 1 s"):
        problems.raise_any(tmp_path)
    waiter = select.poll()
    waiter.register(reader, 0)
    assert waiter.poll(10_000) == [(reader, select.POLLHUP)], "the child still holds the pipe"
    os.close(reader)


def test_commands_do_not_run_while_anything_else_is_wrong(write: Write, tmp_path: Path) -> None:
    path = write(('"${NEW_TOKEN}"', '{ command = ["touch", "ran"] }'), ("${OLD_KEY}", "${NOPE}"))
    assert "NOPE is not set" in told(path)
    assert not (tmp_path / "ran").exists()


def test_no_credential_is_in_repr_or_in_what_is_shown(write: Write, environ: dict[str, str]) -> None:
    """Not even where an option is filled from the same variable."""
    leaks = 'mapper = "mappers.py:again"\noptions = { a = "${OLD_KEY}", b = ["x ${OLD_SECRET} y"], c = { d = "${NEW_TOKEN}" } }'
    path = write(('mapper = "mappers.py:again"', leaks))
    settings = load_migration(path)
    document = read_document(path)
    shown = show(settings, document) + json.dumps(described(settings, document, path)) + repr(settings.hosts)
    assert not any(secret in shown for secret in environ.values())
    assert 'options = { a = "***", b = ["x *** y"], c = { d = "***" } }' in shown


def test_a_variable_that_is_no_text_is_named_and_not_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTES", "abc\udcff")
    said = told(write(('"${NEW_TOKEN}"', '"${BYTES}"')))
    assert said == "the environment variable BYTES holds bytes that are no text in UTF-8"
