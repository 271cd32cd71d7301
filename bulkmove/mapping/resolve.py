"""From a mapper's name in a migration to the function, and to what a fingerprint needs to know of it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bulkmove.errors import ConfigError
from bulkmove.installed import installed
from bulkmove.mapping.reading import Reading
from bulkmove.protocols import Mapper

MAPPER_GROUP = "bulkmove.mappers"

_MOST_TRACEBACK_LINES = 6


# The source's fields that a mapper reads, or a function that tells them of the route's options; None: any.
FieldsUsed = tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...] | None] | None


@dataclass(frozen=True, slots=True)
class ResolvedMapper:
    """A mapper that can be called with a record and a context.

    `file` is the one that its name leads to, `digest` the SHA-256 of that file in hex; where the function is
    defined in another file, of both.

    The rest are attributes that a mapper's function may have: `no_place` names the source's fields that its
    bodies can't carry, `tables` the options that name a look-up table's file, `lookups` the look-ups that it asks by
    their own names (None: any), `fields_used` the source's fields that it reads, and `check_options` raises ConfigError for options that it can't work with. `readings` are what a mapping without code tells of its fields.
    """

    name: str
    function: Mapper
    is_async: bool
    file: Path | None
    digest: str
    no_place: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    check_options: Callable[[Mapping[str, Any]], None] | None = None
    lookups: tuple[str, ...] | None = None
    fields_used: FieldsUsed = None
    readings: tuple[Reading, ...] = ()


def resolve_mapper(name: str, directory: Path) -> ResolvedMapper:
    """The mapper of a name: a built-in or installed one, "file.py:function" or "module:function".

    Files are relative to `directory`, and modules are found there too (it is added to the end of `sys.path`).
    Imports the user's code. Raises ConfigError where there is none, or none that can be called as a mapper.
    """
    place, _, attribute = name.rpartition(":")
    if not place:
        module, function = _installed(name)
    elif not attribute:
        raise ConfigError(f"mapper {name!r}: name the function after the colon, as {place}:relink")
    else:
        if place.endswith(".py") or "/" in place:
            module = _load_file(name, directory / place, directory)
        else:
            module = _import_module(name, place, directory)
        function = _attribute(name, module, attribute)
    _check_callable(name, function)
    return ResolvedMapper(
        name=name,
        function=_plain(function),
        is_async=inspect.iscoroutinefunction(_plain(function)),
        file=_file_of(module),
        digest=_digest(name, module, function),
        no_place=_names(name, function, "no_place"),
        tables=_names(name, function, "tables"),
        check_options=getattr(function, "check_options", None),
        lookups=_names(name, function, "lookups") if hasattr(function, "lookups") else None,
        fields_used=_fields_used(name, function),
    )


def _installed(name: str) -> tuple[types.ModuleType, Any]:
    points = installed(MAPPER_GROUP)
    found = list(points.select(name=name))
    if not found:
        if name.endswith(".py"):
            raise ConfigError(f"mapper {name!r}: name the function in it, as {name}:relink")
        known = sorted(points.names)
        hint = (
            _did_you_mean(name, known)
            or f"; there are {', '.join(known)}, or name one of yours as file.py:function"
        )
        raise ConfigError(f"mapper {name!r}: no mapper is installed under this name{hint}")
    if len({point.value for point in found}) > 1:
        raise ConfigError(
            f"mapper {name!r}: installed more than once: {', '.join(point.value for point in found)}"
        )
    with _import_errors(name):
        function = found[0].load()
        return importlib.import_module(found[0].module), function


def _load_file(name: str, path: Path, directory: Path) -> types.ModuleType:
    """A module of the file's own, named by its path and content: never another directory's mappers.py.

    It is compiled from the bytes that its name is made of, so that no cached bytecode of an older text runs.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"mapper {name!r}: can't read {path}: {error.strerror}") from None
    digest = hashlib.sha256(str(path).encode() + b"\0" + source).hexdigest()
    module_name = f"_bulkmove_mapper_{digest[:16]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise ConfigError(f"mapper {name!r}: {path} is not a Python file (its name does not end in .py)")
    _make_importable(directory)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        with _import_errors(name):
            exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  the user's own code
    except ConfigError:
        del sys.modules[module_name]
        raise
    return module


def _import_module(name: str, module_name: str, directory: Path) -> types.ModuleType:
    _make_importable(directory)
    if not _is_there(name, module_name):
        hint = f"; did you mean {module_name}.py:…?" if (directory / f"{module_name}.py").exists() else ""
        raise ConfigError(
            f"mapper {name!r}: no module {module_name} in {directory} or among what is installed{hint}"
        )
    with _import_errors(name):
        module = importlib.import_module(module_name)
    _check_not_shadowed(name, module, directory)
    return module


def _is_there(name: str, module_name: str) -> bool:
    """Imports the packages that hold the module, but not the module."""
    if not all(part.isidentifier() for part in module_name.split(".")):
        return False
    with _import_errors(name):
        try:
            return importlib.util.find_spec(module_name) is not None
        except ModuleNotFoundError as error:
            if f"{module_name}.".startswith(f"{error.name}."):
                return False
            raise
        except ValueError:  # a module such as __main__, which was not imported by name
            return True


