"""Local servers and processes: the interpreter keeps them, whoever made them has ended or not, and they go without a trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import provisioning
from conftest import QUICK
from provisioning import Infrastructure, NotFoundError, RunError, Workspace

STAY = "exec sleep 1000"


def shell(line: str) -> list[str]:
    return ["/bin/sh", "-c", line]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose things are removed in any case."""
    workspace = Workspace.init(tmp_path / "shop", settings=QUICK)
    yield workspace
    nothing = Infrastructure()
    nothing.provider("here", "local")
    workspace.destroy(nothing).wait()
    assert not list(Path(workspace.path, ".provisioning").glob("local/*/*"))


def clock() -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("here", "local")
    wanted.resource("clock", "process", command=shell(f"echo it is $HOUR; {STAY}"), environment={"HOUR": "nine"})
    return wanted


def box(isolation: str) -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("here", "local")
    server = wanted.resource("box", "server", isolation=isolation)
    wanted.service("job", "program", on=[server], config={"command": shell(f"echo ready; {STAY}")})
    wanted.service("page", "web", on=[server], config={"address": server.address, "files": {"index.html": "hello"}})
    wanted.output("level", server.level)
    return wanted


def test_a_process_is_kept_running_and_its_log_is_read(shop: Workspace) -> None:
    shop.apply(clock()).wait()
    assert shop.logs("clock") == {"clock": "it is nine\n"}
    assert shop.logs("clock", max_bytes=5) == {"clock": "nine\n"}
    assert not shop.plan(clock())
    with pytest.raises(NotFoundError):
        shop.logs("nobody")


def is_hidden() -> bool:
    """Whether the interpreter lies in a home, which no server may read."""
    places = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix, provisioning.__file__)]
    return any(place.is_relative_to(home) for place in places for home in (Path.home(), "/home", "/root", "/tmp", "/run"))


@pytest.mark.parametrize("isolation", ["auto", "confined"])
def test_a_server_runs_programs_and_commands_at_every_level(shop: Workspace, isolation: str) -> None:
    if isolation == "confined" and is_hidden():
        with pytest.raises(RunError, match=r"encodings|provisioning|libpython"):
            shop.apply(box(isolation)).wait()
        return
    shop.apply(box(isolation)).wait()
    assert isolation in ("auto", shop.outputs()["level"])
    units: dict[str, dict[str, Any]] = shop.units("box")
    assert sorted(units) == ["job", "page"] and {unit["state"] for unit in units.values()} == {"running"}
    assert shop.logs("box", "job") == {"job": "ready\n"}
    host = shop.host("box")
    assert host.run("echo here > note; cat note").check().text == "here\n" and host.get("note") == b"here\n"
    assert host.facts().host_name == "box"
    assert not shop.plan(box(isolation))


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from provisioning import Workspace
from test_servers import clock
Workspace.open(sys.argv[2]).apply(clock()).wait()
"""


def test_what_is_kept_outlives_the_program_that_made_it(shop: Workspace) -> None:
    words = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), shop.path]
    made = subprocess.run(words, capture_output=True, text=True)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert not shop.plan(clock()) and shop.logs("clock") == {"clock": "it is nine\n"}
