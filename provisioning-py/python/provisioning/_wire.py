"""What is handed to the native module, which reads it by the names of its attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from .errors import InvalidError


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

    def __post_init__(self) -> None:
        if self.parallelism is not None and type(self.parallelism) is not int:
            raise InvalidError(f"`parallelism` is {self.parallelism!r}, and a number of calls is expected")


def pace(on_event: Callable[[Any], object] | None, on_failure: str | None, parallelism: int | None) -> Pace:
    """How a run proceeds, once it is sure that its events can be told."""
    if on_event is not None and (not callable(on_event) or iscoroutinefunction(on_event)):
        hint = "pass a plain function; a program with an event loop iterates over the run: `async for event in run`"
        raise InvalidError("`on_event` cannot be called with an event: it is " + _what(on_event), hint=hint)
    return Pace(on_failure, parallelism)


def _what(given: object) -> str:
    return "a coroutine function" if callable(given) else repr(given)


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
