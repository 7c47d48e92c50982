"""A process that is killed in the middle of a workflow, and another one that goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kill_program import party
from provisioning import Workspace

PROGRAM = Path(__file__).with_name("kill_program.py")
DONE = "[2, 'booked', 'called everybody']\n"
EFFECTS = {"order": 2, "book": 1, "call": 1}


def run(folder: Path, moment: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, folder, moment], capture_output=True, text=True, timeout=120)


def effects(folder: Path) -> dict[str, int]:
    return dict(Counter(path.name.partition(" ")[0] for path in (folder / "world").iterdir()))


def journal(folder: Path) -> Workspace:
    return party.job(Workspace.open(folder), "july", ["cake", "drinks"]).workspace


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["order", "count", "book"])
def test_an_effect_with_a_token_or_a_find_stands_once(tmp_path: Path, name: str, when: str) -> None:
    Workspace.init(tmp_path)
    killed = run(tmp_path, f"{name}:{when}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(tmp_path)
    assert (resumed.stdout, resumed.returncode) == (DONE, 0), resumed.stderr
    assert effects(tmp_path) == EFFECTS
    assert journal(tmp_path).verify().problem is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_effect_that_nobody_can_look_for_is_in_doubt_until_somebody_says(tmp_path: Path, when: str) -> None:
    Workspace.init(tmp_path)
    assert run(tmp_path, f"call:{when}").returncode == -signal.SIGKILL
    for _ in range(2):
        resumed = run(tmp_path)
        assert (resumed.stdout, resumed.returncode) == ("in doubt: ['call/create']\n", 3), resumed.stderr
    there = journal(tmp_path)
    assert [(step.id, step.status) for step in there.status().unfinished] == [("call/create", "in_doubt")]
    there.retry("call/create")
    resumed = run(tmp_path)
    assert (resumed.stdout, resumed.returncode) == (DONE, 0), resumed.stderr
    assert effects(tmp_path) == {**EFFECTS, "call": 1 if when == "before" else 2}


def test_somebody_can_say_that_a_task_in_doubt_was_done(tmp_path: Path) -> None:
    Workspace.init(tmp_path)
    assert run(tmp_path, "call:after").returncode == -signal.SIGKILL
    assert run(tmp_path).returncode == 3
    party.job(Workspace.open(tmp_path), "july", ["cake", "drinks"]).settle("call/create", "they were called")
    resumed = run(tmp_path)
    assert (resumed.stdout, resumed.returncode) == ("[2, 'booked', 'they were called']\n", 0), resumed.stderr
    assert effects(tmp_path) == EFFECTS


@pytest.mark.parametrize("count", [1, 4, 7, 10])
def test_a_kill_between_two_records_loses_nothing(tmp_path: Path, count: int) -> None:
    Workspace.init(tmp_path)
    (tmp_path / "world").mkdir()
    killer = (
        "import os, signal, sys; sys.argv[1:] = [{folder!r}]; sys.path.insert(0, {tests!r}); import kill_program as p\n"
        "workspace = p.provisioning.Workspace.open(p.FOLDER)\n"
        "run = p.party.run(workspace, 'july', ['cake', 'drinks'])\n"
        "for place, event in enumerate(event for event in run if event.is_fact):\n"
        "    if place == {count}: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    program = killer.format(folder=str(tmp_path), tests=str(PROGRAM.parent), count=count)
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(tmp_path)
    if resumed.returncode == 3:
        assert resumed.stdout == "in doubt: ['call/create']\n"
        journal(tmp_path).retry("call/create")
        resumed = run(tmp_path)
    assert (resumed.stdout, resumed.returncode) == (DONE, 0), resumed.stderr
    found = effects(tmp_path)
    assert {name: found[name] for name in ("order", "book")} == {"order": 2, "book": 1}
