"""Any answers to all questions: each is refused by its rule, or comes out of every file as it was typed."""

import ast
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings

from garscaffold.template.config import NotPlainError
from tests.generated.combinations import Answers, questionnaire
from tests.generated.drawn import HOSTILE, answers, answers_with_one_hostile, described_in, first_broken_rule
from tests.generated.matrix import Project, recorded, rendered, texts, write
from tests.generated.pipelines import FILES, scripts
from tests.generated.soundness import SOUND
from tests.generated.test_matrix_judges import JUDGES, ended

# What is generated is the same on every Python.
pytestmark = pytest.mark.generated

# The same answers in every run where a run decides about a change. A failure is shown as it was found, since making it
# smaller takes minutes.
SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize="CI" in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
MISSING = object()
CREDENTIALS = {
    "an access token": r"ya29\.[\w-]|gh[pousr]_\w{20}|glpat-[\w-]{20}|pypi-\w{20}|xox[bp]-\w{10}",
    "an API key": r"AIza[\w-]{35}|AKIA[A-Z0-9]{16}",
    "a JSON Web Token": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}",
    "a key": r"-----BEGIN [A-Z ]*PRIVATE KEY|\"private_key\": ?\"|\"refresh_token\": ?\"|\"client_secret\": ?\"",
    "a URL with user information": r"\w://[^/\s\"'`]*@",
}
# It looks for credentials, and so holds their patterns.
LOOKS_FOR_CREDENTIALS = {".pre-commit-config.yaml", "ci/scan-image.sh"}


