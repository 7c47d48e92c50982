"""Plans: what they say of every change, what takes part in them, and that they are data."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from conftest import Board, NoteSpec, notes, site, values
from provisioning import UNKNOWN, WITHHELD, ConflictError, CorruptError, InvalidError, NotFoundError, Plan, Undo, Workspace

LOSSY = "content that was changed outside of the engine before is not kept"


def actions(plan: Plan) -> dict[str, str]:
    return {change.resource: change.action for change in plan}


def edit(board: Board, title: str, text: str) -> None:
    """Change a note behind the engine's back."""
    [id] = [id for id, (_, note) in board.notes.items() if note.title == title]
    board.notes[id] = (board.notes[id][0], NoteSpec(title, text))


def test_a_plan_prints_as_the_command_shows_it(workspace: Workspace) -> None:
    text = str(workspace.plan(site()))
    assert text.startswith("Provisioning will:\n\n  + create directory folder")
    assert '      path     "site"\n' in text and '  + output page  "${page.path}"\n' in text
    assert "Plan: 2 to create, 0 to update, 0 to replace, 0 to delete, 0 unchanged." in text
    assert "\x1b" not in text
    assert repr(workspace.plan(site())) == "<Plan to apply: 2 to create>"


def test_a_plan_without_changes_is_false_and_empty(workspace: Workspace) -> None:
    plan = workspace.plan(values(a=1))
    assert plan and len(plan) == 1
    workspace.apply(plan).wait()
    again = workspace.plan(values(a=1))
    assert not again and (len(again), list(again), again.steps, again.unchanged) == (0, [], (), 1)
    assert str(again).startswith("No changes.") and repr(again) == "<Plan to apply: no changes>"


def test_a_plan_is_asked_by_the_name_of_a_resource(workspace: Workspace) -> None:
    plan = workspace.plan(site())
    assert plan["page"].kind == "file"
    with pytest.raises(KeyError):
        plan["pag"]


def test_a_change_says_what_where_and_what_undoing_it_costs(workspace: Workspace) -> None:
    workspace.apply(site()).wait()
    change = workspace.plan(site("hello\nworld"))["page"]
    assert (change.resource, change.kind, change.action, change.reason) == ("page", "file", "update", None)
    assert change.undo == Undo("lossy", LOSSY)
    assert change.file is not None and Path(change.file).name == "conftest.py"
    assert change.line is not None
    # It is the line of the declaration in `site`.
    assert 'wanted.resource("page"' in Path(site.__code__.co_filename).read_text().splitlines()[change.line - 1]


def test_a_text_that_changes_is_told_line_by_line(workspace: Workspace) -> None:
    workspace.apply(site("one\n")).wait()
    change = workspace.plan(site("two\n"))["page"]
    [field] = change.fields
    assert (field.field, field.before, field.after, field.forces_replacement) == ("content", WITHHELD, WITHHELD, False)
    assert "-one\n" in field.diff and "+two\n" in field.diff
    assert change.diff.splitlines()[:2] == ["update page (file)", "  content: (not kept) -> (not kept)"]
    assert "    -one" in change.diff.splitlines() and "    +two" in change.diff.splitlines()


def test_a_field_has_its_value_before_and_after(noted: Workspace) -> None:
    noted.apply(notes("ada")).wait()
    [field] = noted.plan(notes("ada", text="bye"))["ada"].fields
    assert (field.field, field.before, field.after, field.diff) == ("text", "hello", "bye", "")
    created = noted.plan(notes("ada", "grace"))["grace"]
    assert {field.field: (field.before, field.after) for field in created.fields} == {
        "title": (None, "grace"),
        "text": (None, "hello"),
    }


def test_what_only_the_apply_will_know_is_unknown_and_false(noted: Workspace) -> None:
    wanted = notes("ada")
    wanted.resource("sign", "note", title="sign", text="${ada.length} letters")
    after = {field.field: field.after for field in noted.plan(wanted)["sign"].fields}["text"]
    assert after is UNKNOWN and not after and repr(after) == "(known after apply)"
    noted.apply(wanted).wait()
    assert noted.state()["sign"].inputs["text"] == "5 letters"
    longer = notes("ada", text="longer")
    longer.resource("sign", "note", title="sign", text="${ada.length} letters")
    [field] = noted.plan(longer)["sign"].fields
    assert (field.field, field.before, field.after) == ("text", "5 letters", UNKNOWN)


