"""What is wanted, declared by a program: providers, resources, lookups, services and outputs.

It is the document that ``main.ncl`` would give, checked by the same contracts; what is wrong is told with the line of the
program that wrote it.
"""

from __future__ import annotations

import ast
import dataclasses
import linecache
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ._wire import Document
from .errors import Diagnostic, InvalidError
from .values import Reference, plain

__all__ = ["Declared", "Infrastructure", "Resource"]

_BEFORE = (os.path.dirname(os.path.abspath(__file__)), dataclasses.__file__)
"""The files whose frames are nobody's own: a copy of a dataclass is made where it is asked for."""


class Declared:
    """Something that was declared: its outputs are its attributes.

    >>> web = infrastructure.resource("web", "server")          # doctest: +SKIP
    >>> f"http://{web.address}/"                                # doctest: +SKIP
    'http://${web.address}/'
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, output: str) -> Reference:
        if output.startswith("__"):
            raise AttributeError(output)
        return Reference(f"{self._name}.{output}")

    def __getitem__(self, output: str) -> Reference:
        return Reference(f"{self._name}.{output}")

    def __iter__(self) -> NoReturn:
        raise TypeError(f"`{self._name}` has outputs by name, and is no list")

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<Declared {self._name}>"


class Resource:
    """The base of dataclasses that are resources: each class is a kind, each object a resource.

    >>> @dataclass                                               # doctest: +SKIP
    ... class Network(Resource, kind="network"):
    ...     cidr: str
    >>> net = infrastructure.add("net", Network(cidr="10.0.0.0/24"))  # doctest: +SKIP
    """

    kind: str
    provider: str | None = None
    _place: tuple[str, int] | None = None

    def __init_subclass__(cls, kind: str | None = None, provider: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if kind is not None:
            cls.kind = kind
        if provider is not None:
            cls.provider = provider

    def __new__(cls, *_: Any, **__: Any) -> Resource:
        made = super().__new__(cls)
        object.__setattr__(made, "_place", caller())
        return made


class Infrastructure:
    """What is wanted.

    >>> wanted = Infrastructure()                                # doctest: +SKIP
    >>> wanted.provider("lab", "local")                          # doctest: +SKIP
    >>> site = wanted.resource("site", "directory", path="site") # doctest: +SKIP
    >>> wanted.resource("page", "file", path=f"{site.path}/index.html", content="<h1>hello</h1>")  # doctest: +SKIP
    >>> print(workspace.plan(wanted))                            # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._document: dict[str, dict[str, Any]] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._call = caller()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Infrastructure:
        """Take a document as it stands: the sections ``providers``, ``resources``, ``lookups``, ``services``, ``outputs``."""
        made = cls()
        made._call = caller()
        if not isinstance(document, Mapping):
            raise InvalidError(f"a document is a mapping of sections, and not a `{type(document).__name__}`")
        made._document = dict(document)
        return made

    def input(self, name: str, type: str, /, *, default: Any = None, summary: str = "") -> Reference:
        """Declare an input, which environments, variables and ``Workspace.open(inputs=...)`` set; give the reference to it.

        Parameters
        ----------
        name, type
            Its name, and its type: ``string``, ``integer``, ``number``, ``bool``, ``list(string)``, ``any`` and so on.
        default
            Its value where nobody sets one; without, somebody has to.
        summary
            One sentence for people.
        """
        said = {"type": type, **({"summary": summary} if summary else {}), **({} if default is None else {"default": default})}
        self._add("inputs", name, said)
        return Reference(f"input.{name}")

    def provider(self, alias: str, type: str, /, **settings: Any) -> Declared:
        """Declare a provider of a type, under an alias."""
        return self._add("providers", alias, {"type": type, **settings})

    def resource(
        self,
        name: str,
        kind: str,
        /,
        *,
        provider: str | Declared | None = None,
        depends_on: Sequence[str | Declared] = (),
        after: Sequence[str | Declared] = (),
        lifecycle: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Declared:
        """Declare a resource.

        Parameters
        ----------
        name, kind
            Its name and its kind.
        provider
            The alias of its provider; it may be left out where one provider has the kind.
        depends_on, after
            What must be there before, and what only comes before where both change.
        lifecycle
            How it may change: ``prevent_destroy``, ``create_before_destroy``, ``ignore_changes``, ``moved_from``.
        fields
            The fields of its kind, and ``timeout_seconds`` and ``retry``.
        """
        said: dict[str, Any] = {"kind": kind, **fields}
        if provider is not None:
            said["provider"] = str(provider)
        if depends_on:
            said["depends_on"] = _names(depends_on, "depends_on")
        if after:
            said["after"] = _names(after, "after")
        if lifecycle:
            said["lifecycle"] = dict(lifecycle)
        return self._add("resources", name, said)

    def add(self, name: str, resource: Resource, /, **options: Any) -> Declared:
        """Declare a resource that is an object of a `Resource` class; ``options`` are those of `resource`."""
        if not isinstance(resource, Resource) or not dataclasses.is_dataclass(resource):
            hint = "pass an object of a dataclass whose base is `Resource`, or call `resource(name, kind, ...)`"
            raise InvalidError(f"`{type(resource).__name__}` is not a resource", hint=hint)
        if not isinstance(getattr(resource, "kind", None), str):
            hint = f'write `class {type(resource).__name__}(Resource, kind="...")`'
            raise InvalidError(f"`{type(resource).__name__}` has no kind", hint=hint)
        fields = {key: value for key, value in plain(resource).items() if value is not None}
        options.setdefault("provider", resource.provider)
        declared = self.resource(name, resource.kind, **options, **fields)
        if resource._place is not None:
            self._places[f"resources.{name}"] = resource._place
        return declared

    def lookup(self, name: str, kind: str, /, *, provider: str | Declared | None = None, **query: Any) -> Declared:
        """Declare something that exists already and is only read."""
        said = {"kind": kind, **query}
        if provider is not None:
            said["provider"] = str(provider)
        return self._add("lookups", name, said)

    def service(
        self,
        name: str,
        service: str,
        /,
        *,
        on: Sequence[str | Declared],
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Declared:
        """Declare a task service on hosts."""
        said = {"service": service, "on": _names(on, "on"), "config": dict(config or {}), **options}
        return self._add("services", name, said)

    def checkpoint(self, name: str, /, after: Sequence[str | Declared]) -> None:
        """Declare a point that a rollback can stop at: after everything that is named."""
        self._add("checkpoints", name, _names(after, "after"))

    def output(self, name: str, value: Any, /, *, sensitive: bool = False) -> None:
        """Declare what the workspace gives back."""
        self._add("outputs", name, {"value": value, "sensitive": sensitive})

    def to_dict(self) -> dict[str, Any]:
        """Give the document."""
        return {name: dict(entries) if isinstance(entries, Mapping) else entries for name, entries in self._document.items()}

    def _add(self, section: str, name: str, said: Any) -> Declared:
        entries = self._document.setdefault(section, {})
        path, place = f"{section}.{name}", caller()
        if name in entries:
            file, line = self._places.get(path, self._call)
            problem = Diagnostic(
                f"is declared already, at {_short(file)}:{line}", path, *_origin(place), hint="choose another name"
            )
            raise InvalidError(f"`{name}` is declared twice", diagnostics=[problem])
        entries[name] = said
        self._places[path] = place
        return Declared(name)

    def _given(self) -> Document:
        """The document and the places of its parts, for the engine."""
        short = {file: _short(file) for file in {self._call[0], *(file for file, _ in self._places.values())}}
        places = [("", short[self._call[0]], self._call[1])]
        places += [(path, short[file], line) for path, (file, line) in self._places.items()]
        return Document(self.to_dict(), places)


def _names(names: Sequence[str | Declared], what: str) -> list[str]:
    if isinstance(names, (str, Declared)):
        raise InvalidError(f"`{what}` is one name", hint=f"write `{what}=[{str(names)!r}]`")
    return [str(name) for name in names]


def caller() -> tuple[str, int]:
    """The file and line of the nearest caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_BEFORE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _short(file: str) -> str:
    """The file as a person names it: relative where it lies below the directory they are in."""
    try:
        relative = os.path.relpath(file)
    except ValueError:
        return file
    return file if relative.startswith("..") else relative


def _origin(place: tuple[str, int]) -> tuple[str, int, int]:
    return _short(place[0]), place[1], 1


def narrowed(error: InvalidError) -> NoReturn:
    """Raise an error again, its problems at the very line where the field stands, where the program shows it."""
    error.diagnostics = tuple(_narrow(problem) for problem in error.diagnostics)
    raise error from None


def _narrow(problem: Diagnostic) -> Diagnostic:
    if problem.file is None or problem.line is None:
        return problem
    line, column = problem.line, 1
    words = problem.field.replace("[", ".[").split(".")
    found = _place_of(problem.file, problem.line, [word.strip("[]") for word in words])
    if found is not None:
        line, column = found
    return dataclasses.replace(problem, file=_short(problem.file), line=line, column=column)


def _place_of(file: str, line: int, words: list[str]) -> tuple[int, int] | None:
    """Where the value of the longest part of a path is written, in the statement that begins at a line."""
    source = "".join(linecache.getlines(file))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    inside = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or 0)]
    inside.sort(key=lambda node: (node.end_lineno or 0) - node.lineno)
    for call in inside:
        for start in range(len(words)):
            place = _follow(call, words[start:])
            if place is not None:
                return place.lineno, place.col_offset + 1
    return None


def _follow(node: ast.expr, words: list[str]) -> ast.expr | None:
    """The expression that a path leads to through keywords, keys of dicts and items of lists."""
    if not words:
        return node
    word, rest = words[0], words[1:]
    below: ast.expr | None = None
    if isinstance(node, ast.Call):
        below = next((keyword.value for keyword in node.keywords if keyword.arg == word), None)
        if below is None:
            dicts = [argument for argument in node.args if isinstance(argument, ast.Dict)]
            return next((found for found in (_follow(argument, words) for argument in dicts) if found is not None), None)
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        below = next((value for key, value in pairs if isinstance(key, ast.Constant) and str(key.value) == word), None)
    elif isinstance(node, (ast.List, ast.Tuple)) and word.isdigit() and int(word) < len(node.elts):
        below = node.elts[int(word)]
    if below is None:
        return None
    return _follow(below, rest) or below
