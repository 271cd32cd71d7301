"""What a command found, saved in a file of its own that another takes up: read back as what it is, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec
import orjson

from bulkmove.errors import ConfigError
from bulkmove.pipeline.placing import replace_file


class _Saved(Protocol):
    @property
    def format(self) -> int: ...


_T = TypeVar("_T", bound=_Saved)


@dataclass(frozen=True, slots=True)
class SavedKind(Generic[_T]):
    """A kind of such files. `word`: what one is called, after the command that makes it. `mode`: who may read it."""

    word: str
    content: type[_T]
    format: int
    mode: int

    def save(self, path: Path, saved: _T) -> None:
        """Write it, whole or not at all. Raises ConfigError where something else is there, or it can't be written."""
        self.refuse_foreign(path)
        text = orjson.dumps(
            msgspec.to_builtins(saved), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        try:
            replace_file(path, text, mode=self.mode)
        except OSError as error:
            raise ConfigError(f"{path}: the {self.word} can't be written: {error.strerror}") from error

    def refuse_foreign(self, path: Path) -> None:
        """Raises ConfigError where something is there that this did not save."""
        if not path.exists():
            return
        if not path.is_file():
            raise ConfigError(f"{path}: is no file; name another place with --save")
        try:
            self.load(path)
        except ConfigError:
            raise ConfigError(
                f"{path}: is there already, and is no saved {self.word}: name another place with --save"
            ) from None

    def load(self, path: Path) -> _T:
        """Raises ConfigError for a file that can't be read, or is none."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: the {self.word} can't be read: {error.strerror}") from error
        try:
            saved = msgspec.json.decode(text, type=self.content)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise ConfigError(
                f"{path}: is no {self.word} that `bulkmove {self.word} --save` wrote: {error}"
            ) from error
        if saved.format != self.format:
            age = "a newer" if saved.format > self.format else "an older"
            raise ConfigError(f"{path}: was saved by {age} bulkmove: {self.word} again")
        return saved
