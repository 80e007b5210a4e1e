"""What projects get is in the repository, so that a reviewer sees what a change of the template does to them.

Of each main combination a listing tells which files a change reaches. Of a few, the files that carry authentication are
there in full, each kind of file once: in these the change can be read.
`UPDATE_GOLDEN=1 pytest tests/generated/test_golden.py` writes all of them anew.
"""

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from tests.generated.combinations import KEYLESS, Answers, main_combinations, name_of
from tests.generated.conftest import Generate

MODULE = "tests/generated/test_golden.py"
LISTINGS = Path(__file__).parent / "golden"
# Where none is given, so that the listing is the same on every Python.
PYTHON = {"python_version": "3.13"}
# No Python source: this repository's own checks would take it for theirs.
IN_FULL: Mapping[str, Collection[str]] = {
    "package": ("cloudbuild.yaml", "pyproject.toml"),
    "service-flask-virtual-cloud-run-europe": (
        *("Dockerfile", "cloud-run.yaml", "cloudbuild.yaml", "compose.yaml", "docker/with-credentials.sh"),
        *("pyproject.toml", "renovate.json"),
    ),
    "service-private-github-cloud-run": (".github/workflows/ci.yml", "pyproject.toml"),
    "service-uv-gitlab-private": (
        *(".devcontainer/devcontainer.json", ".devcontainer/install.sh", ".gitlab-ci.yml", "Dockerfile"),
        *("docker/with-credentials.sh", "pyproject.toml"),
    ),
    "service-pip-3.11-private-circleci": (
        *(".circleci/config.yml", "Dockerfile", "docker/with-credentials.sh", "pyproject.toml"),
    ),
    "service-pip-workspace-virtual": ("Dockerfile", "compose.yaml", "docker/install.sh"),
}


def golden_name(answers: Answers) -> str:
    plain = {key: "private" if key == "private_packages" else value for key, value in answers.items() if value != []}
    for name in ("circleci_image", *KEYLESS):
        plain.pop(name, None)
    plain |= {"devcontainer": "no-devcontainer"} if plain.get("devcontainer") is False else {}
    return name_of(plain) + ("-no-ci" if answers.get("ci") == [] else "")


def listing(project: Path) -> str:
    """Return one line a file: whether it can be run, its lines, a digest of its content, its name."""
    lines = []
    for path in sorted(project.rglob("*"), key=lambda each: each.relative_to(project).as_posix()):
        if path.is_file():
            content = path.read_bytes()
            # The answers file knows the version that this project was rendered from, which is none here.
            digest = "-" * 12 if path.name == ".copier-answers.yml" else hashlib.sha256(content).hexdigest()[:12]
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            count = content.count(b"\n")
            lines.append(f"{mode} {count:4} {digest} {path.relative_to(project).as_posix()}\n")
    return "".join(lines)


def golden(name: str, project: Path) -> dict[str, str]:
    """Return what is kept of a project, by its place below the folder of all."""
    kept = {f"{name}.txt": listing(project)}
    return kept | {f"{name}/{file}": (project / file).read_text() for file in IN_FULL.get(name, ())}


@pytest.mark.parametrize("answers", [pytest.param(each, id=golden_name(each)) for each in main_combinations()])
def test_what_is_kept_is_what_is_generated(generate: Generate, tmp_path: Path, answers: Answers) -> None:
    for place, text in golden(golden_name(answers), generate(tmp_path / "project", **{**PYTHON, **answers})).items():
        path = LISTINGS / place
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.read_text() == text, f"{place} is not what is generated: UPDATE_GOLDEN=1 pytest {MODULE}"


def test_nothing_is_left_over() -> None:
    names = [golden_name(answers) for answers in main_combinations()]
    assert len(set(names)) == len(names)
    assert set(IN_FULL) <= set(names)
    kept = {f"{name}.txt" for name in names} | {f"{name}/{file}" for name, files in IN_FULL.items() for file in files}
    assert {path.relative_to(LISTINGS).as_posix() for path in LISTINGS.rglob("*") if path.is_file()} == kept
