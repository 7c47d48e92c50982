"""A workflow that dies where it is told to; run by `test_kill.py`, again and again.

The world is a folder of files, one for every effect, so that an effect that was made twice shows as two files. The moment is
``TASK:before`` or ``TASK:after``: the process is killed right before, or right after, the effect of that task.
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from pathlib import Path

import provisioning
from provisioning import CONTEXT, TOKEN, Context, Token, task, workflow

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
MOMENT = sys.argv[2] if len(sys.argv) > 2 else ""
WORLD = FOLDER / "world"


def die(moment: str) -> None:
    """Die here, if this is the moment."""
    if moment == MOMENT:
        os.kill(os.getpid(), signal.SIGKILL)


def effect(task_name: str, mark: str) -> None:
    """Change the world: one more file, which is on disk when this returns."""
    die(f"{task_name}:before")
    path = WORLD / f"{task_name} {mark} {uuid.uuid4().hex}"
    path.touch()
    descriptor = os.open(WORLD, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    die(f"{task_name}:after")


def made(task_name: str, mark: str) -> bool:
    """Whether an effect stands."""
    return any(path.name.startswith(f"{task_name} {mark} ") for path in WORLD.iterdir())


@task
def order(item: str, token: Token = TOKEN) -> str:
    """Order something; the shop takes one order for every token."""
    if not made("order", token):
        effect("order", token)
    return f"order of {item}"


def booking(token: Token) -> str | None:
    """Look whether a booking was made."""
    return "booked" if made("book", token) else None


@task(find=booking)
def book(what: str, context: Context = CONTEXT) -> str:
    """Book something; the list of bookings says which token made which."""
    effect("book", context.token)
    return "booked"


@task
async def call(whom: str) -> str:
    """Call somebody; nobody can say afterwards whether it was done."""
    effect("call", whom)
    return f"called {whom}"


@task(idempotent=True)
def count(orders: list[str]) -> int:
    """Count; it may be done again."""
    die("count:before")
    die("count:after")
    return len(orders)


@workflow
def party(items: list[str]) -> list[object]:
    """Prepare a party."""
    orders = [order(item) for item in items]
    number = count(orders)
    room = book.options(after=[number])("a room")
    return [number, room, call.options(after=[room])("everybody")]


if __name__ == "__main__":
    WORLD.mkdir(exist_ok=True)
    workspace = provisioning.Workspace.open(FOLDER)
    try:
        print(party.run(workspace, "july", ["cake", "drinks"]).result())
    except provisioning.RunError as error:
        print("in doubt:", sorted(error.report.in_doubt))
        sys.exit(3)
