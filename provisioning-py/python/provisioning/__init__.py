"""Declare servers, networks, storage and the software on them; plan, apply, go on after a crash, take it back.

The whole engine runs in this process. Begin with `Workspace`:

>>> import provisioning                                          # doctest: +SKIP
>>> workspace = provisioning.Workspace.open("shop")              # doctest: +SKIP
>>> plan = workspace.plan()                                      # doctest: +SKIP
>>> print(plan)                                                  # doctest: +SKIP
>>> workspace.apply(plan).wait()                                 # doctest: +SKIP

- `Infrastructure` declares what is wanted in Python, instead of in files.
- `task` and `workflow` make durable workflows of functions.
- `Provider`, `ResourceKind` and `TaskService` are what to write for things the engine does not know yet.
- `provisioning.aio` is the same for programs with an event loop, `provisioning.testing` tries providers out, and
  `provisioning.errors` has one exception class for every kind of error.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._provisioning import VERSION as __version__

if TYPE_CHECKING:
    from . import aio, errors, testing
    from .errors import (
        BugError,
        CancelledError,
        ConflictError,
        CorruptError,
        DeniedError,
        Diagnostic,
        InDoubtError,
        InvalidError,
        LimitedError,
        NotFoundError,
        ProvisioningError,
        Retry,
        RunError,
        UnavailableError,
        UnsupportedError,
    )
    from .events import Event, EventName
    from .infrastructure import Declared, Infrastructure, Resource
    from .plans import Change, FieldChange, Plan, Step, Undo
    from .providers import Context, Lookup, Many, Provider, ResourceKind, Wait
    from .runs import CriticalPath, Failure, Report, Run, RunSummary
    from .schemas import Schema, computed, field, model
    from .services import ABSENT, Differs, Facts, Host, InSync, Output, TaskService
    from .states import Lease, StateRow, Status, StepStatus, Verified
    from .tasks import CONTEXT, TOKEN, Result, Task, Token, task
    from .values import UNKNOWN, WITHHELD, Reference, Secret, literal
    from .workflows import Job, Workflow, WorkflowRun, workflow
    from .workspace import Workspace

__all__ = [
    "ABSENT",
    "CONTEXT",
    "TOKEN",
    "UNKNOWN",
    "WITHHELD",
    "BugError",
    "CancelledError",
    "Change",
    "ConflictError",
    "Context",
    "CorruptError",
    "CriticalPath",
    "Declared",
    "DeniedError",
    "Diagnostic",
    "Differs",
    "Event",
    "EventName",
    "Facts",
    "Failure",
    "FieldChange",
    "Host",
    "InDoubtError",
    "InSync",
    "Infrastructure",
    "InvalidError",
    "Job",
    "Lease",
    "LimitedError",
    "Lookup",
    "Many",
    "NotFoundError",
    "Output",
    "Plan",
    "Provider",
    "ProvisioningError",
    "Reference",
    "Report",
    "Resource",
    "ResourceKind",
    "Result",
    "Retry",
    "Run",
    "RunError",
    "RunSummary",
    "Schema",
    "Secret",
    "StateRow",
    "Status",
    "Step",
    "StepStatus",
    "Task",
    "TaskService",
    "Token",
    "UnavailableError",
    "Undo",
    "UnsupportedError",
    "Verified",
    "Wait",
    "Workflow",
    "WorkflowRun",
    "Workspace",
    "__version__",
    "aio",
    "computed",
    "errors",
    "field",
    "literal",
    "model",
    "task",
    "testing",
    "workflow",
]

_HOMES = {
    "errors": (
        "BugError",
        "CancelledError",
        "ConflictError",
        "CorruptError",
        "DeniedError",
        "Diagnostic",
        "InDoubtError",
        "InvalidError",
        "LimitedError",
        "NotFoundError",
        "ProvisioningError",
        "Retry",
        "RunError",
        "UnavailableError",
        "UnsupportedError",
    ),
    "events": (
        "Event",
        "EventName",
    ),
    "infrastructure": (
        "Declared",
        "Infrastructure",
        "Resource",
    ),
    "plans": (
        "Change",
        "FieldChange",
        "Plan",
        "Step",
        "Undo",
    ),
    "providers": (
        "Context",
        "Lookup",
        "Many",
        "Provider",
        "ResourceKind",
        "Wait",
    ),
    "runs": (
        "CriticalPath",
        "Failure",
        "Report",
        "Run",
        "RunSummary",
    ),
    "schemas": (
        "Schema",
        "computed",
        "field",
        "model",
    ),
    "services": (
        "ABSENT",
        "Differs",
        "Facts",
        "Host",
        "InSync",
        "Output",
        "TaskService",
    ),
    "states": (
        "Lease",
        "StateRow",
        "Status",
        "StepStatus",
        "Verified",
    ),
    "tasks": (
        "CONTEXT",
        "Result",
        "TOKEN",
        "Task",
        "Token",
        "task",
    ),
    "values": (
        "Reference",
        "Secret",
        "UNKNOWN",
        "WITHHELD",
        "literal",
    ),
    "workflows": (
        "Job",
        "Workflow",
        "WorkflowRun",
        "workflow",
    ),
    "workspace": ("Workspace",),
}
"""Where each name is defined: a module is loaded when a name of it is asked for, since loading all takes a while."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ("aio", "errors", "testing"):
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
