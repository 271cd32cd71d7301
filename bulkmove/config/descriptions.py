"""What stands below each key of the file's shape, for editors: read from the source when somebody asks for the schema.

pydantic can do so while a class is made, which parses the source of each of them whenever a command starts.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


def described(schema: dict[str, Any], models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The JSON Schema of the last of the models, each property with the text below its field."""
    *inner, root = models
    definitions = schema.get("$defs", {})
    for model in inner:
        _describe(definitions[model.__name__], model)
    _describe(schema, root)
    return schema


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    texts = _texts(model)
    for name, field in model.model_fields.items():
        if name in texts:
            key = field.alias or name
            told = {**schema["properties"][key], "description": texts[name]}
            schema["properties"][key] = dict(sorted(told.items()))


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field."""
    (made,) = ast.parse(inspect.getsource(model)).body
    texts = {}
    for field, below in pairwise(made.body if isinstance(made, ast.ClassDef) else ()):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = inspect.cleandoc(text)
    return texts
