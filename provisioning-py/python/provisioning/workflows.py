"""Workflows in Python: tasks are functions or coroutines, what one gives is handed to the next, and the engine runs them.

Every task's start and result is on disk before anything relies on it: a workflow that dies goes on where it was, in another
process if need be, and can be taken back by the tasks' own undo functions.

>>> @task(retries=3, idempotent=True)                            # doctest: +SKIP
... def fetch(url: str) -> str: ...
>>> @task(undo=unpublish)                                        # doctest: +SKIP
... def publish(pages: list[str], token: Token) -> str: ...
>>> @workflow                                                    # doctest: +SKIP
... def mirror(urls: list[str]):
...     return publish([fetch(url) for url in urls])
>>> run = mirror.run(workspace, "2026-11-26", urls=[...])        # doctest: +SKIP
>>> run.result()                                                 # doctest: +SKIP
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
import uuid
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from ._graph import Graph, TaskProvider, identity, written
from ._wire import Offer, pace
from .errors import InvalidError, NotFoundError, UnsupportedError
from .events import Event
from .plans import Plan
from .runs import Run
from .tasks import building
from .values import UNKNOWN, WITHHELD, is_name
from .workspace import OnFailure, Workspace

__all__ = ["Job", "Workflow", "WorkflowRun", "workflow"]

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Generic[P, R]):
    """A function that puts tasks together. Made by `workflow`.

    A run of a workflow has a key: the same key is the same run, which goes on where it stopped, and is done once. Another key,
    and none, is another run.
    """

    def __init__(self, function: Callable[P, R], name: str | None = None) -> None:
        self.function = function
        self.name = name or str(getattr(function, "__name__", "workflow"))
        if not is_name(self.name):
            raise InvalidError(f"`{self.name}` is no name for a workflow", hint='name it: `@workflow(name="...")`')
        functools.update_wrapper(self, function)

    def job(self, workspace: Workspace, key: str | None, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Put the workflow together for one key; nothing is done yet.

        Parameters
        ----------
        workspace
            The workspace that keeps the journal, and whose settings and secrets hold.
        key
            Which run it is; ``None`` for one that there was never before.
        args, kwargs
            What the function takes.
        """
        if not isinstance(workspace, Workspace):
            raise InvalidError(
                f"a `{type(workspace).__name__}` is not a workspace", hint="the workspace comes first, then the key"
            )
        key = uuid.uuid4().hex if key is None else str(key)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", key):
            raise InvalidError(f"`{key}` is no key", hint="letters, digits, `.`, `_` and `-` after a first letter or digit")
        graph, around = Graph(), getattr(building, "graph", None)
        building.graph = graph
        try:
            given = self.function(*args, **kwargs)
            if inspect.iscoroutine(given):
                given.close()
                raise InvalidError(
                    f"the workflow `{self.name}` is a coroutine", hint="only its tasks may be: write `def`, not `async def`"
                )
        finally:
            building.graph = around
        graph.infrastructure.output("result", written(given))
        return Job(self, workspace, key, graph)

    def run(self, workspace: Workspace, key: str | None, /, *args: P.args, **kwargs: P.kwargs) -> WorkflowRun[R]:
        """Run the workflow: `job` and `Job.run` in one."""
        return self.job(workspace, key, *args, **kwargs).run()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Put the workflow together as a part of another one."""
        if getattr(building, "graph", None) is None:
            raise InvalidError(f"the workflow `{self.name}` was called", hint="`run(workspace, key, ...)` runs it")
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Workflow {self.name}>"


class Job(Generic[R]):
    """A workflow with its arguments, under a key.

    Attributes
    ----------
    workflow, key
        What it is, and which run.
    workspace
        Its own journal and state, as a `Workspace`: for ``status``, ``state``, ``runs``, ``events``, ``adopt`` and the rest.
    """

    def __init__(self, workflow: Workflow[..., R], workspace: Workspace, key: str, graph: Graph) -> None:
        self.workflow = workflow
        self.key = key
        self._infrastructure = graph.infrastructure
        self._steps = graph.steps
        loop = workspace._loop
        offer = Offer([TaskProvider(list(graph.tasks.values()))], [], loop.submit)
        native = workspace._native.beside(["workflows", workflow.name, f"{key}.db"], offer)
        self.workspace = Workspace(native, loop)

    def plan(self) -> Plan:
        """Plan what is still to be done: its tasks, in order, with what undoing each costs."""
        return self.workspace.plan(self._infrastructure)

    def run(
        self,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_failure: OnFailure | None = None,
        parallelism: int | None = None,
    ) -> WorkflowRun[R]:
        """Do what is still to be done: go on where an earlier run stopped, and begin what is new.

        Parameters
        ----------
        on_event, on_failure, parallelism
            As in `Workspace.apply`.
        """
        native = self.workspace._native.carry_out(self._infrastructure._given(), pace(on_event, on_failure, parallelism))
        return WorkflowRun(native, on_event, self)

    def resume(
        self,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_failure: OnFailure | None = None,
        parallelism: int | None = None,
    ) -> WorkflowRun[R]:
        """Go on with the last run as it was planned, whatever the program says now."""
        native = self.workspace._native.resume(None, pace(on_event, on_failure, parallelism))
        return WorkflowRun(native, on_event, self)

    @overload
    def rollback(self, *, preview: Literal[False] = ..., on_event: Callable[[Event], object] | None = ...) -> Run: ...
    @overload
    def rollback(self, *, preview: Literal[True]) -> Plan: ...
    def rollback(self, *, preview: bool = False, on_event: Callable[[Event], object] | None = None) -> Run | Plan:
        """Take back what the last run did, by the tasks' undo functions; ``preview`` gives the plan alone."""
        return self.workspace.rollback(preview=True) if preview else self.workspace.rollback(on_event=on_event)

    def settle(self, step: str, result: Any = None) -> None:
        """Declare that a task in doubt was done, and what it gave; a resume goes on from there.

        That it was not done says ``job.workspace.retry(step)``.
        """
        task = self._steps.get(step.partition("/")[0])
        if task is None:
            raise NotFoundError(f"the workflow `{self.workflow.name}` has no step `{step}`", hint="a step is `NAME/create`")
        if task.settings.sensitive and result is not None:
            hint = "`job.workspace.retry(step)` has it done again; or settle it without a result"
            raise UnsupportedError(
                f"what `{task.name}` gave must not be seen, and what is said here is kept as it is", hint=hint
            )
        self.workspace.adopt(step, identity(result))

    def result(self) -> R:
        """Give what the workflow gave, by its last run.

        Raises
        ------
        NotFoundError
            When it was not run yet.
        """
        outputs = self.workspace.outputs()
        if "result" not in outputs:
            hint = "`run()` runs it"
            raise NotFoundError(f"the workflow `{self.workflow.name}` has no result under the key `{self.key}`", hint=hint)
        result = outputs["result"]
        if _lacks_a_part(result):
            what = self._infrastructure.to_dict()["outputs"]["result"]["value"]
            raise NotFoundError(
                f"a part of what the workflow `{self.workflow.name}` gives is not there, or is a secret and not kept: `{what}`"
            )
        return typing.cast(R, result)

    def __repr__(self) -> str:
        return f"<Job {self.workflow.name} {self.key}>"


def _lacks_a_part(value: Any) -> bool:
    """Whether something in a value is not there."""
    if isinstance(value, dict):
        return any(map(_lacks_a_part, value.values()))
    return any(map(_lacks_a_part, value)) if isinstance(value, list) else value is UNKNOWN or value is WITHHELD


class WorkflowRun(Run, Generic[R]):
    """A run of a workflow that is under way.

    Attributes
    ----------
    job
        What is run.
    """

    def __init__(self, native: Any, on_event: Callable[[Event], object] | None, job: Job[R]) -> None:
        super().__init__(native, on_event)
        self.job = job

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end and give what the workflow gave; raise a `RunError` where it did not complete."""
        self.wait(timeout)
        return self.job.result()


@overload
def workflow(function: Callable[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(*, name: str | None = ...) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...
def workflow(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Make a workflow of a function that calls tasks and hands over what they give.

    The function is called once for every run, before anything is done: it says what is to be done, and in which order.
    """
    if function is None:
        return lambda function: Workflow(function, name)
    return Workflow(function, name)
