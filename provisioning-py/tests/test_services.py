"""Task services in Python, on this machine as a host, and hosts by themselves."""

from __future__ import annotations

import asyncio
import platform
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Board, notes
from provisioning import (
    ABSENT,
    Context,
    DeniedError,
    Differs,
    Host,
    Infrastructure,
    InSync,
    InvalidError,
    NotFoundError,
    ProvisioningError,
    Schema,
    TaskService,
    UnavailableError,
    Workspace,
    aio,
    computed,
    field,
)


@dataclass
class Wanted:
    """A line in a file."""

    path: str = field("The file.")
    line: str = field("What stands in it.")


@dataclass
class Given:
    bytes: int = computed("How long the file is.", follows=["line"])


class Motd(TaskService[Wanted]):
    """One line in one file of a host."""

    schema = Schema.of("motd", Wanted, Given)
    inputs = Wanted

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.hosts: list[Host] = []

    def check(self, name: str, host: Host, inputs: Wanted) -> Any:
        self.calls.append(f"check {name}")
        content = host.get(inputs.path)
        if content is None:
            return ABSENT
        return InSync({"bytes": len(content)}) if content == inputs.line.encode() else Differs("another line stands there")

    def apply(self, context: Context, host: Host, inputs: Wanted) -> Any:
        self.calls.append(f"apply {context.resource}")
        self.hosts.append(host)
        host.put(inputs.path, inputs.line, 0o600)
        return Given(bytes=len(inputs.line))

    def remove(self, context: Context, host: Host, inputs: Wanted) -> None:
        self.calls.append(f"remove {context.resource}")
        host.run(["rm", "-f", inputs.path]).check()


def opened(path: Path, service: TaskService[Any]) -> Workspace:
    return Workspace.init(path / "shop", services=[service], settings=QUICK)


def motd(line: str = "hello") -> Infrastructure:
    wanted = Infrastructure()
    wanted.provider("here", "local")
    folder = wanted.resource("folder", "directory", path="etc")
    machine = wanted.resource("machine", "host")
    said = wanted.service("said", "motd", on=[machine], config={"path": f"{folder.id}/motd", "line": line})
    wanted.output("bytes", said.bytes)
    return wanted


def test_a_service_is_applied_found_in_place_changed_and_removed(tmp_path: Path) -> None:
    service = Motd()
    workspace = opened(tmp_path, service)
    file = tmp_path / "shop" / "etc" / "motd"
    assert workspace.apply(motd()).wait().ok
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("hello", 0o600)
    assert [call for call in service.calls if call.startswith("apply")] == ["apply said@machine"]
    assert workspace.outputs() == {"bytes": 5}
    assert not workspace.plan(motd())
    assert workspace.apply(motd("good morning")).wait().ok and file.read_text() == "good morning"
    assert workspace.outputs() == {"bytes": 12}
    assert workspace.destroy(motd()).wait().ok and not file.exists()
    assert service.calls[-1] == "remove said@machine"


def test_what_a_check_found_shows_in_the_plan(tmp_path: Path) -> None:
    workspace = opened(tmp_path, Motd())
    file = tmp_path / "shop" / "etc" / "motd"
    workspace.apply(motd()).wait()
    file.write_text("scribble")
    plan = workspace.plan(motd())
    assert "another line stands there" in str(plan) and plan["said@machine"].action == "update"
    file.unlink()
    assert workspace.plan(motd())["said@machine"].action in ("create", "update")
    workspace.apply(motd()).wait()
    assert file.read_text() == "hello" and not workspace.plan(motd())


def test_a_host_that_is_used_after_its_call_says_so(tmp_path: Path) -> None:
    service = Motd()
    opened(tmp_path, service).apply(motd()).wait()
    [host] = service.hosts
    for use in (lambda: host.run("true"), lambda: host.get("/etc/hostname"), lambda: host.put("a", "b"), host.facts):
        with pytest.raises(UnavailableError, match="the call that it was given to has ended"):
            use()
    assert not (tmp_path / "shop" / "a").exists()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (None, "a check of `motd` gave a `NoneType`"),
        (True, "a check of `motd` gave a `bool`"),
        (InSync(7), "a `int` for its outputs"),
    ],
)
def test_a_check_that_finds_something_strange_is_told(tmp_path: Path, condition: Any, message: str) -> None:
    class Strange(Motd):
        def check(self, name: str, host: Host, inputs: Wanted) -> Any:
            return condition

    with pytest.raises(ProvisioningError, match=message):
        opened(tmp_path, Strange()).apply(motd()).wait()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [([5], "gave a `list` for its outputs"), ({"bytes": object()}, "outputs that cannot be kept: `bytes`")],
)
def test_outputs_that_are_none_are_told(tmp_path: Path, outputs: Any, message: str) -> None:
    class Strange(Motd):
        def apply(self, context: Context, host: Host, inputs: Wanted) -> Any:
            return outputs

    report = opened(tmp_path, Strange()).apply(motd()).wait(check=False)
    assert message in report.failures[0].message and report.failures[0].code == "bug"


def test_an_error_of_a_service_keeps_its_code_and_hint(tmp_path: Path) -> None:
    class Strict(Motd):
        def apply(self, context: Context, host: Host, inputs: Wanted) -> Any:
            raise DeniedError("nobody greets here", hint="be silent")

    report = opened(tmp_path, Strict()).apply(motd()).wait(check=False)
    [failure] = report.failures
    assert (failure.step, failure.code, failure.hint) == ("said@machine/apply", "denied", "be silent")