def _make_importable(directory: Path) -> None:
    # At the end: a user's json.py must not stand in for the standard library's.
    if str(directory) not in sys.path:
        sys.path.append(str(directory))
        importlib.invalidate_caches()


def _check_not_shadowed(name: str, module: types.ModuleType, directory: Path) -> None:
    """The module of this directory is meant, if there is one, not an installed one or another migration's."""
    here = directory / f"{module.__name__.replace('.', '/')}.py"
    file = _file_of(module)
    if here.exists() and (file is None or not here.samefile(file)):
        raise ConfigError(
            f"mapper {name!r}: module {module.__name__} is {file or 'built in'}, not {here}; "
            f"name the file instead: {here.relative_to(directory)}:{name.rpartition(':')[2]}"
        )


def _attribute(name: str, module: types.ModuleType, attribute: str) -> Any:
    if attribute in vars(module):
        return vars(module)[attribute]
    known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    raise ConfigError(f"mapper {name!r}: there is no {attribute} in it{_did_you_mean(attribute, known)}")


def _check_callable(name: str, function: Any) -> None:
    if inspect.isclass(function) or not callable(function):
        kind = "class" if inspect.isclass(function) else type(function).__name__
        raise ConfigError(f"mapper {name!r}: should be a function, not of type {kind}")
    if inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"mapper {name!r}: is an async generator; return a list of bodies, or drop the async"
        )
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C tell nothing of theirs
        return
    try:
        signature.bind({}, None)
    except TypeError:
        raise ConfigError(
            f"mapper {name!r}: takes {signature}; a mapper is called with two arguments: (record, context)"
        ) from None


def _plain(function: Any) -> Any:
    """The bound method of an object whose `__call__` is async, so that it can be told from a plain function."""
    is_hidden = not inspect.iscoroutinefunction(function) and inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  the method itself is asked
    )
    return function.__call__ if is_hidden else function


def _names(name: str, function: Any, attribute: str) -> tuple[str, ...]:
    names = getattr(function, attribute, ())
    if not _are_names(names):
        raise ConfigError(f"mapper {name!r}: its {attribute} must be a tuple of names")
    return tuple(names)


def _are_names(given: object) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(item, str) for item in given)


def fields_used_with(mapper: ResolvedMapper, options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The source's fields that a mapper reads where a route has these options, None for any.

    Raises ConfigError where the mapper's own function that tells them fails, or returns something else.
    """
    if not callable(mapper.fields_used):
        return mapper.fields_used
    told = f"mapper {mapper.name!r}: its fields_used"
    try:
        fields = mapper.fields_used(options)
    except ConfigError as error:
        raise ConfigError(f"{told}: {error}") from error
    except (Exception, SystemExit) as error:
        said = f": {error}" if str(error) else ""
        raise ConfigError(f"{told} can't be called: {type(error).__name__}{said}") from error
    if fields is not None and not _are_names(fields):
        raise ConfigError(
            f"{told} must return a tuple of names, or None where it may read any, not {fields!r:.80}"
        )
    return fields if fields is None else tuple(fields)


def _fields_used(name: str, function: Any) -> FieldsUsed:
    given = getattr(function, "fields_used", None)
    if given is not None and getattr(getattr(function, "__wrapped__", None), "fields_used", None) is given:
        return None  # `functools.wraps` copied it from the mapper within: what is around that may read more
    return given if given is None or callable(given) else _names(name, function, "fields_used")


def _file_of(module: types.ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


def _digest(name: str, module: types.ModuleType, function: Any) -> str:
    plain = inspect.unwrap(function)
    defined_in = sys.modules.get(getattr(plain, "__module__", None) or type(plain).__module__)
    files = [file for file in dict.fromkeys((_file_of(module), _file_of(defined_in))) if file is not None]
    try:
        content = b"".join(file.read_bytes() for file in files)
    except OSError as error:
        raise ConfigError(f"mapper {name!r}: can't read {error.filename}: {error.strerror}") from None
    return hashlib.sha256(content or name.encode()).hexdigest()


@contextmanager
def _import_errors(name: str) -> Iterator[None]:
    """What the user's module raises, SystemExit too, with the last lines of its own traceback."""
    try:
        yield
    except (Exception, SystemExit) as error:
        own = error.__traceback__
        while own is not None and not _is_users(own.tb_frame.f_code.co_filename):
            own = own.tb_next
        told = "".join(traceback.format_exception(type(error), error, own, chain=False)).rstrip()
        lines = told.removeprefix("Traceback (most recent call last):\n").splitlines()
        kept = "\n".join(f"  {line}" for line in lines[-_MOST_TRACEBACK_LINES:])
        raise ConfigError(f"mapper {name!r}: its module can't be imported:\n{kept}") from error


def _is_users(file: str) -> bool:
    return not file.startswith(("<frozen ", str(Path(importlib.__file__).parent))) and file != __file__


def _did_you_mean(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
