"""What is handed to the native module, which reads it by the names of its attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Offer:
    """What is offered to a workspace."""

    providers: Sequence[Any]
    services: Sequence[Any]
    submit: Callable[..., Any]


@dataclass(frozen=True)
class Scope:
    """What takes part in a plan."""

    targets: list[str]
    excludes: list[str]
    replace: list[str]
    refresh: bool


@dataclass(frozen=True)
class Pace:
    """How a run proceeds."""

    on_failure: str | None
    parallelism: int | None


@dataclass(frozen=True)
class Document:
    """What is declared."""

    value: Any
    places: list[tuple[str, str, int]]


@dataclass(frozen=True)
class Command:
    """A command."""

    arguments: list[str]
    input: bytes
    directory: str
    environment: dict[str, str]
    timeout: float | None