def test_a_command_that_fails_in_a_service_is_checked_before_it_is_repeated(tmp_path: Path) -> None:
    class Late(Motd):
        def apply(self, context: Context, host: Host, inputs: Wanted) -> Any:
            super().apply(context, host, inputs)
            host.run("echo gone wrong >&2; exit 3").check()

    service = Late()
    workspace = opened(tmp_path, service)
    assert workspace.apply(motd()).wait().ok
    assert [call for call in service.calls if call.startswith("apply")] == ["apply said@machine"]
    assert workspace.outputs() == {"bytes": 5}


def test_inputs_are_checked_against_the_schema(tmp_path: Path) -> None:
    workspace = opened(tmp_path, Motd())
    wanted = motd()
    wanted.service("other", "motd", on=["machine"], config={"path": "a", "lime": "b"})
    with pytest.raises(InvalidError) as caught:
        workspace.plan(wanted)
    assert {problem.field for problem in caught.value.diagnostics} == {
        "services.other.config.lime",
        "services.other.config.line",
    }


@pytest.mark.parametrize("service", [Motd, "motd", None])
def test_what_is_no_service_is_refused_at_once(tmp_path: Path, service: Any) -> None:
    Workspace.init(tmp_path / "shop")
    with pytest.raises(InvalidError, match="is not a task service"):
        Workspace.open(tmp_path / "shop", services=[service])


class AioMotd(aio.TaskService[Wanted]):
    schema = Motd.schema
    inputs = Wanted

    def __init__(self) -> None:
        self.facts: list[tuple[str, str]] = []

    async def check(self, name: str, host: aio.Host, inputs: Wanted) -> Any:  # type: ignore[override]
        content = await host.get(inputs.path)
        return ABSENT if content is None else InSync({"bytes": len(content)})

    async def apply(self, context: aio.Context, host: aio.Host, inputs: Wanted) -> Given:  # type: ignore[override]
        facts, output = await asyncio.gather(host.facts(), host.run(["uname", "-s"]))
        self.facts.append((facts.system, output.text))
        await host.put(inputs.path, inputs.line)
        context.progress("said")
        return Given(bytes=len(inputs.line))

    async def remove(self, context: aio.Context, host: aio.Host, inputs: Wanted) -> None:  # type: ignore[override]
        await host.run(["rm", "-f", inputs.path])


def test_a_service_may_be_made_of_coroutines(tmp_path: Path) -> None:
    service = AioMotd()
    workspace = opened(tmp_path, service)
    file = tmp_path / "shop" / "etc" / "motd"
    run = workspace.apply(motd())
    assert "said" in [event.message for event in run] and run.wait().ok
    assert (file.read_text(), service.facts) == ("hello", [("linux", "Linux\n")])
    assert not workspace.plan(motd())
    assert workspace.destroy(motd()).wait().ok and not file.exists()


@pytest.fixture
def host(workspace: Workspace) -> Host:
    """This machine, as a host of a workspace."""
    wanted = Infrastructure()
    wanted.provider("here", "local")
    wanted.resource("machine", "host")
    workspace.apply(wanted).wait()
    return workspace.host("machine")


def test_a_host_runs_commands_to_their_end(host: Host, tmp_path: Path) -> None:
    done = host.run("cat; echo $GREETING; echo oops >&2; exit 4", input="in\n", environment={"GREETING": "hello"})
    assert (done.code, done.text, done.stdout, done.stderr, done.cut) == (4, "in\nhello\n", b"in\nhello\n", b"oops\n", False)
    assert host.run(["printf", "%s", "$HOME"]).stdout == b"$HOME"
    assert host.run("pwd", directory=str(tmp_path)).text == f"{tmp_path}\n"
    assert host.run(["cat"], input=b"\xff\x00").stdout == b"\xff\x00"
    assert host.run("kill -9 $$").code == 137


def test_a_command_that_failed_is_an_error_where_that_is_asked_for(host: Host) -> None:
    assert host.run("true").check().code == 0
    with pytest.raises(UnavailableError, match="the command ended with 4: last words"):
        host.run("echo first >&2; echo last words >&2; exit 4").check()


def test_a_command_that_takes_too_long_or_is_not_there_is_told(host: Host) -> None:
    with pytest.raises(ProvisioningError):
        host.run("sleep 600", timeout=0.05)
    with pytest.raises(ProvisioningError, match="no-such-program"):
        host.run(["no-such-program"])
    with pytest.raises(InvalidError, match="`timeout` is no number of seconds"):
        host.run("true", timeout=-1)


def test_a_host_keeps_files(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    host.put(tmp_path / "file", b"\x00bytes", 0o640)
    assert (tmp_path / "file").read_bytes() == host.get(tmp_path / "file") == b"\x00bytes"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    host.put("relative", "text")
    assert host.get("relative") == b"text" and host.run(["cat", "relative"]).text == "text"
    assert host.get(tmp_path / "missing") is None


def test_a_host_says_what_it_is(host: Host) -> None:
    facts = host.facts()
    assert (facts.host_name, facts.system, facts.architecture) == (socket.gethostname(), "linux", platform.machine())


def test_only_what_has_a_connection_is_a_host(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    with pytest.raises(InvalidError, match="`ada`"):
        noted.host("ada")
    with pytest.raises(NotFoundError, match="`nobody`"):
        noted.host("nobody")
