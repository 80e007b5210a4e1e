"""Judges that know the formats accept every distinct file of the matrix, each once; and each judge sees a fault."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.generated.combinations import KEYLESS
from tests.generated.matrix import ANSWERS_FILE, Project, matrix, rendered, texts, write
from tests.generated.pipelines import FILES, parsed, scripts

# What is generated is the same on every Python.
pytestmark = pytest.mark.generated

BIN = Path(sys.executable).parent
# Commands stand in one line each, and `on` is a key of GitHub's.
YAMLLINT = (
    "{extends: default, rules: {line-length: disable, truthy: {check-keys: false}, document-start: disable,"
    " comments: {min-spaces-from-content: 1}}}"
)
# An example of a trace's id that the W3C's recommendation "Trace Context" shows.
TRACE = r'^TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"$'


@dataclass(frozen=True)
class Judge:
    """A program and the files that it judges.

    Args:
        patterns: Of the paths of the files.
        command: The program, from the environment of these tests, and its arguments.
        faults: Texts that such files have, each with what to put there, so that the program refuses the file.
        accepts: Tells from what it wrote whether all is well, for a program that always ends with 0.
    """

    patterns: Sequence[str]
    command: Sequence[str]
    faults: Sequence[tuple[str, str]]
    accepts: Callable[[str], bool] = lambda said: True

    def objection(self, folder: Path, files: Sequence[Path]) -> str:
        """Judge files, of which there are some, and return what is said against them, or nothing."""
        assert files
        program, *arguments = self.command
        # detect-secrets says nothing about files outside the folder that it runs in.
        names = [str(file.relative_to(folder)) for file in files]
        done = ended(folder, program, *arguments, *names)
        return "" if done.returncode == 0 and self.accepts(done.stdout) else done.stdout or str(done.returncode)


def ended(folder: Path, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a program from the environment of these tests and return how it ended."""
    command = [str(BIN / program), *arguments]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def schema(name: str, pattern: str, *faults: tuple[str, str]) -> Judge:
    return Judge([pattern], ["check-jsonschema", "--builtin-schema", f"vendor.{name}"], faults)


JUDGES = {
    "yamllint": Judge(["*.yaml", "*.yml"], ["yamllint", "--strict", "-d", YAMLLINT], [("\n", "  \n")]),
    "Cloud Build": schema("cloudbuild", FILES["cloud-build"], ("steps:", "step:")),
    "GitHub": schema("github-workflows", FILES["github"], ("runs-on:", "run-on:")),
    "GitLab": schema("gitlab-ci", FILES["gitlab"], ("script:", "scripts:")),
    "CircleCI": schema("circle-ci", FILES["circleci"], ("command:", "commands:")),
    "Dependabot": schema("dependabot", ".github/dependabot.yml", ("version: 2", "version: 3")),
    "Renovate": schema("renovate", "renovate.json", ('"enabled": false', '"enabled": "no"')),
    "Compose": schema("compose-spec", "compose.yaml", ("ports:", "port:")),
    # No package that can be installed here carries the specification's own schema.
    "development container": Judge(
        [".devcontainer/devcontainer.json"],
        ["check-jsonschema", "--schemafile", str(Path(__file__).with_name("devcontainer.schema.json"))],
        [
            ('"remoteUser"', '"remoteUsers"'),
            ('"forwardPorts": [8080]', '"forwardPorts": "8080"'),
            ('"dockerfile"', '"dockerFile"'),
            ('{ "CLOUDSDK_CONFIG": "/mnt/gcloud" }', '["CLOUDSDK_CONFIG=/mnt/gcloud"]'),
            ("type=bind,readonly", "type=bind,read-only"),
            ('"vscode"', '"vsCode"'),
        ],
    ),
    "actionlint": Judge(
        [FILES["github"]],
        ["actionlint", "-no-color", f"-shellcheck={BIN / 'shellcheck'}", "-pyflakes="],
        [("needs: test", "needs: tests")],
    ),
    "zizmor": Judge(
        [".github/*.yml", FILES["github"]],
        ["zizmor", "--offline", "--no-progress", "--quiet", "--persona", "auditor"],
        [("persist-credentials: false", "persist-credentials: true")],
    ),
    "hadolint": Judge(["Dockerfile"], ["hadolint", "--failure-threshold", "style"], [("WORKDIR /app", "WORKDIR app")]),
    "shellcheck": Judge(["*.sh"], ["shellcheck"], [("set -", "cd $NOWHERE\nset -")]),
    "validate-pyproject": Judge(["pyproject.toml"], ["validate-pyproject"], [('version = "', 'version = "one ')]),
    "detect-secrets": Judge(
        ["*"],
        ["detect-secrets", "scan", "--all-files", "--no-verify", "--exclude-lines", TRACE],
        [("", f'password = "{"Tr0ub4dor" + "and3"}"\n')],
        accepts=lambda said: '"results": {},' in said,
    ),
}


