"""Schemas: what a kind of resource, a provider's settings or a task service is made of.

A schema is data, of the shape that the TOML file beside a kind has. It is written as such a file (`Schema.load`), or derived
from dataclasses whose fields are made with `field` and `computed` (`Schema.of`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union

from . import _provisioning
from .errors import InvalidError
from .values import Secret

__all__ = ["Schema", "computed", "field", "model"]

if typing.TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        """Stand for what only type checkers need."""
        return lambda function: function


T = TypeVar("T")

_KEY = "provisioning"

_PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "bool", Any: "any", object: "any", dict: "any"}


class Schema:
    """What something is made of.

    Parameters
    ----------
    kind
        Its name, as it stands in declarations.
    summary
        One sentence for people.
    fields
        Its fields by name, each a mapping with ``type``, ``summary``, and what else a schema file says of a field.
    tokens
        How an object is found again whose create was interrupted: ``"native"`` (the provider makes one object per token,
        however often it is asked), ``"lookup"`` (`ResourceKind.find` finds it) or ``"none"`` (a person has to look).
    existence
        ``"managed"`` (the provider makes and deletes it), ``"existing"`` (it is there anyway) or ``"stored"`` (the state is
        the object; nothing is read).
    settle_seconds
        How long a new object may take to show in `ResourceKind.find`.
    undo
        What undoing a ``create``, ``update`` or ``delete`` costs: ``"reversible"``, or ``("lossy", reason)``, or
        ``("irreversible", reason)``.
    """

    def __init__(
        self,
        kind: str,
        summary: str = "",
        *,
        fields: Mapping[str, Mapping[str, Any]] | None = None,
        tokens: Literal["native", "lookup", "none"] = "lookup",
        existence: Literal["managed", "existing", "stored"] = "managed",
        settle_seconds: int = 0,
        undo: Mapping[str, str | tuple[str, str]] | None = None,
    ) -> None:
        self._document: dict[str, Any] = {
            "kind": kind,
            "summary": summary,
            "tokens": tokens,
            "existence": existence,
            "settle_seconds": settle_seconds,
            "fields": {name: dict(said) for name, said in (fields or {}).items()},
            "undo": {effect: _undo(said) for effect, said in (undo or {}).items()},
        }
        self._check()

    @classmethod
    def parse(cls, toml: str) -> Schema:
        """Read a schema from the text of a TOML file."""
        schema = cls.__new__(cls)
        schema._document = json.loads(_provisioning.parse_schema(toml))
        return schema

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Schema:
        """Read a schema from a TOML file."""
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            return cls.parse(text)
        except InvalidError as error:
            raise InvalidError(f"`{os.fspath(path)}`: {error.message}") from None

    @classmethod
    def of(cls, kind: str, spec: type, state: type | None = None, *, summary: str = "", **options: Any) -> Schema:
        """Derive a schema from dataclasses.

        Parameters
        ----------
        kind
            The name of the kind.
        spec
            A dataclass: what the user sets.
        state
            A dataclass: what the provider reports. What it has beyond ``spec`` is computed.
        summary
            One sentence; the first line of the class's docstring where it is left out.
        options
            What `Schema` takes besides.
        """
        fields = _fields(spec)
        for name, said in (_fields(state) if state is not None else {}).items():
            if name not in fields:
                said.pop("default", None)
                fields[name] = {**said, "presence": "computed"}
        return cls(kind, summary or _first_line(spec), fields=fields, **options)

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return str(self._document["kind"])

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        """The fields by name, as a schema file says them."""
        fields: dict[str, dict[str, Any]] = self._document["fields"]
        return fields

    def to_json(self) -> str:
        """Give the schema as JSON."""
        return json.dumps(self._document)

    def _check(self) -> None:
        try:
            text = self.to_json()
        except TypeError as error:
            raise InvalidError(f"the schema of `{self.kind}`: {error}") from None
        try:
            _provisioning.check_schema(text)
        except InvalidError as error:
            raise InvalidError(f"the schema of `{self.kind}`: {error.message}", hint=error.hint) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and other._document == self._document

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"<Schema of {self.kind}: {', '.join(self.fields) or 'no fields'}>"


def field(
    summary: str = "",
    *,
    default: Any = dataclasses.MISSING,
    default_factory: Callable[[], Any] | None = None,
    replace: bool = False,
    sensitive: bool = False,
    unique: bool = False,
    one_of: Sequence[Any] = (),
    assigned: bool = False,
    keep: Literal["value", "digest", "nothing"] | None = None,
) -> Any:
    """Describe a field of a dataclass that a schema is derived from.

    Parameters
    ----------
    summary
        One sentence for people, with the unit where there is one.
    default, default_factory
        Its value where the user sets none; a field without is required, one with ``None`` is optional.
    replace
        Whether changing it replaces the object; it is updated in place otherwise.
    sensitive
        Whether its value must not be seen.
    unique
        Whether no two objects of one provider may have the same value.
    one_of
        The values it may have.
    assigned
        Whether the provider gives it a value where the user does not.
    keep
        What is kept of its value after the call: all of it, its digest, or nothing.
    """
    said: dict[str, Any] = {"summary": summary}
    if replace:
        said["on_change"] = "replace"
    if sensitive:
        said["sensitive"] = True
    if unique:
        said["unique"] = True
    if one_of:
        said["one_of"] = list(one_of)
    if assigned:
        said["presence"] = "assigned"
        default = None if default is dataclasses.MISSING else default
    if keep:
        said["keep"] = keep
    if default_factory is not None:
        return dataclasses.field(default_factory=default_factory, metadata={_KEY: said})
    return dataclasses.field(default=default, metadata={_KEY: said})


def computed(summary: str = "", *, follows: Sequence[str] = (), sensitive: bool = False) -> Any:
    """Describe a field of a state that the provider alone sets.

    Parameters
    ----------
    summary
        One sentence for people.
    follows
        The fields whose change makes it unknown until apply; it stays as it is under any other change.
    sensitive
        Whether its value must not be seen.
    """
    said: dict[str, Any] = {"summary": summary, "presence": "computed"}
    if follows:
        said["follows"] = list(follows)
    if sensitive:
        said["sensitive"] = True
    return dataclasses.field(default=None, metadata={_KEY: said})


@dataclass_transform(field_specifiers=(field, computed), kw_only_default=True)
def model(cls: type[T]) -> type[T]:
    """Make a dataclass whose objects are made by the names of their fields, so that fields may come in any order.

    Type checkers know that a field made with `field` and without a default has to be given.
    """
    return dataclasses.dataclass(kw_only=True)(cls)


def _undo(said: str | tuple[str, str]) -> dict[str, str]:
    kind, reason = (said, "") if isinstance(said, str) else said
    return {"class": kind, "reason": reason}


def _first_line(cls: type) -> str:
    # What a dataclass without a docstring has instead is its signature.
    doc = cls.__doc__ or ""
    return "" if doc.startswith(cls.__name__ + "(") else doc.strip().partition("\n")[0]


def _fields(cls: type) -> dict[str, dict[str, Any]]:
    if not dataclasses.is_dataclass(cls):
        raise InvalidError(f"`{cls.__name__}` is not a dataclass", hint="put `@dataclass` over it, or write a `Schema`")
    try:
        hints = typing.get_type_hints(cls)
    except NameError as error:
        raise InvalidError(f"`{cls.__name__}`: {error}", hint="a type that a field names must be known in its module") from None
    return {item.name: _field(cls, item, hints[item.name]) for item in dataclasses.fields(cls)}


def _field(cls: type, item: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    try:
        said: dict[str, Any] = {"summary": "", **described(hint)}
    except TypeError as error:
        raise InvalidError(f"`{cls.__name__}.{item.name}`: {error}") from None
    said.update(item.metadata.get(_KEY, {}))
    if "presence" in said:
        return said
    if item.default is not dataclasses.MISSING:
        if item.default is not None:
            said["default"] = item.default
    elif item.default_factory is not dataclasses.MISSING:
        said["default"] = item.default_factory()
    else:
        said["presence"] = "required"
    return said


def described(hint: Any) -> dict[str, Any]:
    """What a schema says of a type hint: its ``type``, and ``one_of`` or ``fields`` or ``sensitive`` where it has them."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Secret:
        return {"type": "any", "sensitive": True}
    if hint in (None, type(None)) or hint in _PLAIN:
        return {"type": _PLAIN.get(hint, "any")}
    if origin is Literal:
        kinds = {type(value) for value in arguments}
        return {"type": _PLAIN.get(kinds.pop(), "any") if len(kinds) == 1 else "any", "one_of": list(arguments)}
    if origin in (Union, types.UnionType):
        some = [argument for argument in arguments if argument is not type(None)]
        return described(some[0]) if len(some) == 1 else {"type": "any"}
    if origin in (list, tuple, Sequence) and arguments:
        return _inside("list", arguments[0])
    if origin in (dict, Mapping) and len(arguments) == 2:
        return _inside("map", arguments[1])
    if hint in (list, tuple):
        return {"type": "list(any)"}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return {"type": "object", "fields": _fields(hint)}
    if _is_mapping(hint):
        return {"type": "any"}
    raise TypeError(f"no schema can be derived from the type `{hint}`")


def _inside(shape: str, hint: Any) -> dict[str, Any]:
    inner = described(hint)
    return {**inner, "type": f"{shape}({inner['type']})"}


def _is_mapping(hint: Any) -> bool:
    return (
        isinstance(hint, type) and typing.get_origin(hint) is None and (issubclass(hint, Mapping) or typing.is_typeddict(hint))
    )
