"""Which file a stream is: its name says how its rows stand in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from bulkmove.connectors.files.compression import COMPRESSIONS, Compression
from bulkmove.errors import ConfigError

Format = Literal["jsonl", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
_PACKED_ENDINGS: dict[Compression, str] = {"none": "", "gzip": ".gz", "zstd": ".zst"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows stand in a file."""

    format: Format
    compression: Compression

    @property
    def ending(self) -> str:
        return f".{self.format}{_PACKED_ENDINGS[self.compression]}"


SHAPES = tuple(Shape(kind, packed) for kind in FORMATS for packed in COMPRESSIONS)


@dataclass(frozen=True, slots=True)
class Place:
    """One stream of one directory. `name` is what messages call it, as `disk.orders`."""

    directory: Path
    stream: str
    name: str

    def file(self, shape: Shape) -> Path:
        """The file that holds all rows of the stream, or is not there."""
        return self.directory / f"{self.stream}{shape.ending}"

    def part(self, shape: Shape) -> Path:
        """The file that its rows are gathered in."""
        return self.directory / f".{self.stream}{shape.ending}.part"

    def note(self, shape: Shape) -> Path:
        """Which file `part` is to stand in for, where one was there before."""
        return self.directory / f".{self.stream}{shape.ending}.replaced"

    def shapes_there(self) -> list[Shape]:
        """Those of its files that are there. Blocks."""
        return [shape for shape in SHAPES if self.file(shape).is_file()]

    def shape_there(self) -> Shape:
        """The one that is there. Blocks. Raises ConfigError where there is none, or more than one."""
        shapes = self.shapes_there()
        if len(shapes) == 1:
            return shapes[0]
        if shapes:
            files = " and ".join(self.file(shape).name for shape in shapes)
            raise ConfigError(f"{self.name}: {self.directory} holds {files}; leave the one that is meant")
        usual = self.file(Shape("jsonl", "none")).name
        if parts := [self.part(shape).name for shape in SHAPES if self.part(shape).is_file()]:
            raise ConfigError(
                f"{self.name}: {self.directory} holds {parts[0]}, which the route that writes it has not finished;"
                " run that route to its end first"
            )
        raise ConfigError(
            f"{self.name}: there is no {usual} in {self.directory} (nor .csv, nor either with .gz or .zst)"
        )
