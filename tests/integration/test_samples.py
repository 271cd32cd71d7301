"""What is shipped to be read and copied: the sample migration runs as it stands, and the documentation tells what is."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import click
import orjson
import pytest

from bulkmove.cli.group import main
from bulkmove.config import load_migration
from bulkmove.config.lookup_tables import Lookup
from bulkmove.config.schema import Host, Migration, Route
from bulkmove.connectors.discover import connectors
from bulkmove.errors import BulkmoveError
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.order_status import PAYMENT, SHIPPING, status_table
from bulkmove.mapping.builtin.robosize_order import DATA_FIELDS
from bulkmove.pipeline.opening import default_windows
from bulkmove.pipeline.plan import plan_migration
from bulkmove.sandbox.conditions import FAULTS
from bulkmove.sandbox.process import SandboxHandle, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings, option_name
from bulkmove.sandbox.world import make_world

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "store-cutover"
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
PAGES = (
    README,
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "samples").glob("*/README.md")),
)
SHELLS = ("sh", "bash", "console")
# What a shell returns for a process that was ended by a signal.
SIGNALLED = {128 + signal.SIGINT, 128 + signal.SIGTERM}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def section(page: Path, title: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}$", text_of(page), flags=re.MULTILINE)
    assert found is not None, f"{page.name} has no heading {title!r}"
    rest = text_of(page)[found.end() :]
    return re.split(rf"^#{{1,{len(found[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def fenced(text: str, *languages: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [body for language, body in blocks if not languages or language in languages]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of a page's tables; a bar that is escaped stands for itself."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# The sample.


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


def steps() -> list[str]:
    """The commands of the sample's README, one a line, but for the sandbox's, which the tests start on a free port."""
    blocks = fenced(section(SAMPLE / "README.md", "Run it"), *SHELLS)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith("bulkmove sandbox")]


def environment(sandbox: SandboxHandle) -> dict[str, str]:
    """What the README exports, at the address of this sandbox."""
    exported = [part for line in steps() if line.startswith("export ") for part in shlex.split(line)[1:]]
    values = dict(part.split("=", 1) for part in exported)
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **values, "SHOP_URL": sandbox.url, "PATH": scripts}


async def perform(line: str, sample: Path, sandbox: SandboxHandle) -> subprocess.CompletedProcess[bytes]:
    return await anyio.run_process(
        ["sh", "-c", line], cwd=sample, env=environment(sandbox), check=False, stdin=subprocess.DEVNULL
    )


def summary_in(output: bytes) -> dict[str, Any]:
    line: dict[str, Any] = orjson.loads(output.splitlines()[-1])
    return line


async def change_source(line: str, sandbox: SandboxHandle) -> None:
    """What the README does by curl, with the very body that it sends."""
    body = shlex.split(line)[-1]
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(f"{sandbox.url}/_sandbox/source", data=body) as answer,
    ):
        assert (await answer.json())["updated"] > 0


def in_short(text: str) -> list[str]:
    """Lines of output, whatever the width of their columns."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def hurry(sample: Path) -> None:
    """The sample's hosts, at higher limits."""
    file = sample / "migration.toml"
    text = file.read_text(encoding="utf-8").replace('"20/s"', '"200/s"').replace('"10/s"', '"100/s"')
    file.write_text(text, encoding="utf-8")


ENDS: tuple[tuple[str, set[int]], ...] = (
    ("bulkmove plan", {3}),
    # As a shell tells it, or of the shell itself where that became `timeout`.
    ("timeout ", {128 + signal.SIGKILL, -signal.SIGKILL}),
    ("bulkmove cutover --freeze", {4}),
    ("bulkmove repair", {0, 3}),
    ("", {0}),
)


@pytest.mark.timeout(240)
async def test_the_sample_goes_through_a_whole_cutover_as_its_readme_says(sample: Path) -> None:
    """Every command in its order, with every line that is shown of its output; at limits that keep the test short."""
    hurry(sample)
    blocks = re.findall(
        r"^```(\w*)\n(.*?)^```$", section(SAMPLE / "README.md", "Run it"), re.MULTILINE | re.DOTALL
    )
    told: list[str] = []
    async with sandbox_process(SandboxSettings()) as sandbox:
        for language, block in blocks:
            if language != "sh":
                assert not set(in_short(block)) - set(told), "\n".join(told)
                continue
            told = []
            for line in block.splitlines():
                if line.startswith("curl "):
                    await change_source(line, sandbox)
                elif not line.startswith(("export ", "bulkmove sandbox")):
                    done = await perform(line, sample, sandbox)
                    codes = next(codes for start, codes in ENDS if line.startswith(start))
                    assert done.returncode in codes, (line, done.stdout.decode(), done.stderr.decode())
                    told += in_short(done.stdout.decode())
    assert (sample / "report.html").stat().st_mode & 0o777 == 0o600


