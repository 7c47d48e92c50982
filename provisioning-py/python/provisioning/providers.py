"""Providers in Python: what to write so that the engine can make, read, change and delete things of a new kind.

The classes mirror the traits of the engine, and so do their contracts. Methods may be plain functions, each called on a thread
of its own, or coroutines (see `provisioning.aio`), run in an event loop.

What a method gives as a state is a dict or a dataclass with the external identity under ``id``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, Union

from ._provisioning import Context
from .schemas import Schema

__all__ = ["Context", "Lookup", "Many", "Provider", "ResourceKind", "Wait"]

Dataclass = type
"""A dataclass, as it is written beside a schema."""

Settings = TypeVar("Settings")
Spec = TypeVar("Spec")
State = TypeVar("State")
Query = TypeVar("Query")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Wait:
    """The object is not ready: the same method is to be called again.

    Attributes
    ----------
    after
        Not before so many seconds; no thread waits meanwhile.
    phase
        What is waited for; the repeated call finds it in ``context.phase``, and people see it.
    """

    after: float
    phase: str


@dataclass(frozen=True)
class Many:
    """Several objects bear the token: somebody has to settle it.

    Attributes
    ----------
    what
        One line that describes them.
    """

    what: str


class ResourceKind(ABC, Generic[Spec, State]):
    """One kind of resource.

    - A state is a dict or a dataclass that has the external identity under ``id``; fields of the same name as in the spec are
      compared with it to find drift.
    - `create`, `update` and `delete` may be called again with the same token, after a crash or a `Wait`: they go on where they
      were and make nothing twice.
    - The external identity is reported with ``context.identified(id)`` as soon as it is known, before any waiting; a call that
      waits for nothing reports it by returning its state.
    - An identity is reported only once the object is certainly this call's own.
    - An exception says with its ``retry`` whether the call had an effect; one that is not of this package counts as unsure, and
      the engine looks with `find` before it calls again.

    Attributes
    ----------
    schema
        What it is made of.
    spec, state
        The dataclasses that specs and states are handed over as; dicts where they are left out.
    """

    schema: ClassVar[Schema]
    spec: ClassVar[type | None] = None
    state: ClassVar[type | None] = None

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    @abstractmethod
    def read(self, ids: Sequence[str]) -> Sequence[State | None] | Awaitable[Sequence[State | None]]:
        """Read objects: one answer for every identity, in the same order, ``None`` for one that is gone."""

    def find(self, context: Context, spec: Spec) -> Found[State] | Awaitable[Found[State]]:
        """Search for the object that a `create` with this token made, after a crash: its state, ``None``, or `Many`.

        Needed where the schema's tokens are ``"lookup"``.
        """
        raise NotImplementedError(f"`{type(self).__name__}` has no `find`")

    @abstractmethod
    def create(self, context: Context, spec: Spec) -> Reply[State] | Awaitable[Reply[State]]:
        """Make the object; give its state, or `Wait`."""

    def update(self, context: Context, prior: State, spec: Spec) -> Reply[State] | Awaitable[Reply[State]]:
        """Change the object to what the spec says; give its state, or `Wait`.

        Needed where a field is changed in place.
        """
        raise NotImplementedError(f"`{type(self).__name__}` has no `update`")

    @abstractmethod
    def delete(self, context: Context, prior: State) -> Wait | Awaitable[Wait | None] | None:
        """Remove the object; one that is gone is a success."""


class Lookup(ABC, Generic[Query, Answer]):
    """One kind of thing that exists already and is only read.

    Attributes
    ----------
    schema
        What it asks (fields that the user sets) and answers (computed fields).
    query
        The dataclass that a query is handed over as; a dict where it is left out.
    """

    schema: ClassVar[Schema]
    query: ClassVar[type | None] = None

    @abstractmethod
    def read(self, query: Query) -> Answer | Awaitable[Answer | None] | None:
        """Read it; ``None``, or a `NotFoundError`, where it is not there."""


class Provider(ABC, Generic[Settings]):
    """An account, an endpoint or a machine, built once for every alias from its settings. Building makes no call.

    Attributes
    ----------
    type
        Its name, as it stands under ``providers`` in declarations.
    schema
        What its settings are; none where it is left out.
    settings
        The dataclass that settings are handed over as, which the schema is derived from where there is none.
    kinds, lookups
        The classes of its kinds and lookups; each is made with the provider as its only argument.
    """

    type: ClassVar[str]
    schema: ClassVar[Schema | None] = None
    settings: ClassVar[Dataclass | None] = None
    kinds: ClassVar[Sequence[Any]] = ()
    lookups: ClassVar[Sequence[Any]] = ()

    def __init__(self, settings: Settings) -> None:
        self.given = settings

    def check(self) -> Awaitable[None] | None:
        """Check that credentials and region work; raise what is wrong. Asked before anything is read, not for every plan."""
        return None


Reply = Union[State, Wait]  # noqa: UP007 (an alias with a variable in it has to be written so)
"""What a changing method gives: the state, or how long to wait and for what."""

Found = Union[State, Many, None]  # noqa: UP007
"""What a search by token gives."""
