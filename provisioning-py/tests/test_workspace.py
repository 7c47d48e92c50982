"""A workspace: opening it, what it is configured with, what it did, and what it tells of that."""

from __future__ import annotations

import pickle
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from conftest import QUICK, Board, notes, site, values
from provisioning import (
    WITHHELD,
    ConflictError,
    InvalidError,
    NotFoundError,
    Report,
    Secret,
    Workspace,
)

DECLARED = """\
let p = import "provisioning.ncl" in
{
  inputs = {
    text | String | default = "hello",
    count | Number | default = 1,
    many | Array String | default = [],
  },
  providers.here = p.local {},
  resources.kept = p.value { input = { text = inputs.text, count = inputs.count, many = inputs.many } },
  outputs.kept = "${kept.output}",
} | p.Infrastructure
"""


def declared(folder: Path) -> Path:
    """A workspace that declares one value, by its inputs."""
    Workspace.init(folder)
    (folder / "main.ncl").write_text(DECLARED)
    (folder / "environments").mkdir()
    (folder / "environments" / "prod.toml").write_text('[inputs]\ntext = "real"\n')
    return folder


def kept(workspace: Workspace) -> object:
    """What the value would be, by the plan."""
    return workspace.plan()["kept"].fields[0].after


def test_a_new_workspace_has_the_name_and_path_of_its_folder(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop")
    assert (workspace.name, workspace.path, workspace.env) == ("shop", str(tmp_path / "shop"), None)
    assert repr(workspace) == f"<Workspace shop at {tmp_path / 'shop'}>"
    assert not (tmp_path / "shop" / ".provisioning").exists()


def test_an_example_can_be_applied_as_it_is(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop", example=True)
    assert workspace.validate() == {"site": [], "page": ["site"], "greeting": []}
    assert workspace.apply().wait().succeeded == 3
    assert (tmp_path / "shop" / "site" / "index.html").is_file()


def test_nothing_is_written_over_a_workspace_that_is_there(tmp_path: Path) -> None:
    Workspace.init(tmp_path / "shop")
    before = (tmp_path / "shop" / "provisioning.toml").read_text()
    with pytest.raises(ConflictError, match="exists already"):
        Workspace.init(tmp_path / "shop", example=True)
    assert (tmp_path / "shop" / "provisioning.toml").read_text() == before
    assert not (tmp_path / "shop" / "main.ncl").exists()


def test_a_folder_that_is_missing_or_no_workspace_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere` is not a workspace"):
        Workspace.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="empty` is not a workspace") as caught:
        Workspace.open(tmp_path / "empty")
    assert caught.value.hint and "init" in caught.value.hint


def test_a_workspace_opens_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.init(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    assert Workspace.open().path == str(tmp_path / "shop")


def test_inputs_have_their_defaults_and_are_set_by_the_environment_and_by_the_caller(tmp_path: Path) -> None:
    folder = declared(tmp_path / "shop")
    assert kept(Workspace.open(folder)) == {"text": "hello", "count": 1, "many": []}
    prod = Workspace.open(folder, env="prod")
    assert (prod.env, kept(prod)) == ("prod", {"text": "real", "count": 1, "many": []})
    assert "in prod" in repr(prod)
    given = Workspace.open(folder, env="prod", inputs={"text": "mine", "count": 3, "many": ["a", "b"]})
    assert kept(given) == {"text": "mine", "count": 3, "many": ["a", "b"]}


def test_environments_keep_states_of_their_own(tmp_path: Path) -> None:
    folder = declared(tmp_path / "shop")
    Workspace.open(folder, env="prod").apply().wait()
    assert list(Workspace.open(folder, env="prod").state()) == ["kept"]
    assert Workspace.open(folder).state() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": "prodd"}, "there is no environment `prodd`"),
        ({"inputs": {"txt": "x"}}, "did you mean `text`"),
        ({"inputs": {"count": "many"}}, "`inputs.count`"),
        ({"settings": {"limits.run": "many"}}, "expected integer"),
        ({"settings": {"limits.rn": 1}}, "`settings.limits.rn`: is not a field here"),
    ],
)
def test_options_that_are_wrong_are_told_by_their_names(tmp_path: Path, options: dict[str, object], message: str) -> None:
    folder = declared(tmp_path / "shop")
    with pytest.raises(InvalidError, match=message):
        Workspace.open(folder, **options).plan()  # type: ignore[arg-type]


def test_an_input_that_looks_like_another_type_keeps_its_own(tmp_path: Path) -> None:
    given = Workspace.open(declared(tmp_path / "shop"), inputs={"text": "12", "many": ["1"]})
    assert kept(given) == {"text": "12", "count": 1, "many": ["1"]}


def test_settings_hold_for_this_time(tmp_path: Path, board: Board) -> None:
    one = Workspace.init(tmp_path / "shop", providers=[board.provider()], settings={"limits.run": 1})
    wanted = notes("ada")
    for name in ("grace", "linus"):
        wanted.resource(name, "note", title=name)
    together, most = 0, 0

    def count(change: int) -> None:
        nonlocal together, most
        together += change
        most = max(most, together)

    board.before = lambda call, context: count(1)
    board.after = lambda call, context: count(-1)
    assert one.apply(wanted).wait().succeeded == 3
    assert (together, most) == (0, 1)


def test_a_workspace_without_declarations_says_what_is_missing(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match=r"has no `main.ncl`, `main.toml` or `main.json`"):
        workspace.plan()


def test_an_empty_declaration_is_told(workspace: Workspace) -> None:
    Path(workspace.path, "main.ncl").write_text("")
    with pytest.raises(InvalidError, match=r"`main.ncl` declares nothing") as caught:
        workspace.validate()
    assert caught.value.hint and "p.Infrastructure" in caught.value.hint


def test_an_error_in_a_file_is_told_with_its_line_and_column(workspace: Workspace) -> None:
    text = 'let p = import "provisioning.ncl" in\n{\n  providers.here = p.local {},\n  outputs.a = adress,\n}\n'
    Path(workspace.path, "main.ncl").write_text(text)
    with pytest.raises(InvalidError) as caught:
        workspace.validate()
    [problem] = caught.value.diagnostics
    assert (problem.file, problem.line, problem.column) == ("main.ncl", 4, 15)
    assert str(caught.value).startswith("main.ncl:4:15: unbound identifier `adress`")


def test_a_field_that_is_wrong_in_a_file_is_told_with_its_path(workspace: Workspace) -> None:
    text = "providers.here.type = 'local'\n[resources.a]\nkind = 'directory'\npaht = 'a'\n"
    Path(workspace.path, "main.toml").write_text(text)
    with pytest.raises(InvalidError) as caught:
        workspace.plan()
    places = {problem.field: (problem.file, problem.line) for problem in caught.value.diagnostics}
    assert places["resources.a.paht"] == ("main.toml", 4)
    assert "resources.a.path" in places


def test_validate_gives_every_name_with_what_it_depends_on_and_makes_nothing(workspace: Workspace) -> None:
    assert workspace.validate(site()) == {"folder": [], "page": ["folder"]}
    assert not Path(workspace.path, ".provisioning").exists()


def test_an_applied_workspace_tells_its_state_its_outputs_and_its_run(workspace: Workspace) -> None:
    report = workspace.apply(site()).wait()
    assert isinstance(report, Report) and report.ok and (report.steps, report.succeeded) == (2, 2)
    assert Path(workspace.path, "site", "index.html").read_text() == "hello"
    row = workspace.state()["page"]
    assert (row.kind, row.provider, row.depends_on, row.run) == ("file", "here", ["folder"], report.run)
    assert row.id == str(Path(workspace.path, "site", "index.html"))
    assert (row.inputs["content"], row.inputs["path"], row.outputs["size_bytes"]) == (WITHHELD, "site/index.html", 5)
    assert (row.tainted, row.inconsistent, row.deposed) == (False, None, [])
    assert workspace.outputs() == {"page": "site/index.html"}
    [run] = workspace.runs()
    assert (run.id, run.command, run.outcome, run.succeeded, run.failed) == (report.run, "apply", "completed", 2, 0)
    assert run.undoes is None and run.started_at <= run.updated_at
    assert run.started_at.tzinfo is not None and datetime.now(timezone.utc) - run.started_at < timedelta(days=1)


def test_what_a_run_came_to_reads_in_lines(workspace: Workspace) -> None:
    report = workspace.apply(site()).wait()
    assert str(report).startswith(f"run {report.run} completed: 2 of 2 steps in ")
    assert report.critical_path is not None
    assert [step for step, _ in report.critical_path.steps] == ["folder/create", "page/create"]
    again = workspace.apply(site()).wait()
    assert (str(again), again.run, again.ok) == ("nothing to do", None, True)


def test_a_sensitive_output_is_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "open sesame")
    Workspace.init(tmp_path / "shop")
    with (tmp_path / "shop" / "provisioning.toml").open("a") as file:
        file.write('\n[secrets]\ntoken = { env = "SHOP_TOKEN" }\n')
    workspace = Workspace.open(tmp_path / "shop")
    wanted = values(kept="plain")
    wanted.output("token", "${secret.token}", sensitive=True)
    plan = workspace.plan(wanted)
    workspace.apply(plan).wait()
    token = workspace.outputs()["token"]
    assert isinstance(token, Secret) and token.reveal() == "open sesame"
    assert "open sesame" not in f"{token!r} {token} {plan} {plan.to_json()}"
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_nobody_can_be_unlocked_who_holds_nothing(workspace: Workspace) -> None:
    workspace.apply(values(a=1)).wait()
    with pytest.raises(NotFoundError, match="nobody holds the workspace"):
        workspace.unlock()


def test_workspaces_work_at_once_in_threads(tmp_path: Path) -> None:
    spaces = [Workspace.init(tmp_path / f"shop{number}", settings=QUICK) for number in range(4)]
    reports: dict[str, list[Report]] = {space.name: [] for space in spaces}

    def work(space: Workspace) -> None:
        for text in ("one", "two"):
            reports[space.name].append(space.apply(site(f"{text} {space.name}")).wait())

    threads = [threading.Thread(target=work, args=(space,)) for space in spaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for space in spaces:
        assert [report.outcome for report in reports[space.name]] == ["completed", "completed"]
        assert Path(space.path, "site", "index.html").read_text() == f"two {space.name}"
        assert space.verify().problem is None


def test_threads_that_share_a_workspace_all_get_their_answers(workspace: Workspace) -> None:
    workspace.apply(site()).wait()
    answers: list[tuple[int, list[str]]] = []

    def look() -> None:
        answers.append((len(workspace.plan(site("new"))), sorted(workspace.state())))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(1, ["folder", "page"])] * 6