@pytest.mark.timeout(120)
async def test_the_sample_comes_to_what_its_table_says(sample: Path) -> None:
    hurry(sample)
    async with sandbox_process(SandboxSettings()) as sandbox:
        await change_source(next(line for line in steps() if line.startswith("curl ")), sandbox)
        rehearsed = await perform("bulkmove run --dry-run --json", sample, sandbox)
        failures = await perform("bulkmove plan --json", sample, sandbox)
    assert summary_in(rehearsed.stdout)["exit"] == 3
    assert summary_in(rehearsed.stdout)["routes"] == promised_counts()
    causes = [line for line in map(orjson.loads, failures.stdout.splitlines()) if line["type"] == "cause"]
    assert [(cause["cause"], cause["records"]) for cause in causes] == [("test-order", 2)]


def promised_counts() -> dict[str, dict[str, int]]:
    """The table in the sample's README."""
    table = list(rows(section(SAMPLE / "README.md", "Before")))
    names = table[0][1:-1]
    nothing = {"unchanged": 0, "unknown": 0, "pending": 0}
    return {
        row[0]: {**nothing, **{name: int(cell) for name, cell in zip(names, row[1:-1], strict=True)}}
        for row in table[1:]
    }


async def test_the_sample_without_test_orders_ends_with_0_and_prefixes_by_channel(sample: Path) -> None:
    async with sandbox_process(SandboxSettings(orders=200)) as sandbox:
        done = await perform("bulkmove run --yes --json", sample, sandbox)
        rows_there = await perform(
            f"curl -sf {sandbox.url}/_sandbox/external-orders || true", sample, sandbox
        )
    assert done.returncode == 0, done.stderr.decode()
    assert summary_in(done.stdout)["routes"]["orders"]["rejected"] == 0
    if rows_there.stdout:  # where there is curl
        prefixes = {row["rrn"].partition("-")[0] for row in orjson.loads(rows_there.stdout)["rows"]}
        assert prefixes == {"emag", "glovo", "fb", "web"}


def test_the_samples_table_is_what_the_sandbox_has_for_its_default_seed() -> None:
    world = make_world(SandboxSettings(), now=lambda: 0.0)
    assert (SAMPLE / "ids.csv").read_bytes() == world.catalogue.ids_csv()


# The documentation.


