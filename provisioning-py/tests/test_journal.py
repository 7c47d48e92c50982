"""The journal: what it tells of a workspace, in order and from any place on, and that nothing in it is changed unseen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from conftest import site, values
from provisioning import EventName, Workspace


def test_status_and_events_tell_of_the_last_run(workspace: Workspace) -> None:
    assert workspace.status().last_run is None
    report = workspace.apply(site()).wait()
    status = workspace.status()
    assert (status.resources, status.lease, status.holder_is_dead, status.unfinished) == (2, None, False, ())
    assert status.last_run == workspace.runs()[-1]
    events = list(workspace.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.run for event in events} == {report.run}
    assert [events[0].name, events[-1].name] == [EventName.RUN_STARTED, EventName.RUN_FINISHED]
    done = [event.step for event in events if event.name == EventName.SUCCEEDED]
    assert done == ["folder/create", "page/create"]


def test_events_can_be_read_of_one_run_and_from_a_place_on(workspace: Workspace) -> None:
    first = workspace.apply(values(a=1)).wait()
    second = workspace.apply(values(a=2)).wait()
    everything = list(workspace.events())
    assert first.run and {event.run for event in workspace.events(first.run)} == {first.run}
    assert [*workspace.events(first.run), *workspace.events(second.run)] == everything
    assert list(workspace.events(after=3)) == everything[3:]


def test_verify_counts_the_entries_and_gives_the_last_hash(workspace: Workspace) -> None:
    workspace.apply(site()).wait()
    whole = workspace.verify()
    assert (whole.entries, whole.problem) == (len(list(workspace.events())), None) and whole.head
    assert workspace.apply(site("changed")).wait().ok
    again = workspace.verify()
    assert again.head != whole.head and again.entries > whole.entries and again.problem is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET body = replace(body, 'completed', 'cancelled')",
        "UPDATE records SET hash = (SELECT hash FROM records WHERE seq = 1) WHERE seq = 2",
        "DELETE FROM records WHERE seq = 2",
        "UPDATE state SET body = replace(body, 'index.html', 'other.html')",
        "DELETE FROM state WHERE name = 'page'",
    ],
)
def test_verify_names_damage(workspace: Workspace, damage: str) -> None:
    workspace.apply(site()).wait()
    with sqlite3.connect(Path(workspace.path, ".provisioning", "state.db")) as store:
        assert store.execute(damage).rowcount > 0
    store.close()
    problem = Workspace.open(workspace.path).verify().problem
    assert problem


def test_a_workspace_that_is_only_looked_at_gets_no_store(workspace: Workspace) -> None:
    assert (workspace.state(), workspace.outputs(), workspace.runs(), list(workspace.events())) == ({}, {}, [], [])
    assert workspace.verify().entries == 0
    assert not Path(workspace.path, ".provisioning").exists()