def refuse_where_missing(name: str) -> None:
    if name == "actionlint" and not (BIN / name).exists():
        pytest.skip("actionlint has no package for this platform")


@pytest.mark.parametrize("name", JUDGES)
def test_a_judge_accepts_every_file(name: str, tmp_path: Path) -> None:
    refuse_where_missing(name)
    judge = JUDGES[name]
    # detect-secrets looks at one line at a time, long at each.
    found = lines() if name == "detect-secrets" else texts(*judge.patterns)
    files = write(tmp_path, (each for each in found if each[1] != ANSWERS_FILE))
    assert judge.objection(tmp_path, files) == ""


def lines() -> Iterable[tuple[Project, str, str]]:
    """Give for each path one file with every line that a file of that path has in any project, each line once."""
    found: dict[str, tuple[Project, dict[str, None]]] = {}
    for project, path, text in texts("*"):
        found.setdefault(path, (project, {}))[1].update(dict.fromkeys(text.splitlines(keepends=True)))
    return [(project, path, "".join(each)) for path, (project, each) in found.items()]


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, judge in JUDGES.items() for fault in judge.faults])
def test_a_judge_sees_a_fault(name: str, fault: tuple[str, str], tmp_path: Path) -> None:
    refuse_where_missing(name)
    judge = JUDGES[name]
    right, wrong = fault
    project, path, text = next(each for each in texts(*judge.patterns) if right in each[2])
    assert judge.objection(tmp_path, write(tmp_path, [(project, path, text.replace(right, wrong, 1))]))


def test_every_pipelines_shell_is_accepted_by_the_shell_that_runs_it(tmp_path: Path) -> None:
    found = {
        script: project
        for ci, name in FILES.items()
        for project, _, pipeline in texts(name)
        for script in scripts(ci, parsed(pipeline))
    }
    assert {script.shell for script in found} == {"dash", "busybox sh", "bash"}
    files = write(tmp_path, ((project, "pipeline.sh", script.file) for script, project in found.items()))
    assert JUDGES["shellcheck"].objection(tmp_path, files) == ""


@pytest.mark.parametrize(("ci", "knows_bash"), [("cloud-build", 0), ("github", 3), ("gitlab", 1), ("circleci", 3)])
def test_what_only_bash_knows_is_seen_where_another_shell_runs(ci: str, knows_bash: int, tmp_path: Path) -> None:
    """GitLab runs bash where the job's image has it: Debian's have, Alpine's have not."""
    everything = rendered({"kind": "service", "ci": list(FILES), **KEYLESS})
    found = scripts(ci, parsed(everything[FILES[ci]].data.decode()))
    assert len(found) > 1
    judged = []
    for number, script in enumerate(found):
        path = tmp_path / f"{number}.sh"
        path.write_text(script.file + 'found=(*.whl)\nls "${found[@]}"\n')
        judged.append(JUDGES["shellcheck"].objection(tmp_path, [path]))
    assert judged.count("") == knows_bash
    assert all("SC3030" in said for said in judged if said)