class Loader(yaml.CSafeLoader):
    """Reads YAML, and refuses a key that is there twice or that is no text, such as `yes`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep)
        # `on` is a key of GitHub's.
        assert all(isinstance(key, str) or key is True for key in made), f"no text: {list(made)}"
        assert len(made) == len(node.value), "a key is there twice"
        return made


def parsed(name: str, text: str) -> Any:
    """Return what a file says, read by its format."""
    match PurePosixPath(name).suffix:
        case ".py":
            return ast.parse(text)
        case ".toml":
            return tomllib.loads(text)
        case ".json":
            return json.loads(text)
        case ".yaml" | ".yml":
            return yaml.load(text, Loader=Loader)
    return text


def assert_holds(given: Answers) -> Project:
    """Assert all that is promised of a project, and return it."""
    tree = rendered(given)
    project = Project(given, {name: file.data.decode() for name, file in tree.items()})
    for name in project.files:
        path = PurePosixPath(name)
        assert not path.is_absolute()
        assert not {"..", ".", ".git", ""} & set(path.parts)
        assert re.fullmatch(r"[\w./-]+", name, re.ASCII), name
    # What the answers file holds is all of them, and makes the same project again.
    said = recorded(tree)
    for name, value in given.items():
        question = questionnaire()[name]
        # What is read as a list or as yes and no may be given as a text.
        asked = questionnaire().applies(question, said)
        assert said.get(name, MISSING) == (questionnaire().parse_answer(question, value) if asked else MISSING)
    assert rendered(said) == tree
    documents = {name: parsed(name, text) for name, text in project.files.items()}
    for name, text in project.files.items():
        for what, pattern in CREDENTIALS.items():
            found = re.search(pattern, text) if name not in LOOKS_FOR_CREDENTIALS else None
            assert not found or found[0] in str(said), f"{name} holds {what}"
    assert_says(said, documents)
    for ci, name in FILES.items():
        if name in documents:
            assert list(SOUND[ci](documents[name], project.files[name])) == []
    return project


def assert_says(said: Mapping[str, Any], documents: Mapping[str, Any]) -> None:
    """Assert that every value stands in the files as it was typed."""
    project = documents["pyproject.toml"]["project"]
    name, host = said["project_name"], f"https://{said['location']}-python.pkg.dev/{said['gcp_project']}"
    assert (project["name"], project["description"]) == (name, said["description"])
    assert project["authors"] == [{"name": said["author_name"], "email": said["author_email"]}]
    assert project["requires-python"] == f">={said['python_version']}"
    private = said["private_packages"] or []
    assert project["dependencies"][len(project["dependencies"]) - len(private) :] == private
    assert described_in(documents["README.md"]) == said["description"]
    assert f"{host}/{said['python_index']}/simple/" in urls(documents["pyproject.toml"]["tool"])
    assert all(f"src/{said['module_name']}/" in path for path in documents if path.startswith("src/"))
    for rule in documents["renovate.json"]["packageRules"]:
        assert all(url.startswith(f"{host}/") for url in rule.get("registryUrls", []))
    if said["kind"] == "service":
        image = f"{said['location']}-docker.pkg.dev/{said['gcp_project']}/{said['docker_repository']}/{name}"
        assert name in documents["compose.yaml"]["services"]
        if build := documents.get("cloudbuild.yaml"):
            assert build["substitutions"]["_IMAGE"] == image
        if workflow := documents.get(FILES["github"]):
            assert workflow["jobs"]["build-image"]["env"]["IMAGE"] == image
        if pipeline := documents.get(FILES["gitlab"]):
            assert pipeline["variables"]["IMAGE"] == image
        if pipeline := documents.get(FILES["circleci"]):
            images = {name: job.get("environment", {}).get("IMAGE") for name, job in pipeline["jobs"].items()}
            assert images == {name: None if name == "test" else image for name in images}
    if devcontainer := documents.get(".devcontainer/devcontainer.json"):
        assert devcontainer["name"] == name
    if service := documents.get("cloud-run.yaml"):
        assert service["metadata"]["name"] == name
        revision = service["spec"]["template"]["spec"]
        assert revision.get("serviceAccountName", "") == said["run_service_account"]
        assert {"name": "GOOGLE_CLOUD_PROJECT", "value": said["gcp_project"]} in revision["containers"][0]["env"]
    if program := documents.get("ci/access_token.py"):
        assert constants(program) >= {
            ("PROVIDER", said["wif_provider"]),
            ("SERVICE_ACCOUNT", said["build_service_account"]),
        }
    if build := documents.get("cloudbuild.yaml"):
        words = [word for step in build["steps"] for word in [*step["args"], *step.get("env", [])]]
        assert all(isinstance(word, str) for word in words)
        account = f"projects/{said['gcp_project']}/serviceAccounts/{said['build_service_account']}"
        assert build.get("serviceAccount") == (account if said["build_service_account"] else None)
    if workflow := documents.get(FILES["github"]):
        steps = [step for job in workflow["jobs"].values() for step in job["steps"] if "service_account" in str(step)]
        accounts = {said["build_service_account"], said["test_service_account"]} - {""}
        assert {step["with"]["service_account"] for step in steps} == accounts
        for step in steps:
            assert f"'{said['wif_provider']}'" in step["with"]["workload_identity_provider"]
    if pipeline := documents.get(FILES["gitlab"]):
        assert pipeline["variables"]["WIF_PROVIDER"] == said["wif_provider"]
    if pipeline := documents.get(FILES["circleci"]):
        assert pipeline["jobs"]["test"]["docker"][0]["image"] == said["circleci_image"]


def constants(module: ast.Module) -> set[tuple[str, str]]:
    """Return the texts that a module gives names to."""
    return {
        (target.id, statement.value.value)
        for statement in module.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name) and isinstance(statement.value.value, str)
    }


def urls(value: Any) -> set[str]:
    """Return every URL in a document."""
    if isinstance(value, str):
        return {value} if value.startswith("https://") else set()
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(urls, items))


def test_whatever_the_rules_allow_comes_out_as_it_was_typed(tmp_path: Path) -> None:
    projects: list[Project] = []

    @SETTINGS
    @given(answers())
    def hold(given: Answers) -> None:
        assert first_broken_rule(given) is None
        projects.append(assert_holds(given))

    hold()
    assert_judges_accept(projects, tmp_path)


def assert_judges_accept(projects: list[Project], folder: Path) -> None:
    """Assert it of programs that take too long to start for each project."""
    for name in (
        "Cloud Build",
        "GitHub",
        "GitLab",
        "CircleCI",
        "Compose",
        "Renovate",
        "development container",
        "hadolint",
        "shellcheck",
        "validate-pyproject",
    ):
        judge = JUDGES[name]
        here = folder / name
        assert judge.objection(here, write(here, texts(*judge.patterns, projects=projects))) == "", name
    found = {
        script: project
        for ci, name in FILES.items()
        for project, _, pipeline in texts(name, projects=projects)
        for script in scripts(ci, yaml.safe_load(pipeline))
    }
    for bash in (True, False):
        chosen = (
            (project, "pipeline.sh", script.text)
            for script, project in found.items()
            if (script.shell == "bash") == bash
        )
        shell = "bash" if bash else "sh"
        files = write(folder / shell, chosen)
        assert files
        command = f'for file; do {shell} -n "$file" || exit 1; done'
        done = subprocess.run([shell, "-c", command, shell, *files], stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for number, project in enumerate(projects):
        for path, text in project.files.items():
            if path.endswith((".py", "pyproject.toml")):
                (folder / "python" / str(number) / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / "python" / str(number) / path).write_text(text)
    for arguments in (["check", "--no-cache", "."], ["format", "--no-cache", "--check", "."]):
        done = ended(folder / "python", "ruff", *arguments)
        assert done.returncode == 0, done.stdout


@SETTINGS
@given(answers_with_one_hostile())
def test_a_hostile_answer_is_refused_by_its_rule_or_harmless(drawn: tuple[str, Answers]) -> None:
    _, given = drawn
    broken = first_broken_rule(given)
    if broken is None:
        assert_holds(given)
        return
    name, rule = broken
    question = questionnaire()[name]
    if question.type == "bool":
        # Copier takes any text for yes; the program refuses it before.
        assert rule.startswith("Yes or no is expected")
        return
    with pytest.raises(NotPlainError) as refused:
        rendered(given)
    # What is of a wrong type, or none of the choices, Copier says in words of its own.
    assert rule in str(refused.value) or question.choices or question.type == "yaml"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24])
@pytest.mark.parametrize("kind", ["service", "package"])
def test_hostile_descriptions_come_out_as_they_were_typed(kind: str, text: str) -> None:
    assert_holds({"kind": kind, "ci": ["cloud-build"], "description": text, "author_name": "Ada"})
