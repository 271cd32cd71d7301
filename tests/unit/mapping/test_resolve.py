"""From a mapper's name to its function."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from bulkmove.errors import ConfigError
from bulkmove.mapping.resolve import ResolvedMapper, fields_used_with, resolve_mapper

Write = Callable[[str, str], Path]
CONTEXT: Any = None

PLAIN = """
def keep(record, context):
    return {"kept": record["id"]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture(autouse=True)
def imports_are_undone() -> Iterator[None]:
    for name in [each for each in sys.modules if each.partition(".")[0] in {"mappers", "shop"}]:
        del sys.modules[name]  # of another test, which left its own behind
    sys.path[:] = [each for each in sys.path if not (Path(each) / "mappers.py").exists()]
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def call(mapper: ResolvedMapper, record: dict[str, Any]) -> Any:
    return cast("Callable[..., Any]", mapper.function)(record, CONTEXT)


def told(name: str, directory: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        resolve_mapper(name, directory)
    message = str(raised.value)
    assert message.startswith(f"mapper {name!r}: ")
    return message


@pytest.mark.parametrize(
    "name", ["mappers.py:keep", "mappers:keep", "shop/mappers.py:keep", "shop.mappers:keep"]
)
def test_a_function_of_the_migrations_directory_is_found(write: Write, tmp_path: Path, name: str) -> None:
    place = name.rpartition(":")[0]
    path = write(place if place.endswith(".py") else f"{place.replace('.', '/')}.py", PLAIN)
    mapper = resolve_mapper(name, tmp_path)
    assert call(mapper, {"id": 7}) == {"kept": 7}
    assert mapper.name == name
    assert mapper.file == path
    assert mapper.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not mapper.is_async
    assert mapper.no_place == ()


def test_a_file_can_stand_outside_the_directory(write: Write, tmp_path: Path) -> None:
    path = write("shared/mappers.py", PLAIN)
    assert call(resolve_mapper(f"{path}:keep", tmp_path / "here"), {"id": 1}) == {"kept": 1}
    assert call(resolve_mapper("../shared/mappers.py:keep", tmp_path / "shared"), {"id": 1}) == {"kept": 1}


def test_a_built_in_mapper_is_found_by_its_name(
    monkeypatch: pytest.MonkeyPatch, write: Write, tmp_path: Path
) -> None:
    """An entry point of a distribution that is installed in the directory."""
    path = write("acme_mappers.py", PLAIN)
    write("acme-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    write("acme-1.0.dist-info/entry_points.txt", "[bulkmove.mappers]\nacme-keep = acme_mappers:keep\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    mapper = resolve_mapper("acme-keep", Path("/"))
    assert call(mapper, {"id": 7}) == {"kept": 7}
    assert mapper.file == path
    assert mapper.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_name_that_two_distributions_claim_is_refused(
    monkeypatch: pytest.MonkeyPatch, write: Write, tmp_path: Path
) -> None:
    for name in ("acme", "bcme"):
        write(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        write(f"{name}-1.0.dist-info/entry_points.txt", f"[bulkmove.mappers]\nkeep = {name}:keep\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "installed more than once" in told("keep", tmp_path)


def test_an_async_function_is_told_from_a_plain_one(write: Write, tmp_path: Path) -> None:
    write("m.py", "async def later(record, context): return None\n")
    assert resolve_mapper("m.py:later", tmp_path).is_async


def test_an_object_whose_call_is_async_counts_as_async(write: Write, tmp_path: Path) -> None:
    write(
        "m.py", "class Later:\n    async def __call__(self, record, context): return None\nlater = Later()\n"
    )
    assert resolve_mapper("m.py:later", tmp_path).is_async


def test_a_generator_function_is_a_mapper_of_several_bodies(write: Write, tmp_path: Path) -> None:
    write("m.py", "def two(record, context):\n    yield {'a': 1}\n    yield {'a': 2}\n")
    mapper = resolve_mapper("m.py:two", tmp_path)
    assert not mapper.is_async
    assert list(call(mapper, {})) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "parameters", ["record, context", "*arguments", "record, context, more=1", "r, /, c"]
)
def test_whatever_takes_two_arguments_is_accepted(write: Write, tmp_path: Path, parameters: str) -> None:
    write("m.py", f"def f({parameters}): return None\n")
    assert resolve_mapper("m.py:f", tmp_path).name == "m.py:f"


def test_what_a_mapper_says_of_itself_is_passed_on(write: Write, tmp_path: Path) -> None:
    attributes = (
        "keep.no_place = ('customer_email', 'total')\nkeep.tables = ['ids']\nkeep.check_options = print\n"
    )
    write("m.py", PLAIN + attributes)
    mapper = resolve_mapper("m.py:keep", tmp_path)
    assert mapper.no_place == ("customer_email", "total")
    assert mapper.tables == ("ids",)
    assert mapper.check_options is print


@pytest.mark.parametrize("attribute", ["no_place", "tables"])
@pytest.mark.parametrize("value", ["'customer_email'", "(1, 2)", "7"])
def test_one_text_is_not_taken_for_a_tuple_of_names(
    write: Write, tmp_path: Path, attribute: str, value: str
) -> None:
    write("m.py", PLAIN + f"keep.{attribute} = {value}\n")
    assert f"{attribute} must be a tuple of names" in told("m.py:keep", tmp_path)


def test_the_digest_follows_the_text_of_the_file(write: Write, tmp_path: Path) -> None:
    """Also within the same second, and then the new text runs."""
    write("m.py", PLAIN)
    first = resolve_mapper("m.py:keep", tmp_path)
    write("m.py", PLAIN.replace("kept", "held"))
    second = resolve_mapper("m.py:keep", tmp_path)
    assert first.digest != second.digest
    assert call(second, {"id": 7}) == {"held": 7}


@pytest.mark.parametrize("changed", ["m.py", "made_elsewhere.py"])
def test_the_digest_follows_a_function_that_is_made_in_another_file(
    write: Write, tmp_path: Path, changed: str
) -> None:
    write("m.py", "from made_elsewhere import make\nkeep = make('a')\n")
    write(
        "made_elsewhere.py",
        "def make(key):\n    def keep(record, context): return {key: 1}\n    return keep\n",
    )
    before = resolve_mapper("m.py:keep", tmp_path)
    with (tmp_path / changed).open("a") as file:
        file.write("# changed\n")
    after = resolve_mapper("m.py:keep", tmp_path)
    assert before.file == after.file == tmp_path / "m.py"
    assert before.digest != after.digest


def test_one_file_is_loaded_once_for_all_its_mappers(write: Write, tmp_path: Path) -> None:
    write("m.py", "CALLS = []\ndef a(r, c): CALLS.append(1)\ndef b(r, c): return {'n': len(CALLS)}\n")
    call(resolve_mapper("m.py:a", tmp_path), {})
    assert call(resolve_mapper("m.py:b", tmp_path), {}) == {"n": 1}


def test_two_migrations_have_each_their_own_file_of_one_name(write: Write, tmp_path: Path) -> None:
    write("one/mappers.py", PLAIN)
    write("two/mappers.py", PLAIN.replace("kept", "held"))
    assert call(resolve_mapper("mappers.py:keep", tmp_path / "one"), {"id": 1}) == {"kept": 1}
    assert call(resolve_mapper("mappers.py:keep", tmp_path / "two"), {"id": 1}) == {"held": 1}


def test_a_module_that_hides_the_migrations_own_is_refused(write: Write, tmp_path: Path) -> None:
    """Otherwise a migration would run with the mapper of another."""
    write("one/mappers.py", PLAIN)
    write("two/mappers.py", PLAIN)
    resolve_mapper("mappers:keep", tmp_path / "one")
    message = told("mappers:keep", tmp_path / "two")
    assert str(tmp_path / "one" / "mappers.py") in message
    assert "mappers.py:keep" in message


def test_a_users_file_does_not_hide_the_standard_library(write: Write, tmp_path: Path) -> None:
    write("mappers.py", "import this_is_mine\n" + PLAIN)
    write("this_is_mine.py", "")
    resolve_mapper("mappers.py:keep", tmp_path)
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("robosize-relinc", ("no mapper is installed under this name", "did you mean 'robosize-relink'?")),
        (
            "zzz",
            (
                "no mapper is installed",
                "there are as-it-is, merchantpro-to-external-order",
                "file.py:function",
            ),
        ),
        ("m.py", ("name the function in it, as m.py:",)),
        ("m.py:", ("name the function after the colon",)),
        (":f", ("no mapper is installed",)),
        ("nowhere.py:f", ("can't read", "nowhere.py: No such file or directory")),
        ("nowhere/:f", ("can't read",)),
        ("nowhere:f", ("no module nowhere in",)),
        ("nowhere.inner:f", ("no module nowhere.inner in",)),
        ("m.inner:keep", ("no module m.inner in",)),
        ("not a name:f", ("no module not a name in",)),
        ("m.py:kep", ("there is no kep in it", "did you mean 'keep'?")),
        ("m.py:number", ("should be a function, not of type int",)),
        ("m.py:Class", ("should be a function, not of type class",)),
        ("m.py:one", ("takes (record)", "two arguments: (record, context)")),
        ("m.py:three", ("takes (record, context, more)", "two arguments")),
        ("m.py:named", ("takes (record, *, context)", "two arguments")),
        ("m.py:stream", ("async generator",)),
        ("raises.py:f", ("its module can't be imported", 'raises.py", line 3', "KeyError: 'why'")),
        ("raises:f", ("its module can't be imported", 'raises.py", line 3', "KeyError: 'why'")),
        ("package.m:f", ("its module can't be imported", '__init__.py", line 1', "ZeroDivisionError")),
        ("syntax.py:f", ("its module can't be imported", 'syntax.py", line 1', "SyntaxError")),
        ("leaves.py:f", ("its module can't be imported", "SystemExit: 3")),
        ("needs.py:f", ("its module can't be imported", "No module named 'not_installed'")),
        ("needs:f", ("its module can't be imported", "No module named 'not_installed'")),
    ],
)
def test_a_mapper_that_cannot_be_called_says_why(
    write: Write, tmp_path: Path, name: str, parts: tuple[str, ...]
) -> None:
    write("m.py", PLAIN + "number = 3\nclass Class: ...\ndef one(record): ...\n"
          "def three(record, context, more): ...\ndef named(record, *, context): ...\n"
          "async def stream(record, context):\n    yield {}\n")  # fmt: skip
    write("raises.py", "def fail():\n    why = {}\n    why['why']\nfail()\n")
    write("package/__init__.py", "1 / 0\n")
    write("package/m.py", PLAIN)
    write("syntax.py", "def f(:\n")
    write("leaves.py", "raise SystemExit(3)\n")
    write("needs.py", "import not_installed\n")
    message = told(name, tmp_path)
    for part in parts:
        assert part in message
    assert "resolve.py" not in message
    assert "importlib" not in message


def test_a_file_that_failed_is_loaded_anew_once_it_is_mended(write: Write, tmp_path: Path) -> None:
    write("m.py", "import mended_later\n" + PLAIN)
    told("m.py:keep", tmp_path)
    write("mended_later.py", "")
    assert call(resolve_mapper("m.py:keep", tmp_path), {"id": 1}) == {"kept": 1}


def test_what_wraps_a_mapper_may_read_more_than_the_mapper_does(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import functools\n"
        "from bulkmove.mapping.builtin.external_order import order_to_external_order\n"
        "@functools.wraps(order_to_external_order)\n"
        "def mapper(record, context):\n"
        "    return {**order_to_external_order(record, context), 'note': record.get('customer_note')}\n"
        "@functools.wraps(order_to_external_order)\n"
        "def told(record, context):\n"
        "    return order_to_external_order(record, context)\n"
        "told.fields_used = ('id', 'customer_note')\n"
    )
    assert resolve_mapper("mine.py:mapper", tmp_path).fields_used is None
    assert resolve_mapper("mine.py:told", tmp_path).fields_used == ("id", "customer_note")


@pytest.mark.parametrize(
    ("told_by", "message"),
    [
        ("'id'", "its fields_used must return a tuple of names, or None where it may read any, not 'id'"),
        (
            "['id', 3]",
            "its fields_used must return a tuple of names, or None where it may read any, not ['id', 3]",
        ),
        ("options['x']", "its fields_used can't be called: KeyError: 'x'"),
        ("exit(1)", "its fields_used can't be called: SystemExit: 1"),
    ],
)
def test_what_a_mapper_tells_of_its_fields_by_the_options_is_checked(
    write: Write, tmp_path: Path, told_by: str, message: str
) -> None:
    write("m.py", f"{PLAIN}\nkeep.fields_used = lambda options: {told_by}\n")
    with pytest.raises(ConfigError) as raised:
        fields_used_with(resolve_mapper("m.py:keep", tmp_path), {})
    assert str(raised.value) == f"mapper 'm.py:keep': {message}"


@pytest.mark.parametrize(
    ("told_by", "fields"),
    [
        ("('id',)", ("id",)), ("lambda options: ['id', *options]", ("id", "a")), ("lambda options: None", None), ("None", None),
    ],
)  # fmt: skip
def test_the_fields_that_a_mapper_reads_may_hang_on_its_options(
    write: Write, tmp_path: Path, told_by: str, fields: tuple[str, ...] | None
) -> None:
    write("m.py", f"{PLAIN}\nkeep.fields_used = {told_by}\n")
    assert fields_used_with(resolve_mapper("m.py:keep", tmp_path), {"a": 1}) == fields
