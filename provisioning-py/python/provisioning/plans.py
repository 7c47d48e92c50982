"""Plans: what a run will do, step by step, and what a person reads before it."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from . import _provisioning
from .values import UNKNOWN, WITHHELD

__all__ = ["Change", "FieldChange", "Plan", "Step", "Undo", "UndoClass"]

UndoClass = Literal["reversible", "lossy", "irreversible"]


@dataclass(frozen=True)
class Undo:
    """What undoing something costs: its class, and why it is not reversible where it is not."""

    kind: UndoClass
    reason: str = ""


@dataclass(frozen=True)
class FieldChange:
    """One field that changes.

    Attributes
    ----------
    field
        Its name.
    before, after
        Its values; ``UNKNOWN`` for what only the apply will know, ``WITHHELD`` for what is not kept.
    forces_replacement
        Whether the object is replaced because of it.
    diff
        What changes in its texts, line by line, as a unified diff; empty where there is none.
    """

    field: str
    before: Any
    after: Any
    forces_replacement: bool = False
    diff: str = ""


@dataclass(frozen=True)
class Change:
    """What happens to one resource.

    Attributes
    ----------
    resource, kind
        Its name and its kind.
    action
        ``create``, ``update``, ``replace``, ``replace_before``, ``delete``, ``read``, ``refresh``, ``forget``,
        ``reinstate`` or ``rename``.
    reason
        Why, where it is not the declaration alone.
    fields
        The fields that change.
    undo
        What undoing it costs.
    file, line
        Where it is declared.
    """

    resource: str
    kind: str
    action: str
    reason: str | None
    fields: tuple[FieldChange, ...]
    undo: Undo
    file: str | None = None
    line: int | None = None

    @property
    def diff(self) -> str:
        """Every field that changes, old and new, in lines."""
        lines = [f"{self.action} {self.resource} ({self.kind})"]
        for change in self.fields:
            lines.append(f"  {change.field}: {_shown(change.before)} -> {_shown(change.after)}")
            lines.extend(f"    {line}" for line in change.diff.splitlines())
        return "\n".join(lines)


@dataclass(frozen=True)
class Step:
    """One thing that is done.

    Attributes
    ----------
    id
        Its name, such as ``web/create``.
    action, resource, kind
        What is done, to what, of which kind.
    requires
        The steps that must have succeeded before.
    undo
        What undoing it costs.
    """

    id: str
    action: str
    resource: str
    kind: str
    requires: tuple[str, ...]
    undo: Undo


class Plan:
    """What a run will do.

    Iterating over a plan gives a `Change` for every resource that changes; ``print(plan)`` shows what ``provisioning plan``
    shows. A plan is data: it can be written, read, pickled and applied elsewhere.

    >>> for change in plan:                                     # doctest: +SKIP
    ...     print(change.action, change.resource, change.undo.kind)
    create web lossy
    """

    __slots__ = ("__dict__", "_native")

    def __init__(self, native: _provisioning.Plan) -> None:
        self._native = native

    @classmethod
    def parse(cls, text: str | bytes) -> Plan:
        """Read a plan that `to_json` wrote, or ``provisioning plan --out FILE``."""
        return cls(_provisioning.Plan.parse(text.encode() if isinstance(text, str) else text))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan from a file."""
        with open(path, "rb") as file:
            return cls.parse(file.read())

    def to_json(self) -> str:
        """Give the plan as JSON, in the form that `parse` and ``provisioning apply FILE`` read."""
        return self._native.to_json()

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._native.document())
        return document

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What happens, resource by resource."""
        return tuple(_change(change) for change in self._document["changes"])

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What is done, step by step, every step after those it needs."""
        return tuple(_step(step) for step in self._document["steps"])

    @property
    def command(self) -> str:
        """What was asked for: ``apply``, ``destroy``, ``refresh``, ``forget`` or ``rollback``."""
        return str(self._document["command"])

    @property
    def undoes(self) -> str | None:
        """The run that it takes back, for a rollback."""
        undoes: str | None = self._document.get("undoes")
        return undoes

    @property
    def unchanged(self) -> int:
        """How many resources stay as they are."""
        return int(self._document["unchanged"])

    @property
    def compared(self) -> int:
        """How many resources had to be compared field by field; the others are declared as they were."""
        return int(self._document.get("compared", 0))

    @property
    def hash(self) -> str:
        """The hash of what the plan does."""
        return self._native.hash()

    def counts(self) -> dict[str, int]:
        """Count the changes by what happens."""
        counts: dict[str, int] = {}
        for change in self.changes:
            counts[change.action] = counts.get(change.action, 0) + 1
        return counts

    def costlier_than(self, kind: UndoClass) -> tuple[Step, ...]:
        """Give the steps whose undo would cost more than a class says."""
        order: list[UndoClass] = ["reversible", "lossy", "irreversible"]
        return tuple(step for step in self.steps if order.index(step.undo.kind) > order.index(kind))

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __bool__(self) -> bool:
        return not self._native.is_empty()

    def __getitem__(self, resource: str) -> Change:
        for change in self.changes:
            if change.resource == resource:
                return change
        raise KeyError(resource)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and other.hash == self.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __str__(self) -> str:
        return str(self._native)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} to {action}" for action, count in self.counts().items())
        return f"<Plan to {self.command}: {counts or 'no changes'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Plan.parse, (self.to_json(),)

    def _repr_html_(self) -> str:
        """Show the plan as a table, in a notebook."""
        head = "".join(f"<th style='text-align:left'>{title}</th>" for title in ("", "resource", "kind", "changes", "undo"))
        rows = "".join(_row(change) for change in self.changes)
        total = f"{repr(self)[1:-1]}, {self.unchanged} unchanged"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody><caption>{html.escape(total)}</caption></table>"


