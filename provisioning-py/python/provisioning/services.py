"""Task services in Python: software on a host, brought into a wanted condition."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, TypeVar

from . import _provisioning
from ._wire import Command
from .errors import UnavailableError
from .providers import Context
from .schemas import Schema

__all__ = ["ABSENT", "Absent", "Condition", "Differs", "Facts", "Host", "InSync", "Output", "TaskService"]

Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class InSync:
    """It is as wanted; the outputs are those of the service."""

    outputs: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Differs:
    """Something differs; the text says what, in one line."""

    what: str


class Absent:
    """Nothing of it is there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""Nothing of it is there."""

Condition = InSync | Differs | Absent
"""What a check found."""


@dataclass(frozen=True)
class Output:
    """What a command left behind.

    Attributes
    ----------
    code
        Its exit code; for a signal 128 and the signal's number.
    stdout, stderr
        What it wrote, cut at the host's limit.
    cut
        Whether something was cut.
    """

    code: int
    stdout: bytes
    stderr: bytes
    cut: bool

    @property
    def text(self) -> str:
        """What it wrote to standard output, as text."""
        return self.stdout.decode(errors="replace")

    def check(self) -> Output:
        """Raise an `UnavailableError` unless the command succeeded; give the output."""
        if self.code != 0:
            last = self.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise UnavailableError(f"the command ended with {self.code}" + (f": {last}" if last else ""))
        return self


@dataclass(frozen=True)
class Facts:
    """What a host is: its own name, its system (``linux``) and its machine (``x86_64``)."""

    host_name: str
    system: str
    architecture: str


class Host:
    """Somewhere a command can run and a file can be put: this machine, a local server, another machine.

    A relative path starts at the host's own directory, which is the same for commands and files.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _provisioning.Host) -> None:
        self._native = native

    def run(
        self,
        command: str | Sequence[str],
        *,
        input: str | bytes = b"",
        directory: str = "",
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Output:
        """Run a command to its end.

        Parameters
        ----------
        command
            The program and its arguments, or one line for ``/bin/sh``.
        input
            What it reads.
        directory
            The directory it runs in; the host's own choice where it is left out.
        environment
            Variables added to its environment.
        timeout
            How many seconds it may run.
        """
        words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        said = input.encode() if isinstance(input, str) else input
        wanted = Command(words, said, directory, dict(environment or {}), timeout)
        return Output(*self._native.run(wanted))

    def put(self, path: str | os.PathLike[str], content: str | bytes, mode: int = 0o644) -> None:
        """Put a file, whole or not at all, with its permission bits."""
        self._native.put(os.fspath(path), content.encode() if isinstance(content, str) else content, mode)

    def get(self, path: str | os.PathLike[str]) -> bytes | None:
        """Read a file; ``None`` where it does not exist."""
        return self._native.get(os.fspath(path))

    def facts(self) -> Facts:
        """Say what the host is."""
        return Facts(*self._native.facts())


class TaskService(ABC, Generic[Inputs]):
    """Software on a host, brought into a wanted condition.

    - The inputs come checked against the schema and with every reference resolved.
    - `apply` after `apply` changes nothing; `remove` of what is not there succeeds.
    - A call may be repeated after a crash: `check` decides whether it has to.
    - The host can be used until the method returns.

    Attributes
    ----------
    schema
        What it takes (fields that the user sets) and gives (computed fields).
    inputs
        The dataclass that inputs are handed over as; a dict where it is left out.
    """

    schema: ClassVar[Schema]
    inputs: ClassVar[type | None] = None

    @abstractmethod
    def check(self, name: str, host: Host, inputs: Inputs) -> Condition | Awaitable[Condition]:
        """Look whether the host is as wanted, and change nothing."""

    @abstractmethod
    def apply(self, context: Context, host: Host, inputs: Inputs) -> Any | Awaitable[Any]:
        """Make the host as wanted; give the outputs, a dict or a dataclass."""

    @abstractmethod
    def remove(self, context: Context, host: Host, inputs: Inputs) -> Awaitable[None] | None:
        """Take away what `apply` made."""

    def health(self, name: str, host: Host, inputs: Inputs) -> Condition | Awaitable[Condition]:
        """Look whether what runs there works, beyond being in place."""
        return self.check(name, host, inputs)
