"""Tasks: functions and coroutines that a workflow runs, and what stands for their results while it is put together."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import re
import threading
import types
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, Literal, NewType, NoReturn, ParamSpec, TypeVar, overload

from ._bridge import contextual, converter
from .errors import InvalidError
from .providers import Context
from .schemas import Schema, described
from .values import WITHHELD, is_name

__all__ = ["CONTEXT", "TOKEN", "Result", "Task", "Token", "task"]

P = ParamSpec("P")
R = TypeVar("R")

Token = NewType("Token", str)
"""What marks the effect of one attempt of a task: the same after a crash, and no other attempt's.

A task that has a parameter of this type says that it makes its effect once for every token, however often it is called.
"""

_PATH = "done.result"
"""Where the result of a task stands in what the state has of it: one level down, since nothing may be a result as well."""

_RESERVED = {"kind", "provider", "depends_on", "after", "lifecycle", "timeout_seconds", "retry", "id", "done"}


building = threading.local()
"""The workflow that is put together in a thread."""


TOKEN: Final = Token("")
"""The default of a parameter that the engine gives the token to: ``def publish(page: str, token: Token = TOKEN)``."""

CONTEXT: Final[Context] = typing.cast(Context, None)
"""The default of a parameter that the engine gives the context to: ``def publish(page: str, context: Context = CONTEXT)``."""


class Result:
    """What a task will give, while a workflow is put together: it is handed to other tasks, whole or in parts.

    Parts are reached with ``[...]``, and with attributes where the task gives a dataclass.
    """

    __slots__ = ("_name", "_path")

    def __init__(self, name: str, path: str = _PATH) -> None:
        self._name, self._path = name, path

    def __getitem__(self, key: str | int) -> Result:
        if isinstance(key, int) and key >= 0:
            return Result(self._name, f"{self._path}[{key}]")
        if isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9_-]+", key):
            return Result(self._name, f"{self._path}.{key}")
        hint = "a part is named by letters, digits, `_` and `-`, or by a number from 0; take it inside a task"
        raise InvalidError(f"no part of what `{self._name}` gives can be reached by {key!r}", hint=hint)

    def __getattr__(self, name: str) -> Result:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def _unknown(self, *_: object) -> NoReturn:
        hint = "hand it to a task as it is, or do this inside a task"
        raise InvalidError(f"what `{self._name}` gives is not known before the workflow runs", hint=hint)

    __bool__ = __iter__ = __len__ = __str__ = __format__ = __int__ = __float__ = _unknown
    __eq__ = __ne__ = __contains__ = _unknown
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Result {self._name}.{self._path.removeprefix('done.')}>"


def reference(result: Result) -> str:
    """The result as a document has it."""
    return "${" + f"{result._name}.{result._path}" + "}"


def step_of(result: Result) -> str:
    """The name of the step that gives it."""
    return result._name


class Task(Generic[P, R]):
    """A function that a workflow runs. Made by `task`.

    Called while a workflow is put together, it stands for its result; called elsewhere, it is the function.

    Attributes
    ----------
    function
        The function itself.
    name
        Its name.
    """

    def __init__(self, function: Callable[..., Any], name: str, options: TaskOptions) -> None:
        self.function = function
        self.name = name
        self.settings = options
        functools.update_wrapper(self, function)
        self.shape = Shape(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        graph = getattr(building, "graph", None)
        if graph is None:
            given: R = self.function(*args, **kwargs)
            return given
        return typing.cast(R, graph.add(self, args, kwargs))

    def options(
        self,
        *,
        name: str | None = None,
        after: Sequence[Any] = (),
        retries: int | None = None,
        timeout: float | None = None,
    ) -> Task[P, R]:
        """Give the same task with other options, for one call.

        Parameters
        ----------
        name
            The name of the step; the task's own, with a number, where it is left out.
        after
            Results of tasks that must have succeeded before, without being handed over.
        retries, timeout
            As in `task`.
        """
        other = copy.copy(self)
        other.settings = copy.copy(self.settings)
        other.settings.step, other.settings.after = name, tuple(after)
        if retries is not None:
            other.settings.retries = _whole(retries)
        if timeout is not None:
            other.settings.timeout = timeout
        return other

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


def _whole(retries: object) -> int:
    if type(retries) is not int or retries < 0:
        raise InvalidError(f"`retries` is {retries!r}, and a whole number from 0 on is expected")
    return retries


class TaskOptions:
    """What `task` takes."""

    def __init__(self, **options: Any) -> None:
        self.retries: int = _whole(options["retries"])
        self.retry_delay: float | None = options["retry_delay"]
        self.timeout: float | None = options["timeout"]
        self.undo: Callable[..., Any] | None = options["undo"]
        self.find: Callable[..., Any] | None = options["find"]
        self.idempotent: bool = options["idempotent"]
        self.sensitive: bool = options["sensitive"]
        self.step: str | None = None
        self.after: tuple[Any, ...] = ()


@overload
def task(function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = ...,
    retries: int = ...,
    retry_delay: float | None = ...,
    timeout: float | None = ...,
    undo: Callable[..., Any] | None = ...,
    find: Callable[..., Any] | None = ...,
    idempotent: bool = ...,
    sensitive: bool = ...,
) -> _Decorator: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retries: int = 0,
    retry_delay: float | None = None,
    timeout: float | None = None,
    undo: Callable[..., Any] | None = None,
    find: Callable[..., Any] | None = None,
    idempotent: bool = False,
    sensitive: bool = False,
) -> Any:
    """Make a task of a function or a coroutine function.

    Its parameters are its inputs, and what it returns is its result: None, bool, int, float, str, lists, dicts, dataclasses. A
    parameter of the type `Context` or `Token` is not an input: the engine gives it. (`CONTEXT` and `TOKEN` as their
    defaults tell type checkers that callers need not.)

    A task whose process dies in the middle is begun again where that is safe: where it is ``idempotent``, where it takes a
    `Token`, or where ``find`` says that nothing was done. Otherwise it is in doubt, and somebody has to say what became of it;
    so is one that raises an error of this package whose ``retry`` is ``UNSURE``, after its last try.

    Parameters
    ----------
    name
        Its name; that of the function where it is left out.
    retries
        How often it is tried again after an exception.
    retry_delay
        How long before the first of them, in seconds; the wait grows from there.
    timeout
        How many seconds one attempt may take. A function cannot be stopped, so a task that does not come back is in doubt.
    undo
        What takes it back: a function of its result, and, by their names, of its inputs. It may be called again after a crash.
    find
        What says whether it was done: a function of the token, and, by their names, of its inputs. It gives what the task
        would have given, or None.
    idempotent
        Whether doing it again does nothing more.
    sensitive
        Whether its result must not be seen.
    """
    options = TaskOptions(
        retries=retries,
        retry_delay=retry_delay,
        timeout=timeout,
        undo=undo,
        find=find,
        idempotent=idempotent,
        sensitive=sensitive,
    )

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        if not callable(function):
            raise InvalidError(f"a `{type(function).__name__}` is not a function", hint="write `@task(name=...)`")
        return Task(function, name or str(getattr(function, "__name__", "task")), options)

    return decorate if function is None else decorate(function)


class _Decorator(typing.Protocol):
    """What `task` with options gives."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class Shape:
    """What a task takes and gives, and the schema that follows."""

    def __init__(self, task: Task[..., Any]) -> None:
        function, options = task.function, task.settings
        if not is_name(task.name):
            raise InvalidError(f"`{task.name}` is no name for a task", hint='name it: `@task(name="...")`')
        self.signature = inspect.signature(function)
        hints = hints_of(function)
        self.without_default = [
            name for name, parameter in self.signature.parameters.items() if parameter.default is parameter.empty
        ]
        self.injected = {name: some(hint) for name, hint in hints.items() if is_injected(some(hint))}
        self.converters = {name: converter(hint) for name, hint in hints.items()}
        self.gives = converter(hints.get("return", Any))
        for name, parameter in self.signature.parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise InvalidError(f"the parameter `{name}` of the task `{task.name}` has no name to be handed over by")
            if name in _RESERVED:
                raise InvalidError(f"a task cannot have a parameter `{name}`", hint="call it something else")
        has_token = any(hint is Token for hint in self.injected.values())
        tokens: Literal["native", "lookup", "none"] = (
            "lookup" if options.find else "native" if has_token or options.idempotent else "none"
        )
        inputs = [name for name in self.signature.parameters if name not in self.injected]
        self.undo = Side(task, "undo", options.undo, ["result", *inputs]) if options.undo else None
        self.find = Side(task, "find", options.find, ["token", *inputs]) if options.find else None
        self.schema = Schema(
            task.name,
            (inspect.getdoc(function) and str(inspect.getdoc(function)).partition("\n")[0]) or f"The task `{task.name}`.",
            existence="stored",
            tokens=tokens,
            fields={
                **{name: self._field(name, hints.get(name, Any)) for name in inputs},
                "id": {"type": "string", "summary": "The token of the attempt that did it.", "presence": "computed"},
                "done": _computed("What it gave, as its `result`.", options.sensitive),
            },
            undo={
                "create": "reversible" if options.undo else ("irreversible", "the task has no undo function"),
                "update": ("irreversible", "what the task did before is not known"),
                "delete": ("lossy", "the task is run again"),
            },
        )

    def _field(self, name: str, hint: Any) -> dict[str, Any]:
        try:
            said = described(hint)
        except TypeError:
            said = {"type": "any"}
        parameter = self.signature.parameters[name]
        # One without a default may still be given None, and nothing is what the state has of it.
        required = parameter.default is parameter.empty and hint is not Any and type(None) not in typing.get_args(hint)
        # What a task is handed may be the result of another, and so of any type until it runs.
        return {"summary": "", **said, "on_change": "replace", "presence": "required" if required else "optional"}


