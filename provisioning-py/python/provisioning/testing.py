"""What providers are tried out with: the engine's own conformance suite, for kinds that are written in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import _provisioning
from ._bridge import KindAdapter, Loop, _schema

__all__ = ["Finding", "assert_conforms", "conformance"]


@dataclass(frozen=True)
class Finding:
    """A rule that a kind breaks, and how."""

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


def conformance(
    kind: Any,
    wanted: Callable[[int], Mapping[str, Any]],
    changed: Callable[[int], Mapping[str, Any]] | None = None,
) -> list[Finding]:
    """Try every rule that applies to a kind, each on objects of its own, which are deleted again.

    Parameters
    ----------
    kind
        An object of a kind's class, with the provider that it has in use.
    wanted
        Gives the fields of the object of a number. No two may get in each other's way.
    changed
        Gives fields that the object of a number can be updated to in place, where the kind has such.

    Returns
    -------
    list of Finding
        The rules that are broken; empty where none is.
    """
    loop = Loop()
    specs = (lambda number: dict(wanted(number)), None if changed is None else lambda number: dict(changed(number)))
    try:
        findings = _provisioning.conformance(_schema(type(kind)).to_json(), KindAdapter(kind), loop.submit, specs)
    finally:
        loop.close()
    return [Finding(rule, message) for rule, message in findings]


def assert_conforms(
    kind: Any,
    wanted: Callable[[int], Mapping[str, Any]],
    changed: Callable[[int], Mapping[str, Any]] | None = None,
) -> None:
    """Fail, with every rule that is broken, unless a kind conforms; for a test."""
    findings = conformance(kind, wanted, changed)
    if findings:
        raise AssertionError("\n".join(map(str, findings)))