def test_shell_in_the_readme_parses(tmp_path: Path) -> None:
    blocks: dict[str, Project] = {}
    for project, _, text in texts("README.md"):
        blocks |= dict.fromkeys(fenced(text), project)
    assert len(blocks) > 10
    for file in write(tmp_path, ((project, "block.sh", text) for text, project in blocks.items())):
        done = subprocess.run(["bash", "-n", str(file)], stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{file.read_text()}"


def fenced(text: str) -> Iterable[str]:
    """Return the blocks of shell in a README."""
    parts = text.split("```sh\n")[1:]
    return [part.split("```")[0] for part in parts]


# The tools of a project


def sources(folder: Path, tops: Sequence[str], *others: str) -> list[Path]:
    """Write each distinct set of a project's Python files, with others that go with them, and return the folders."""
    seen: dict[tuple[tuple[str, str], ...], Project] = {}
    for project in matrix():
        chosen = [n for n in project.files if n in others or (n.endswith(".py") and n.split("/")[0] in tops)]
        seen.setdefault(tuple((name, project.files[name]) for name in sorted(chosen)), project)
    folders = []
    for number, (files, project) in enumerate(seen.items()):
        folders.append(folder / f"{number}-{project}")
        for name, text in {"pyproject.toml": project.files["pyproject.toml"], **dict(files)}.items():
            (folders[-1] / name).parent.mkdir(parents=True, exist_ok=True)
            (folders[-1] / name).write_text(text)
    return folders


def run(folder: Path, program: str, *arguments: str) -> None:
    done = ended(folder, program, *arguments)
    assert done.returncode == 0, done.stdout


def test_a_projects_own_ruff_has_nothing_to_change(tmp_path: Path) -> None:
    folders = sources(tmp_path, ("src", "tests", "tools", "ci"), "pyproject.toml")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}
    assert len(folders) > 50
    assert len(before) > 500
    run(tmp_path, "ruff", "check", "--fix", "--no-cache", ".")
    run(tmp_path, "ruff", "format", "--no-cache", ".")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.py")} == before


@pytest.mark.parametrize(
    ("command", "added", "said"),
    [
        (("check",), "import re\n", "`re` imported but unused"),
        (("format", "--check"), "LEVEL  = 'info'\n", "File would be reformatted"),
    ],
)
def test_a_projects_own_ruff_sees_a_fault(command: Sequence[str], added: str, said: str, tmp_path: Path) -> None:
    folder = next(each for each in sources(tmp_path, ("src", "tests")) if list(each.glob("src/*/app.py")))
    (app,) = folder.glob("src/*/app.py")
    run(folder, "ruff", *command, "--no-cache", ".")
    app.write_text(app.read_text() + added)
    with pytest.raises(AssertionError, match=said):
        run(folder, "ruff", *command, "--no-cache", ".")


# Frameworks are not installed here. What is imported from them is of no known type, and so are a decorator and a base
# class that come from them; the tests that install projects let them check themselves with all of it.
WITHOUT_FRAMEWORKS = (
    *("--disable-error-code", "import-not-found", "--disable-error-code", "import-untyped"),
    *("--allow-untyped-decorators", "--allow-subclassing-any"),
)


def test_a_projects_own_mypy_accepts_it(tmp_path: Path) -> None:
    folders = sources(tmp_path / "sets", ("src", "tests", "tools"))
    assert len(folders) > 8
    cache = f"--cache-dir={tmp_path / 'cache'}"
    for folder in folders:
        run(folder, "mypy", cache, *WITHOUT_FRAMEWORKS)
    for number, path in enumerate(write(tmp_path / "alone", texts("ci/*.py"))):
        run(path.parent, "mypy", "--strict", cache, path.name)
        assert number == 0


def test_mypy_sees_a_fault_without_the_frameworks(tmp_path: Path) -> None:
    folder = next(each for each in sources(tmp_path, ("src", "tests", "tools")) if list(each.glob("src/*/app.py")))
    (app,) = folder.glob("src/*/app.py")
    app.write_text(app.read_text() + "\n\nPORT: int = 'eighty'\n")
    with pytest.raises(AssertionError, match="Incompatible types in assignment"):
        run(folder, "mypy", f"--cache-dir={tmp_path / 'cache'}", *WITHOUT_FRAMEWORKS)
