"""Values that Python alone does not have: secrets, references, and what is not known or not kept."""

from __future__ import annotations

import dataclasses
import os
import re
from enum import Enum
from typing import Any, Final

from ._provisioning import Secret

__all__ = ["UNKNOWN", "WITHHELD", "Reference", "Secret", "literal"]


class _Mark:
    """A value that stands for one that is not there."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text

    def __repr__(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return self._name


UNKNOWN: Final = _Mark("UNKNOWN", "(known after apply)")
"""Stands for a value that only the apply will know."""

WITHHELD: Final = _Mark("WITHHELD", "(not kept)")
"""Stands for a value that is not kept, or that is sealed."""


class Reference(str):
    """A reference to an output of something else: ``${web.address}``.

    It is a text, so it can stand in one: ``f"http://{web.address}/"``. What it leads to is known when it is needed. Parts
    of an output are reached with ``[...]``: ``web.networks[0]["address"]``.
    """

    __slots__ = ()

    def __new__(cls, path: str) -> Reference:
        return super().__new__(cls, "${" + path + "}")

    def __getitem__(self, key: Any) -> Reference:
        part = f"[{key}]" if isinstance(key, int) else f".{key}"
        return Reference(str(self)[2:-1] + part)

    def __repr__(self) -> str:
        return f"<Reference {str.__str__(self)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Reference, (str.__str__(self)[2:-1],)


def literal(text: str) -> str:
    """Give a text in which nothing is a reference: what people wrote may have ``${`` in it."""
    return text.replace("${", "$${")


def plain(value: Any) -> Any:
    """What a dataclass, an enum or a path stands for; the value itself where it is something else."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def is_name(text: str) -> bool:
    """Whether a text can name something: letters, digits, `_` and `-` after a first letter."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) is not None
