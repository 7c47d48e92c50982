"""The command, as ``python -m provisioning``, and the helper that the engine starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import provisioning
from provisioning import Workspace


def command(*arguments: str, module: str = "provisioning") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_the_version_is_that_of_the_package() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"provisioning {provisioning.__version__}\n")


def test_the_command_plans_and_applies_what_the_package_made(tmp_path: Path) -> None:
    Workspace.init(tmp_path / "shop", example=True)
    planned = command("-C", str(tmp_path / "shop"), "plan")
    assert planned.returncode == 0, planned.stderr
    assert "+ create directory site" in planned.stdout
    assert not (tmp_path / "shop" / "site").exists()
    applied = command("-C", str(tmp_path / "shop"), "apply", "--yes")
    assert applied.returncode == 0, applied.stderr
    assert (tmp_path / "shop" / "site" / "index.html").is_file()


def test_the_package_goes_on_with_what_the_command_did(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop", example=True)
    assert command("-C", str(tmp_path / "shop"), "apply", "--yes").returncode == 0
    assert not workspace.plan()
    assert [run.command for run in workspace.runs()] == ["apply"]
    assert workspace.outputs() == {"page": "site/index.html"}


def test_the_command_applies_a_plan_that_the_package_wrote(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop", example=True)
    (tmp_path / "plan.json").write_text(workspace.plan().to_json())
    applied = command("-C", str(tmp_path / "shop"), "apply", str(tmp_path / "plan.json"), "--yes")
    assert applied.returncode == 0, applied.stderr
    assert (tmp_path / "shop" / "site" / "index.html").is_file()


def test_the_package_applies_a_plan_that_the_command_wrote(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "shop", example=True)
    planned = command("-C", str(tmp_path / "shop"), "plan", "--out", str(tmp_path / "plan.json"))
    assert planned.returncode == 0, planned.stderr
    assert workspace.apply(provisioning.Plan.load(tmp_path / "plan.json")).wait().ok
    assert (tmp_path / "shop" / "site" / "index.html").is_file()


def test_an_error_has_its_exit_code_and_is_told_on_stderr(tmp_path: Path) -> None:
    Workspace.init(tmp_path / "shop")
    (tmp_path / "shop" / "main.toml").write_text("providers.lab.type = 'local'\n[resources.a]\nkind = 'directry'\npath = 'a'\n")
    done = command("-C", str(tmp_path / "shop"), "validate")
    assert (done.returncode, done.stdout) == (65, "")
    assert "main.toml:3:8" in done.stderr and "did you mean `directory`?" in done.stderr


def test_a_wrong_flag_is_an_error_of_its_own() -> None:
    done = command("plan", "--nonsense")
    assert done.returncode == 64 and "--nonsense" in done.stderr


def test_the_helper_refuses_to_be_started_by_hand() -> None:
    done = command(module="provisioning._helper")
    assert done.returncode != 0 and done.stdout == ""
    assert "by hand" in done.stderr and "Traceback" not in done.stderr and "panicked" not in done.stderr


def test_the_helper_refuses_arguments_that_a_person_wrote() -> None:
    done = command("keep", "me", module="provisioning._helper")
    assert done.returncode != 0
    assert done.stderr and "Traceback" not in done.stderr and "panicked" not in done.stderr
