"""What can go wrong: one exception class for every kind of error of the engine.

Every exception has a ``code`` (the stable name of its kind), a ``hint`` that says what to do, and, for bad input, one
``Diagnostic`` for everything that is wrong, each with the file and line it stands in.

A provider, a task service or a task raises these too. Their ``retry`` tells the engine whether the call had an effect:
``NEVER`` (it had none, and never will), ``LATER`` (it had none, and may work later) or ``UNSURE`` (it may have had one: the
engine looks before it calls again). An exception of another class counts as ``UNSURE`` in a provider, and in a task as an
attempt that failed.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .runs import Report

__all__ = [
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
]


class Retry(str, Enum):
    """Whether a call that failed had an effect, and whether calling again can help."""

    NEVER = "never"
    """It had no effect, and calling again will not help."""
    LATER = "later"
    """It had no effect; the same call may work later."""
    UNSURE = "unsure"
    """It may have had its effect: it is looked for before anything is called again."""


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong with the input, and where it stands.

    Attributes
    ----------
    message
        What was found and what was expected.
    field
        The path of the field, such as ``resources.web.size_gb``; empty for a whole document.
    file, line, column
        Where it was written, counted from 1; ``None`` where no place is known.
    hint
        What to do about it.
    """

    message: str
    field: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: " if self.file else ""
        return place + (f"`{self.field}`: " if self.field else "") + self.message


class ProvisioningError(Exception):
    """Something that the engine could not do; the base of all the others.

    Parameters
    ----------
    message
        What went wrong: a fragment in lower case that names the thing in backticks.
    hint
        What to do about it.
    retry
        Whether the call had an effect; of interest where a provider or a task raises it.
    after
        With ``Retry.LATER``: not before so many seconds.
    context
        Named circumstances, such as ``{"path": "/srv/www"}``.
    diagnostics
        What is wrong with an input, one by one.
    """

    code: ClassVar[str] = "bug"
    default_retry: ClassVar[Retry] = Retry.NEVER

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry: Retry | None = None,
        after: float | None = None,
        context: dict[str, str] | None = None,
        diagnostics: Sequence[Diagnostic] = (),
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.retry = self.default_retry if retry is None else Retry(retry)
        self.after = after
        self.context = dict(context or {})
        self.diagnostics = tuple(diagnostics)

    @property
    def message(self) -> str:
        """What went wrong, without advice; of several problems the first."""
        return str(self.diagnostics[0]) if self.diagnostics else str(self.args[0])

    def __str__(self) -> str:
        told = [(str(diagnostic), diagnostic.hint) for diagnostic in self.diagnostics] or [(self.message, self.hint)]
        return "\n".join(line + (f"\n  hint: {hint}" if hint else "") for line, hint in told)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__.copy())


class InvalidError(ProvisioningError, ValueError):
    """The input is wrong; changing it helps."""

    code = "invalid"


class NotFoundError(ProvisioningError, LookupError):
    """The thing that was named does not exist."""

    code = "not_found"


class ConflictError(ProvisioningError):
    """Something else holds it, or it changed underneath."""

    code = "conflict"


class DeniedError(ProvisioningError):
    """Credentials or permissions are missing."""

    code = "denied"


class UnsupportedError(ProvisioningError):
    """The provider, the platform or the version cannot do it."""

    code = "unsupported"


class LimitedError(ProvisioningError):
    """A quota, a rate or a size limit was reached."""

    code = "limited"
    default_retry = Retry.LATER


class UnavailableError(ProvisioningError):
    """The other side did not answer, or answered that it cannot now."""

    code = "unavailable"
    default_retry = Retry.UNSURE


class CancelledError(ProvisioningError):
    """Somebody asked to stop."""

    code = "cancelled"
    default_retry = Retry.UNSURE


class CorruptError(ProvisioningError):
    """Stored data is damaged or of an unknown version."""

    code = "corrupt"


class InDoubtError(ProvisioningError):
    """An effect may or may not have happened, and nothing can tell which."""

    code = "in_doubt"
    default_retry = Retry.UNSURE


class BugError(ProvisioningError):
    """The engine or a provider broke its own contract."""

    code = "bug"


class RunError(ProvisioningError):
    """A run did not come to its end: a step failed, or somebody stopped it. It can be resumed.

    Attributes
    ----------
    report : Report
        What the run came to.
    """

    code = "conflict"

    def __init__(self, message: str, *, report: Report, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report
        if report.failures:
            self.code = report.failures[0].code  # type: ignore[misc]
        elif report.outcome == "cancelled":
            self.code = "cancelled"  # type: ignore[misc]
        elif report.in_doubt:
            self.code = "in_doubt"  # type: ignore[misc]


_CLASSES: dict[str, type[ProvisioningError]] = {
    kind.code: kind
    for kind in (
        InvalidError,
        NotFoundError,
        ConflictError,
        DeniedError,
        UnsupportedError,
        LimitedError,
        UnavailableError,
        CancelledError,
        CorruptError,
        InDoubtError,
        BugError,
    )
}

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def _place(exception: BaseException) -> str:
    """The file and line of the user's own code that is nearest to where an exception was raised."""
    library = os.path.dirname(os.__file__)
    frames = [frame for frame in traceback.extract_tb(exception.__traceback__) if not frame.filename.startswith(_PACKAGE)]
    own = [frame for frame in frames if not frame.filename.startswith((library, "<frozen"))] or frames
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else ""


def _restored(kind: type[ProvisioningError], args: tuple[Any, ...], state: dict[str, Any]) -> ProvisioningError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


def _made(
    code: str,
    message: str,
    hint: str | None,
    context: list[tuple[str, str]],
    diagnostics: str,
    retry: str,
    after: float | None,
) -> ProvisioningError:
    """The exception for an error of the engine."""
    return _CLASSES[code](
        message,
        hint=hint,
        retry=Retry(retry),
        after=after,
        context=dict(context),
        diagnostics=[_diagnostic(**problem) for problem in json.loads(diagnostics)],
    )


def _diagnostic(message: str, field: str, origin: dict[str, Any] | None = None, hint: str | None = None) -> Diagnostic:
    place = (
        {} if origin is None else {"file": origin["file"], "line": origin["line"] or None, "column": origin["column"] or None}
    )
    return Diagnostic(message, field, hint=hint, **place)


def _read(exception: BaseException) -> dict[str, Any]:
    """What an exception says to the engine; the place where it was raised stands in the message of a foreign one."""
    if isinstance(exception, ProvisioningError):
        return {
            "code": exception.code,
            "message": exception.message,
            "hint": exception.hint,
            "retry": exception.retry.value,
            "after": exception.after,
        }
    text = str(exception)
    message = type(exception).__name__ + (f": {text}" if text else "")
    place = _place(exception)
    if place:
        message += f" ({place})"
    code = "unavailable" if isinstance(exception, (ConnectionError, TimeoutError)) else "bug"
    if not isinstance(exception, Exception) or type(exception).__name__ == "CancelledError":
        # It was broken off, and nobody knows how far it came.
        return {"code": code, "message": message, "retry": Retry.UNSURE.value}
    return {"code": code, "message": message}