def test_quick_start_has_two_commands_and_the_ci_runs_the_second() -> None:
    quick_start = section(README, "Quick start")
    job, tests = fenced(quick_start)
    assert len(job.splitlines()) == len(tests.splitlines()) == 1
    assert job.strip().endswith("bulkmove demo")
    assert tests.strip().endswith("-m pytest -n 3 --dist loadfile")
    extraction = re.search(r"^tests=\$\((.*)\)$", text_of(ROOT / ".ci" / "run"), flags=re.MULTILINE)
    assert extraction is not None
    found = subprocess.run(["sh", "-c", extraction[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == tests


def complete(block: str) -> bool:
    return "hosts" in (document := tomllib.loads(block)) and "routes" in document


TOML_BLOCKS = [(page.name, block) for page in PAGES for block in fenced(text_of(page), "toml")]


def test_there_is_a_complete_migration_in_the_readme() -> None:
    assert any(complete(block) for block in fenced(text_of(README), "toml"))


@pytest.mark.parametrize(("page", "block"), TOML_BLOCKS)
def test_toml_in_the_documentation_is_right(page: str, block: str, tmp_path: Path) -> None:
    if not complete(block):
        return
    del page
    file = tmp_path / "migration.toml"
    file.write_text(block, encoding="utf-8")
    names = re.findall(r"\$\{(\w+)\}", block)
    plan_migration(load_migration(file, environ=dict.fromkeys(names, "https://shop.example.ro")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documentation_compiles(page: Path) -> None:
    for block in fenced(text_of(page), "python"):
        compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_json_in_the_readme_is_json() -> None:
    blocks = fenced(text_of(README), "json")
    assert blocks
    assert {orjson.loads(block)["type"] for block in blocks} == {"summary", "failure"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


# Commands.


def commands() -> dict[str, click.Command]:
    """Every command by its whole name, as `config show`."""
    context = click.Context(main)
    found: dict[str, click.Command] = {}
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": each for inner, each in command.commands.items()}
    return found


COMMANDS = commands()


def options_of(command: click.Command) -> set[str]:
    return {name for option in command.params if isinstance(option, click.Option) for name in option.opts}


def named_commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every `bulkmove …` in code of a page: the command, and its options."""
    text = text_of(page)
    code = [line for block in fenced(text, *SHELLS) for line in block.splitlines()]
    code += re.findall(
        r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    for line in code:
        for found in re.finditer(r"(?:^|[\s/])bulkmove ([a-z].*)", line):
            words = found[1].partition(" | ")[0].split()
            name = " ".join(words[:2]) if words[0] == "config" else words[0]
            yield name, [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_exist(page: Path) -> None:
    for name, options in named_commands(page):
        assert name in COMMANDS, name
        unknown = set(options) - options_of(COMMANDS[name]) - {"--help"}
        assert not unknown, (name, unknown)


def test_the_table_of_run_names_all_its_options() -> None:
    table = re.search(r"^\| `bulkmove run` \|.*?\n\n", text_of(README), flags=re.MULTILINE | re.DOTALL)
    assert table is not None
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", table[0])) == options_of(COMMANDS["run"]) - {
        "--verbose"
    }


def test_every_option_in_the_documentation_is_one_of_some_command() -> None:
    known = {"--help", *(option for command in COMMANDS.values() for option in options_of(command))}
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
        for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose):
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", span)) <= known, span


def test_the_sandboxs_options_and_faults_are_all_told() -> None:
    page = ROOT / "docs" / "sandbox.md"
    told = set(re.findall(r"`(--[a-z-]+)`", text_of(page)))
    assert {option_name(field) for field in fields(SandboxSettings)} <= told
    faults = {name for row in rows(section(page, "Faults")) for name in names_in(row[1])}
    assert faults == set(FAULTS)


# Facts.


def test_all_keys_of_the_configuration_are_told() -> None:
    told = {name for row in rows(section(CONFIGURATION, "Keys")) for name in names_in(row[0])}
    keys = {
        field.alias or name
        for model in (Migration, Host, Route, Lookup)
        for name, field in model.model_fields.items()
    } - {"hosts", "routes", "lookups"}
    assert told - {"[hosts.X]", "[routes.X]", "[lookups.X]"} == keys


def test_defaults_of_the_configuration_are_the_codes() -> None:
    table = list(rows(section(CONFIGURATION, "Keys")))
    told = {name: names_in(row[1])[0] for row in table for name in names_in(row[0]) if names_in(row[1])}
    for model in (Migration, Host, Route):
        for name, key in model.model_fields.items():
            if isinstance(key.default, str | int | float) and name in told:
                assert orjson.loads(told[name]) == key.default, name


def test_exit_codes_are_those_of_the_errors() -> None:
    told = {int(row[0]) for row in rows(section(README, "Exit codes")) if row[0].isdigit()}
    assert told == {0} | set(exit_codes(BulkmoveError)) | SIGNALLED


def exit_codes(error: type[BulkmoveError]) -> Iterator[int]:
    yield error.exit_code
    for kind in error.__subclasses__():
        if kind.__module__ == BulkmoveError.__module__:
            yield from exit_codes(kind)


def test_the_status_table_is_the_codes() -> None:
    head, *body = rows(section(ROOT / "docs" / "mapping.md", "Order status"))
    payments = [names_in(cell)[0] for cell in head[1:]]
    told = {
        (names_in(row[0])[0], payment): names_in(cell)[0]
        for row in body
        for payment, cell in zip(payments, row[1:], strict=True)
    }
    table, default = status_table({})
    assert default is None
    assert told == {(s, p): table[s, p] for s in SHIPPING for p in PAYMENT}


def test_fields_without_a_place_are_the_mappers() -> None:
    told = [
        name
        for row in rows(section(ROOT / "docs" / "mapping.md", "What has no place"))
        for name in names_in(row[0])
    ]
    assert len(told) == len(set(told))
    assert set(told) == set(order_to_external_order.no_place)


def test_the_sizing_services_fields_are_the_mappers() -> None:
    text = section(ROOT / "docs" / "mapping.md", "merchantpro-to-robosize-order")
    listed = re.search(r"By default these go: (.*)\.$", text, flags=re.MULTILINE)
    assert listed is not None
    assert tuple(names_in(listed[1])) == DATA_FIELDS


def test_paths_and_what_is_unconfirmed_of_them_are_the_connectors() -> None:
    told = {
        (row[0], names_in(row[1])[0]): (names_in(row[2])[0], row[3].startswith("unconfirmed"))
        for row in rows(section(ROOT / "docs" / "apis.md", "Paths"))
        if names_in(row[1])
    }
    assert told == {
        (api, name): (path, name in connector.unconfirmed)
        for api, connector in connectors().items()
        for name, path in connector.paths.items()
    }


def test_default_rates_are_the_connectors() -> None:
    told = {
        row[0]: re.findall(r"\d+/\w+", row[1])
        for row in rows(section(README, "Rates"))
        if row[0] in connectors()
    }
    assert told == {
        api: [str(window) for window in default_windows(connector)] for api, connector in connectors().items()
    }