def _row(change: Change) -> str:
    fields = "<br>".join(
        f"{html.escape(field.field)}: {html.escape(_shown(field.before))} → {html.escape(_shown(field.after))}"
        + (f"<pre>{html.escape(field.diff)}</pre>" if field.diff else "")
        for field in change.fields
    )
    undo = html.escape(change.undo.kind + (f": {change.undo.reason}" if change.undo.reason else ""))
    cells = (html.escape(change.action), html.escape(change.resource), html.escape(change.kind), fields, undo)
    return "<tr>" + "".join(f"<td style='text-align:left;vertical-align:top'>{cell}</td>" for cell in cells) + "</tr>"


def _shown(value: Any) -> str:
    return repr(value) if value is not None else "-"


def _value(document: Any) -> Any:
    """A value as it stands in a document, with its marks."""
    if isinstance(document, dict):
        keys = set(document)
        if keys == {"$unknown"} or keys == {"$render"}:
            return UNKNOWN
        if keys == {"$digest"} or keys == {"$sealed"}:
            return WITHHELD
        return {key[1:] if key.startswith("$$") else key: _value(item) for key, item in document.items()}
    if isinstance(document, list):
        return [_value(item) for item in document]
    return document


def _undo(document: dict[str, Any]) -> Undo:
    return Undo(document["class"], document.get("reason", ""))


def _change(document: dict[str, Any]) -> Change:
    origin = document.get("origin") or {}
    return Change(
        resource=document["name"],
        kind=document["kind"],
        action=document["change"],
        reason=document.get("reason"),
        fields=tuple(_field(field) for field in document.get("fields", ())),
        undo=_undo(document["undo"]),
        file=origin.get("file"),
        line=origin.get("line"),
    )


def _field(document: dict[str, Any]) -> FieldChange:
    texts = document.get("texts", ())
    return FieldChange(
        field=document["field"],
        before=_value(document.get("before")),
        after=_value(document.get("after")),
        forces_replacement=document.get("forces_replacement", False),
        diff="\n".join(text["diff"] for text in texts),
    )


def _step(document: dict[str, Any]) -> Step:
    action = document["action"]
    return Step(
        id=document["id"],
        action=action if isinstance(action, str) else next(iter(action)),
        resource=document["resource"],
        kind=document["kind"],
        requires=tuple(document.get("requires", ())),
        undo=_undo(document["undo"]),
    )