def test_a_field_that_cannot_be_changed_in_place_forces_a_replacement(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    wanted = notes("ada").to_dict()
    wanted["resources"]["ada"]["title"] = "Ada"
    plan = noted.plan(wanted)
    assert actions(plan) == {"ada": "replace"} and plan["ada"].fields[0].forces_replacement
    assert [step.id for step in plan.steps] == ["ada/delete", "ada/create"]
    assert plan.steps[1].requires == ("ada/delete",)
    noted.apply(plan).wait()
    assert board.titles() == ["Ada"]


def test_targets_take_with_them_what_they_need(noted: Workspace) -> None:
    noted.apply(notes("ada", "grace", "linus")).wait()
    changed = notes("ada", "grace", "linus", text="bye")
    assert actions(noted.plan(changed, targets=["grace"])) == {"ada": "update", "grace": "update"}


def test_excludes_take_with_them_what_needs_them(noted: Workspace) -> None:
    noted.apply(notes("ada", "grace", "linus")).wait()
    changed = notes("ada", "grace", "linus", text="bye")
    assert actions(noted.plan(changed, excludes=["grace"])) == {"ada": "update"}


def test_what_is_asked_to_be_replaced_is_replaced(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada", "grace")).wait()
    before = set(board.notes)
    plan = noted.plan(notes("ada", "grace"), replace=["grace"])
    assert actions(plan) == {"grace": "replace"} and plan["grace"].reason == "asked for"
    noted.apply(plan).wait()
    assert board.titles() == ["ada", "grace"] and len(before & set(board.notes)) == 1


@pytest.mark.parametrize("option", ["targets", "excludes", "replace"])
def test_a_name_that_nobody_declared_is_told(noted: Workspace, option: str) -> None:
    with pytest.raises(NotFoundError, match="there is no resource `adda`"):
        noted.plan(notes("ada"), **{option: ["adda"]})  # type: ignore[arg-type]


def test_one_text_is_not_taken_for_a_list_of_letters(noted: Workspace) -> None:
    with pytest.raises(InvalidError) as caught:
        noted.plan(notes("ada"), targets="ada")
    assert caught.value.hint == "write `targets=['ada']`"


def test_drift_is_seen_unless_the_state_is_to_be_believed(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    edit(board, "ada", "scribble")
    assert noted.plan(notes("ada"))["ada"].reason == "changed outside"
    assert noted.plan(notes("ada"))["ada"].fields[0].before == "scribble"
    assert not noted.plan(notes("ada"), refresh=False)


def test_an_object_that_is_gone_is_made_again(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    board.notes.clear()
    plan = noted.plan(notes("ada"))
    assert actions(plan) == {"ada": "create"} and plan["ada"].reason
    noted.apply(plan).wait()
    assert board.titles() == ["ada"]


def test_a_refresh_takes_in_what_changed_outside_and_changes_nothing(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    edit(board, "ada", "scribble")
    plan = noted.refresh(notes("ada"))
    assert (plan.command, actions(plan)) == ("refresh", {"ada": "refresh"})
    noted.apply(plan).wait()
    assert noted.state()["ada"].outputs["text"] == "scribble" and board.texts() == ["scribble"]
    assert board.calls == ["create ada"]


def test_what_is_forgotten_stays_in_the_world(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada", "grace")).wait()
    plan = noted.forget(["grace"], notes("ada", "grace"))
    assert (plan.command, plan.counts()) == ("forget", {"forget": 1})
    noted.apply(plan).wait()
    assert (list(noted.state()), board.titles()) == (["ada"], ["ada", "grace"])


def test_destroying_removes_everything_in_reverse_order(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada", "grace")).wait()
    plan = noted.plan(notes("ada", "grace"), destroy=True)
    assert (plan.command, plan.counts(), repr(plan)) == ("destroy", {"delete": 2}, "<Plan to destroy: 2 to delete>")
    assert noted.destroy(notes("ada", "grace")).wait().succeeded == 2
    assert (board.notes, board.calls[2:], noted.state()) == ({}, ["delete grace", "delete ada"], {})


def test_steps_come_after_those_that_they_need_and_say_what_they_cost(workspace: Workspace) -> None:
    workspace.apply(site()).wait()
    plan = workspace.plan(site(), destroy=True)
    assert [(step.id, step.action, step.requires) for step in plan.steps] == [
        ("page/delete", "delete", ()),
        ("folder/delete", "delete", ("page/delete",)),
    ]
    assert [step.id for step in plan.costlier_than("reversible")] == ["page/delete"]
    assert plan.costlier_than("lossy") == ()


@pytest.mark.parametrize("way", [lambda plan: Plan.parse(plan.to_json()), lambda plan: pickle.loads(pickle.dumps(plan))])
def test_a_plan_that_was_written_is_the_same_and_can_be_applied(noted: Workspace, board: Board, way: object) -> None:
    plan = noted.plan(notes("ada"))
    again = way(plan)  # type: ignore[operator]
    assert again == plan and hash(again) == hash(plan) and again is not plan
    assert (str(again), again.changes, again.steps) == (str(plan), plan.changes, plan.steps)
    assert noted.apply(again).wait().ok and board.titles() == ["ada"]


def test_a_plan_that_was_written_says_the_same_of_outputs_that_change(workspace: Workspace) -> None:
    workspace.apply(site()).wait()
    plan = workspace.plan(site(path="other"))
    assert '"site/index.html"' in str(plan)
    assert str(pickle.loads(pickle.dumps(plan))) == str(plan)


def test_a_plan_is_read_from_a_file(workspace: Workspace, tmp_path: Path) -> None:
    plan = workspace.plan(site())
    (tmp_path / "plan.json").write_text(plan.to_json())
    assert Plan.load(tmp_path / "plan.json") == plan
    assert plan != workspace.plan(site("other")) and plan != "a plan"


@pytest.mark.parametrize("text", ["{}", "nonsense", b"\xff"])
def test_what_is_no_plan_is_refused(text: str | bytes) -> None:
    with pytest.raises(CorruptError, match="this is not a plan"):
        Plan.parse(text)


def test_a_plan_is_carried_out_once(workspace: Workspace) -> None:
    plan = workspace.plan(site())
    workspace.apply(plan).wait()
    with pytest.raises(ConflictError, match="was carried out already"):
        workspace.apply(plan).wait()


def test_a_plan_that_is_out_of_date_is_refused(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    old = noted.plan(notes("ada", text="old"))
    noted.apply(notes("ada", text="new")).wait()
    with pytest.raises(ConflictError, match="out of date: `ada` has changed"):
        noted.apply(old).wait()
    assert board.texts() == ["new"]


def test_a_plan_shows_as_a_table_whose_texts_are_harmless(noted: Workspace) -> None:
    page = noted.plan(notes("ada", text="<script>"))._repr_html_()
    assert page.startswith("<table>") and "&lt;script&gt;" in page and "<script>" not in page
    assert "Plan to apply: 1 to create, 0 unchanged" in page
