"""An organisation's own template: a fork of ours, on a real git remote."""

from pathlib import Path

from garscaffold.template import bundle
from tests.update.templates import git, write

QUESTION = """
team:
  type: str
  help: Team that owns it
  validator: "{% if team != team | lower %}A team is written in lower case.{% endif %}"
"""
BEFORE = "\ngcp_project:\n"
"""Between two questions of ours, as the docs advise: at the end, ours would be in the way of a merge."""


def newest() -> str:
    """Return the newest version that garscaffold carries."""
    with bundle.packaged_bundle() as packaged:
        return str(bundle.newest(packaged))


def bare(folder: Path) -> Path:
    """Make an empty repository to push to."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    git(folder.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    return folder


def clone(source: Path, folder: Path) -> Path:
    git(folder.parent, "clone", "--quiet", str(source), str(folder))
    return folder


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")


def add_own_parts(checkout: Path, version: str, *, owners: str = "* @acme/{{ team }}\n") -> None:
    """Add a file and a question to a checkout of the template, and release that."""
    questions = checkout / "copier.yml"
    text = questions.read_text()
    if QUESTION not in text:
        assert BEFORE in text
        questions.write_text(text.replace(BEFORE, f"{QUESTION}{BEFORE}"))
    write(checkout, "template/OWNERS.jinja", owners)
    commit(checkout, "Owners")
    git(checkout, "tag", "--annotate", f"--message={version}\n\nEvery project has owners.", version)


def take_over(checkout: Path, version: str) -> str:
    """Merge a version of ours into a fork, release that, push it, and return its number."""
    with bundle.packaged_bundle() as packaged:
        git(checkout, "pull", "--quiet", "--no-rebase", "--no-edit", str(packaged), version)
    own = f"{version}+acme.1"
    git(checkout, "tag", "--annotate", f"--message={own}\n\nOurs of {version}, with owners.", own)
    git(checkout, "push", "--quiet", "origin", "main", own)
    return own


def fork(folder: Path, version: str, *, checkout: Path) -> Path:
    """Make a bare repository with our versions and one of its own."""
    bare(folder)
    with bundle.packaged_bundle() as packaged:
        clone(packaged, checkout)
    git(checkout, "remote", "set-url", "origin", str(folder))
    add_own_parts(checkout, version)
    git(checkout, "push", "--quiet", "origin", "main", "--tags")
    return folder