def _computed(summary: str, sensitive: bool) -> dict[str, Any]:
    return {"type": "any", "summary": summary, "presence": "computed", "sensitive": sensitive}


class Side:
    """A function beside a task's own: its undo or its find. It takes what it names of what there is."""

    def __init__(self, task: Task[..., Any], what: str, function: Callable[..., Any], known: list[str]) -> None:
        self.function = function
        hints = hints_of(function)
        self.wanted: dict[str, Any] = {}
        for place, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
            hint = hints.get(name, Any)
            if is_injected(some(hint)):
                self.wanted[name] = some(hint)
            elif name in known:
                self.wanted[name] = name
            elif place == 0:
                self.wanted[name] = known[0]
            elif parameter.default is parameter.empty:
                names = ", ".join(f"`{name}`" for name in known)
                raise InvalidError(
                    f"the {what} of the task `{task.name}` wants `{name}`, which there is not", hint=f"there are {names}"
                )

    def call(self, context: Context, there: Mapping[str, Any]) -> Any:
        given = {name: injected(self.function, hint, context, there) for name, hint in self.wanted.items()}
        return self.function(**given)


def injected(function: Any, hint: Any, context: Context, there: Mapping[str, Any]) -> Any:
    if hint is Token:
        return context.token
    if isinstance(hint, str):
        value = there.get(hint)
        return None if value is WITHHELD else value
    return contextual(function, context)


def hints_of(function: Any) -> dict[str, Any]:
    """The types of a function's parameters; a type that is known only inside another function is left out."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        hints: dict[str, Any] = {}
        for name, said in getattr(function, "__annotations__", {}).items():
            with contextlib.suppress(Exception):
                hints[name] = eval(said, getattr(function, "__globals__", {})) if isinstance(said, str) else said
        return hints


def some(hint: Any) -> Any:
    """A type without the None that may stand for it."""
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    is_optional = typing.get_origin(hint) in (typing.Union, types.UnionType) and len(arguments) == 1
    return arguments[0] if is_optional else hint


def is_injected(hint: Any) -> bool:
    """Whether the engine gives what a parameter of a type is handed."""
    return hint in (Context, Token) or _is_aio_context(hint)


def _is_aio_context(hint: Any) -> bool:
    return getattr(hint, "__module__", "") == "provisioning.aio" and getattr(hint, "__name__", "") == "Context"
