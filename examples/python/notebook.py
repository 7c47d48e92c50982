"""A small web site, declared, planned, made, edited and taken back, cell by cell.

Open it in an editor that knows `# %%`, or run it: `python examples/python/notebook.py`. The site lies in a folder of its own,
which goes away at the end.
"""

# %% What the cells below use
from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning import Infrastructure, Plan, Resource, Workspace


@dataclass
class Page(Resource, kind="file"):
    """A file, as a class: an editor completes its fields, a type checker checks them."""

    path: str
    content: str
    mode: str = "0644"


def site(titles: Mapping[str, str]) -> Infrastructure:
    """Declare a site with these pages. What reads `folder.path` comes after `folder`; nothing else says the order."""
    declared = Infrastructure()
    declared.provider("here", "local")
    folder = declared.resource("site", "directory", path="site")
    pages = {
        name: declared.add(name, Page(path=f"{folder.path}/{name}.html", content=f"<h1>{title}</h1>\n"))
        for name, title in titles.items()
    }
    declared.resource("digests", "value", input={name: page.sha256 for name, page in pages.items()})
    declared.output("pages", [page.id for page in pages.values()])
    return declared


def costs(plan: Plan) -> None:
    """Print what happens to what, and what taking it back would cost."""
    for change in plan:
        undo = ": ".join(filter(None, (change.undo.kind, change.undo.reason)))
        print(f"  {change.action:8} {change.resource:8} {change.kind:10} {undo}")


# %% [markdown]
# A workspace is a folder with its state and its journal in it. This one has no declarations in files: they come from here.

# %% Make a workspace
parent = tempfile.TemporaryDirectory(prefix="notebook-")
workspace = Workspace.init(Path(parent.name) / "site")
print(f"Made the workspace `{workspace.name}`.\n")

# %% Plan: read what is there, and see what would change. In a notebook, `plan` on a line of its own shows a table.
wanted = site({"home": "Hello", "about": "About us"})
plan = workspace.plan(wanted)
print(f"{plan!r}:")
costs(plan)

# %% What the notebook shows is HTML that can go elsewhere as well: into a report, or a comment on a pull request.
table = plan._repr_html_()  # pyright: ignore[reportPrivateUsage]
Path(parent.name, "plan.html").write_text(table, encoding="utf-8")
print(f"As a table for a notebook it has {table.count('<tr>') - 1} rows.\n")

# %% Apply
report = workspace.apply(plan).wait()
home = Path(workspace.path, "site", "home.html")
print(f"Applied: {report.succeeded} of {report.steps} steps. home.html says {home.read_text()!r}.")
print(f"Outputs: {[Path(page).name for page in workspace.outputs()['pages']]}\n")

# %% Edit, and plan the difference: one page changes, one is new, and the digests follow.
edited = workspace.plan(site({"home": "Hello again", "about": "About us", "jobs": "Join us"}))
print(f"{edited!r}, {edited.unchanged} unchanged:")
costs(edited)
print(f"{edited['home'].diff}\n")

# %% Apply it, unless a step of it could not be taken back.
assert not edited.costlier_than("lossy")
workspace.apply(edited).wait()
print(f"Applied. home.html says {home.read_text()!r}.\n")

# %% Take it back: the way back is a plan like any other, so it can be read first.
back = workspace.plan_rollback()
print(f"{back!r}:")
costs(back)
workspace.apply(back).wait()
print(f"Rolled back. home.html says {home.read_text()!r}.\n")

# %% Nothing is left to do, and the journal knows all of it.
assert not workspace.plan(wanted)
for run in workspace.runs():
    print(f"  {run.command:9} {run.outcome or 'cut off':10} {run.succeeded} steps")
print(f"The journal is whole: {workspace.verify().problem is None}.")

# %% Clean up
workspace.destroy(wanted).wait()
assert not home.exists()
parent.cleanup()
