"""How long one project takes to update, beside Copier. Run: python benchmarks/bench_update.py"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from side_by_side import Contender, compare

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ("gcp_project=acme-prod", "author_name=Ada Lovelace", "author_email=ada@example.com", "project_name=orders")


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def template_with_two_versions(folder: Path) -> None:
    """The template of the working tree, and one version more in which every file of text has a line more."""
    shutil.copytree(ROOT / "template", folder / "template")
    shutil.copy(ROOT / "copier.yml", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message=1")
    git(folder, "tag", "1.0.0")
    for path in (folder / "template").rglob("*"):
        if (
            path.is_file()
            and path.suffix in {".jinja", ".yaml"}
            and "answers" not in path.name
            and "_macros" not in str(path)
        ):
            path.write_text(path.read_text() + "# one line more\n")
    git(folder, "commit", "--quiet", "--all", "--message=2")
    git(folder, "tag", "1.1.0")


def main() -> None:
    with tempfile.TemporaryDirectory() as aside:
        template, made, project = (Path(aside) / name for name in ("template", "made", "orders"))
        os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
        template_with_two_versions(template)
        data = [f"--data={answer}" for answer in ANSWERS]
        copier = str(BIN / "copier")
        copy = [copier, "copy", "--quiet", "--defaults", "--vcs-ref=1.0.0", *data, str(template), str(made)]
        subprocess.run(copy, check=True)
        (made / "README.md").write_text((made / "README.md").read_text().replace("\n", "\nOur own words.\n", 1))
        git(made, "init", "--quiet")
        git(made, "add", "--all")
        git(made, "commit", "--quiet", "--message=made")

        def fresh() -> None:
            shutil.rmtree(project, ignore_errors=True)
            shutil.copytree(made, project, symlinks=True)
            git(project, "status")

        def updated() -> None:
            fresh()
            subprocess.run([BIN / "garscaffold", "update", "-q", "--defaults", project], check=True)
            git(project, "add", "--all")
            git(project, "commit", "--quiet", "--message=updated")

        ours = [str(BIN / "garscaffold"), "update", "--defaults", str(project)]
        theirs = [copier, "update", "--quiet", "--defaults", str(project)]
        print("one project, one version, every file changed")
        within = [
            compare(
                Contender("garscaffold update --defaults", ours, fresh),
                Contender("copier update --defaults", theirs, fresh),
                bound=0.3,
            )
        ]
        print("already up to date")
        within.append(
            compare(
                Contender("garscaffold update --defaults", ours, updated),
                Contender("copier update --defaults", theirs, updated),
                bound=0.3,
            )
        )
    sys.exit(not all(within))


if __name__ == "__main__":
    main()
