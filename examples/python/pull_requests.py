"""An environment for every pull request: made when it is opened, updated when it is pushed to, gone when it is closed.

What is declared stands in the workspace's `main.toml`, once. A pull request adds `environments/pr-N.toml` with its inputs,
and has a state of its own. So a person can look into it as well: `provisioning --env pr-7 plan`.

Run it: `python examples/python/pull_requests.py`. It works in a temporary folder, which goes away at the end.
"""

from __future__ import annotations

import html
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioning import ProvisioningError, Workspace

MAIN = """
[inputs]
title = { type = "string" }
commit = { type = "string" }

[providers.here]
type = "local"

[resources.site]
kind = "directory"
path = "previews/${workspace.environment}"
parents = true

[resources.page]
kind = "file"
path = "${site.path}/index.html"
content = "<h1>${input.title}</h1>\\n"

[resources.release]
kind = "value"
input = { commit = "${input.commit}", sha256 = "${page.sha256}" }

[outputs]
url = "http://${workspace.environment}.preview.example/"
page = "${page.id}"
commit = "${input.commit}"
"""


@dataclass(frozen=True)
class Hook:
    """What the code host posts when something happens to a pull request."""

    action: Literal["opened", "synchronize", "closed"]
    number: int
    title: str = ""
    commit: str = ""

    @property
    def env(self) -> str:
        return f"pr-{self.number}"


OPENED = [
    Hook("opened", 7, "A cart that remembers", "5f3c1a9"),
    Hook("opened", 8, "Prices in ${currency} <b>", "c09d77e"),
    Hook("opened", 12, "Search as you type", "1b2e604"),
]
LATER = [
    Hook("synchronize", 8, "Prices in euros", "e41a520"),
    Hook("synchronize", 12, "Search as you type", "1b2e604"),
    Hook("closed", 7),
    Hook("closed", 99),
]


class Previews:
    """The environments of the pull requests in one workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        Workspace.init(folder)
        (folder / "main.toml").write_text(MAIN, encoding="utf-8")
        (folder / "environments").mkdir()

    def handle(self, hook: Hook) -> str:
        """Do what a hook asks for, and give a line about it; what is wrong with one pull request stops no other."""
        try:
            return f"{hook.env}: " + (self.close(hook) if hook.action == "closed" else self.update(hook))
        except ProvisioningError as error:
            return f"{hook.env}: {error.message}"

    def update(self, hook: Hook) -> str:
        # A title is anybody's text: it must be neither markup in the page nor a reference (`${...}`) in the declarations.
        title = html.escape(hook.title).replace("$", "&#36;")
        inputs = {"title": title, "commit": hook.commit}
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in inputs.items()]
        self.file(hook.env).write_text("\n".join(["[inputs]", *lines, ""]), encoding="utf-8")
        workspace = Workspace.open(self.folder, env=hook.env)
        plan = workspace.plan()
        if not plan:
            return "is up to date"
        report = workspace.apply(plan, on_failure="rollback").wait()
        return ", ".join(f"{action} {count}" for action, count in plan.counts().items()) + f" ({report.outcome})"

    def close(self, hook: Hook) -> str:
        report = Workspace.open(self.folder, env=hook.env).destroy().wait()
        self.file(hook.env).unlink()
        return f"gone, with {report.succeeded} resources"

    def file(self, env: str) -> Path:
        return self.folder / "environments" / f"{env}.toml"

    def show(self) -> None:
        """Print the environments that there are, each with its outputs."""
        print(f"  {'ENVIRONMENT':12} {'COMMIT':8} {'URL':30} PAGE")
        for file in sorted(self.folder.glob("environments/*.toml"), key=lambda file: int(file.stem.removeprefix("pr-"))):
            outputs = Workspace.open(self.folder, env=file.stem).outputs()
            page = Path(outputs["page"]).read_text(encoding="utf-8").strip()
            print(f"  {file.stem:12} {outputs['commit']:8} {outputs['url']:30} {page}")
        print()


def main() -> None:
    """Take in what the code host posts, and show the environments in between."""
    with tempfile.TemporaryDirectory(prefix="pull-requests-") as parent:
        previews = Previews(Path(parent) / "shop")
        # Environments share nothing, so their runs need not wait for each other.
        with ThreadPoolExecutor() as pool:
            print(*pool.map(previews.handle, OPENED), sep="\n")
        previews.show()
        for hook in LATER:
            print(previews.handle(hook))
        previews.show()


if __name__ == "__main__":
    main()
