"""A workflow while it is put together, and its tasks as the engine calls them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._bridge import then
from .errors import DeniedError, InvalidError
from .infrastructure import Infrastructure
from .providers import Context
from .schemas import Schema
from .tasks import Result, Task, injected, reference, step_of
from .values import WITHHELD, is_name, literal, plain

_WORDS = {"config", "env", "secret", "input", "workspace", "run"}
"""What references begin with that lead to no step."""

PROVIDER = "tasks"
"""The provider type and the alias of the tasks of a workflow."""


class Graph:
    """A workflow while it is put together."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task[..., Any]] = {}
        self.steps: dict[str, Task[..., Any]] = {}
        self.infrastructure = Infrastructure()
        self._count: dict[str, int] = {}
        self._names: set[str] = set()
        self.infrastructure._add("providers", PROVIDER, {"type": PROVIDER})

    def add(self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
        known = self.tasks.setdefault(task.name, task)
        if known.function is not task.function:
            raise InvalidError(f"two tasks are called `{task.name}`", hint='name one of them: `@task(name="...")`')
        shape, options = task.shape, task.settings
        try:
            bound = shape.signature.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise InvalidError(f"the task `{task.name}`: {error}") from None
        missing = [f"`{name}`" for name in shape.without_default if name not in bound.arguments and name not in shape.injected]
        if missing:
            raise InvalidError(f"the task `{task.name}`: missing a required argument: {', '.join(missing)}")
        said = {name: written(value) for name, value in bound.arguments.items() if name not in shape.injected}
        for name, parameter in shape.signature.parameters.items():
            if name not in said and name not in shape.injected and parameter.default is not parameter.empty:
                said[name] = written(parameter.default)
        for name in [name for name, value in said.items() if value is None]:
            default = shape.signature.parameters[name].default
            if default is not None and default is not inspect.Parameter.empty:
                hint = f"nothing stands for its default, which is {default!r}"
                raise InvalidError(f"the task `{task.name}` cannot be handed None for `{name}`", hint=hint)
            del said[name]
        name = self._free(options.step or task.name, given=options.step is not None)
        self.steps[name] = task
        retry = {"attempts": options.retries + 1, "initial_seconds": options.retry_delay}
        said["retry"] = {key: value for key, value in retry.items() if value is not None}
        if options.timeout is not None:
            said["timeout_seconds"] = options.timeout
        after = [name_of(result) for result in options.after]
        self.infrastructure.resource(name, task.name, provider=PROVIDER, depends_on=after, **said)
        return Result(name)

    def _free(self, name: str, *, given: bool) -> str:
        if name in _WORDS:
            raise InvalidError(
                f"a step cannot be called `{name}`, which means something else", hint="name it: `options(name=...)`"
            )
        if not is_name(name):
            raise InvalidError(f"`{name}` is no name for a step: letters, digits, `_` and `-` after a first letter")
        if given or name not in self._names:
            self._names.add(name)
            return name
        count = self._count.get(name, 1) + 1
        while f"{name}_{count}" in self._names:
            count += 1
        self._count[name] = count
        self._names.add(f"{name}_{count}")
        return f"{name}_{count}"


def written(value: Any) -> Any:
    """A value as a document has it: results as references, and texts as they are."""
    value = value if isinstance(value, (Result, Task)) else plain(value)
    if isinstance(value, Result):
        return reference(value)
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(item) for item in value]
    if isinstance(value, Task):
        raise InvalidError(f"`{value.name}` was handed over, and not what it gives", hint="call it")
    return value


def name_of(result: Any) -> str:
    if not isinstance(result, Result):
        raise InvalidError(f"`after` has a `{type(result).__name__}` in it", hint="hand over what calls of tasks gave")
    return step_of(result)


_GIVEN = "given:"
"""What the identity of a task begins with that somebody said was done; its result stands behind it."""


def identity(result: Any) -> str:
    """The identity of a task that somebody says was done, with this result."""
    return _GIVEN + json.dumps(result)


def given(id: str) -> dict[str, Any] | None:
    """What is kept of a task that somebody said was done."""
    return {"id": id, "done": {"result": json.loads(id[len(_GIVEN) :])}} if id.startswith(_GIVEN) else None


class TaskAdapter:
    """A task as the engine calls it: as a kind of resource, whose objects are what was done."""

    def __init__(self, task: Task[..., Any]) -> None:
        self._task = task
        self.shape = task.shape

    def read(self, ids: list[str]) -> Any:
        """What somebody said of a task in doubt; of any other object the state is all there is."""
        return [given(id) for id in ids]

    def create(self, context: Context, spec: dict[str, Any]) -> Any:
        if context.object is not None and (self.shape.find is not None or given(context.object) is not None):
            # Somebody said that it was done, or it was found.
            said = given(context.object)
            return self.find(context, spec) if said is None else {**spec, **said}
        shape, function = self.shape, self._task.function
        wanted = {name: None for name in shape.without_default} | spec
        handed = {name: shape.converters.get(name, _same)(value) for name, value in wanted.items()}
        for name, hint in shape.injected.items():
            handed[name] = injected(function, hint, context, {})
        return then(function(**handed), lambda result: _made(context, spec, result))

    def find(self, context: Context, spec: dict[str, Any]) -> Any:
        assert self.shape.find is not None
        there = {**spec, "token": context.token}
        found = self.shape.find.call(context, there)
        return then(found, lambda result: None if result is None else _made(context, spec, result))

    def delete(self, context: Context, prior: dict[str, Any]) -> Any:
        if self.shape.undo is None:
            return None
        done = prior.get("done")
        if done is WITHHELD:
            hint = "with keys of the workspace it is kept, sealed: the first `provisioning secrets set NAME` makes them"
            raise DeniedError(f"what `{self._task.name}` gave is not kept, and it cannot be undone without it", hint=hint)
        there = {**prior, "result": self.shape.gives((done or {}).get("result"))}
        return then(self.shape.undo.call(context, there), lambda _: None)


def _made(context: Context, spec: dict[str, Any], result: Any) -> dict[str, Any]:
    """What is kept of a task that was done."""
    return {**spec, "id": context.token, "done": {"result": result}}


def _same(value: Any) -> Any:
    return value


class TaskProvider:
    """The tasks of a workflow as the engine asks about them: as a provider type whose kinds they are."""

    def __init__(self, tasks: Sequence[Task[..., Any]]) -> None:
        self._tasks = list(tasks)
        self.settings = Schema(PROVIDER, "The tasks of a workflow.").to_json()
        self.kinds: list[Any] = [task.shape.schema.to_json() for task in self._tasks]
        self.lookups: list[Any] = []

    def build(self, _settings: dict[str, Any]) -> Any:
        return BuiltTasks([TaskAdapter(task) for task in self._tasks])


class BuiltTasks:
    def __init__(self, kinds: list[TaskAdapter]) -> None:
        self.kinds = kinds
        self.lookups: list[Any] = []

    def check(self) -> None:
        return None
