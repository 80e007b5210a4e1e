"""How long a fleet takes to update, beside a loop of Copier. Run: python benchmarks/bench_fleet.py [PROJECTS]

Both start from the same repositories and end with the update committed on a branch in each of them; the trees have to
be the same. Then the time and the memory for ten times as many projects, beside those for the first number.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_update import ANSWERS, git, template_with_two_versions

from garscaffold.template.plain import Wish
from garscaffold.template.render import Workshop, write_tree
from garscaffold.template.repository import opened

BIN = Path(sys.executable).parent
BRANCH = "garscaffold/template-1.1.0"
FASTER = 25.0
GROWTH = 1.1
"""Of the time of a project, and of the memory of all of them, among ten times as many."""


def make_projects(template: Path, folder: Path, count: int) -> list[Path]:
    """Make repositories of services and packages at version 1.0.0; a team edited every other one."""
    projects = []
    with opened(str(template)) as repository:
        workshop, commit = Workshop(repository), repository.commit("1.0.0")
        for number in range(count):
            given = dict(answer.split("=", 1) for answer in ANSWERS) | {
                "project_name": f"project-{number}",
                "kind": "package" if number % 4 == 3 else "service",
            }
            project = folder / f"project-{number}"
            wish = Wish(given, {}, {"_commit": "1.0.0", "_src_path": str(template)})
            write_tree(workshop.render(commit, wish).files, project)
            if number % 2:
                readme = project / "README.md"
                readme.write_text(readme.read_text().replace("\n", "\nOur own words.\n", 1))
            git(project, "init", "--quiet")
            git(project, "add", "--all")
            git(project, "commit", "--quiet", "--message=made")
            projects.append(project)
    return projects


def fleet_update(folder: Path) -> tuple[float, float]:
    """Update every project below a folder; returns the seconds, and the memory at its highest in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen([BIN / "garscaffold", "fleet", "update", "-q", folder], stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit("garscaffold fleet update failed")
    return seconds, usage.ru_maxrss / 1024


def copier_loop(projects: list[Path]) -> float:
    """Update projects by plain Copier, a branch and a commit each; returns the seconds."""
    began = time.perf_counter()
    for project in projects:
        git(project, "switch", "--quiet", "--create", BRANCH)
        command = [str(BIN / "copier"), "update", "--quiet", "--defaults"]
        subprocess.run(command, cwd=project, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message=updated")
    return time.perf_counter() - began


def tree(project: Path) -> str:
    command = ["git", "rev-parse", f"{BRANCH}^{{tree}}"]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as aside:
        os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
        for role in ("AUTHOR", "COMMITTER"):
            os.environ |= {f"GIT_{role}_NAME": "T", f"GIT_{role}_EMAIL": "t@example.com"}
        template, few, many, theirs = (Path(aside) / name for name in ("template", "few", "many", "theirs"))
        template_with_two_versions(template)
        projects = make_projects(template, few, count)
        shutil.copytree(few, theirs, symlinks=True)

        runs = []
        for _ in range(3):
            for project in projects:
                subprocess.run(["git", "branch", "-qD", BRANCH], cwd=project, check=False, capture_output=True)
            runs.append(fleet_update(few))
        seconds, memory = statistics.median(run[0] for run in runs), max(run[1] for run in runs)
        slow = copier_loop([theirs / project.name for project in projects])
        differing = [project.name for project in projects if tree(project) != tree(theirs / project.name)]
        print(f"{count} projects, one version, a commit on a branch each")
        print(f"  {'garscaffold fleet update':<44} {seconds:7.2f} s   {memory:5.0f} MiB")
        print(f"  {'a loop of copier update --defaults':<44} {slow:7.2f} s")
        print(
            f"  {slow / seconds:.0f} times as fast; bound {FASTER:.0f}. Trees that differ: {len(differing)} of {count}"
        )

        make_projects(template, many, 10 * count)
        long, high = fleet_update(many)
        print(f"{10 * count} projects")
        print(f"  {'garscaffold fleet update':<44} {long:7.2f} s   {high:5.0f} MiB")
        print(f"  a project takes {long / 10 / seconds:.2f} of the time, bound {GROWTH}")
        print(f"  all of them take {high / memory:.2f} of the memory, bound {GROWTH}")
    grows = max(long / 10 / seconds, high / memory) > GROWTH
    sys.exit(bool(differing) or slow / seconds < FASTER or grows)


if __name__ == "__main__":
    main()
