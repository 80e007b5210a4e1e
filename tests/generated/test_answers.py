"""Answers: what is wrong is refused by its rule, what is right comes out as it was typed."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from copier import run_copy, run_update

from garscaffold.template.config import NotPlainError
from tests.generated.conftest import ANSWERS, Generate, commit, files
from tests.generated.drawn import HOSTILE, described_in
from tests.generated.matrix import rendered

PROJECT_ID = "A project id has 6 to 30"
PROJECT_NAME = "A project name has at most 49"
REPOSITORY = "A repository id has at most 63"
LOCATION = "A location is a region"
REQUIREMENTS = "A requirement is a name"
DESCRIPTION = "A description is one line"


BUILDER = "builder@acme-prod.iam.gserviceaccount.com"


def wrong(question: str, *values: object) -> list[tuple[str, object]]:
    return [(question, value) for value in values]


WRONG: list[tuple[dict[str, object], str]] = [
    *(
        ({question: value}, PROJECT_NAME)
        for question, value in wrong(
            "project_name",
            "",
            "My-Service",
            "my_service",
            "-a",
            "a-",
            "a--b",
            "1a",
            "a b",
            "a\n",
            "ä",
            "a" * 50,
            "../a",
        )
    ),
    ({"project_name": "fastapi"}, "name of a distribution that the project installs"),
    *(
        ({question: value}, "A module name has at most 49")
        for question, value in wrong("module_name", "", "my-service", "1a", "A", "a.b", "a\n", "_a", "a" * 50)
    ),
    *(
        ({question: value}, "is a keyword of Python")
        for question, value in wrong("module_name", "class", "async", "match")
    ),
    *(
        ({question: value}, "standard library")
        for question, value in wrong("module_name", "json", "asyncio", "distutils", "tomllib")
    ),
    *(
        ({question: value}, "would hide a module")
        for question, value in wrong("module_name", "tests", "test", "fastapi", "gunicorn", "google")
    ),
    *(
        ({question: value}, DESCRIPTION)
        for question, value in wrong(
            "description",
            "two\nlines",
            "two\rlines",
            "tab\there",
            "nul\0",
            "bell\a",
            "next\u0085line",
            "line\u2028separator",
            "paragraph\u2029separator",
            "bidi\u202eoverride",
            "isolate\u2066",
            "bom\ufeff",
            "delete\x7f",
        )
    ),
    *(
        ({question: value}, "A description has 1 to 512")
        for question, value in wrong("description", "", " ", " a", "a ", "x" * 513)
    ),
    *(
        ({question: value}, "An author's name")
        for question, value in wrong(
            "author_name", "", "Ada <ada@example.com>", "Ada\n", "a/b", "a;b", " Ada", "{{ a }}"
        )
    ),
    *(
        ({question: value}, "An email address is")
        for question, value in wrong(
            "author_email",
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            'a"@example.com',
            "ada@example.com\n",
        )
    ),
    *(
        ({question: value}, PROJECT_ID)
        for question, value in wrong(
            "gcp_project",
            "",
            "short",
            "1project",
            "Project",
            "my_project",
            "project-",
            "a" * 31,
            "project\n",
            "my project",
        )
    ),
    *(
        ({question: value}, LOCATION)
        for question, value in wrong(
            "location", "", "US", "europe-west", "eu", "us-central1-a", "europe-west1\n", "../x"
        )
    ),
    *(
        ({question: value}, REPOSITORY)
        for key in ("python_repository", "python_index", "docker_repository")
        for question, value in wrong(key, "", "1a", "a-", "A", "a_b", "a/b", "a" * 64, "a\n")
    ),
    *(
        ({question: value}, "A source name has lower-case letters")
        for question, value in wrong("source_name", "", "gar1", "gar_private", "GAR", "-gar", "gar--x", "gar\n")
    ),
    ({"source_name": "pypi"}, "means the public index"),
    *(
        ({question: value}, REQUIREMENTS)
        for question, value in wrong(
            "private_packages",
            ["acme lib"],
            ["acme @ https://example.com/a.whl"],
            ["acme>=1\n"],
            ["acme; os_name"],
            ["acme=1"],
            ["acme>=1.*"],
            ["-r other.txt"],
            ["acme[x"],
            [""],
            [1],
            ["acme>=1,"],
            ["../acme"],
        )
    ),
    *(
        ({question: value}, "Private packages are a list")
        for question, value in wrong("private_packages", "acme", {"acme": 1})
    ),
    ({"private_packages": ["acme-lib>=1", "Acme_Lib"]}, "acme-lib is in the list twice"),
    ({"private_packages": ["my.service"]}, "it cannot need itself"),
    ({"private_packages": ["FastAPI"]}, "is a public package"),
    *(
        ({question: value}, "A service account is an email")
        for question, value in wrong(
            "build_service_account",
            "builder",
            "builder@example.com",
            "a@b.iam.gserviceaccount.com.evil.com",
            "a@b.iam.gserviceaccount.com\n",
        )
    ),
    *(
        ({"ci": ["gitlab"], "build_service_account": BUILDER, question: value}, "such as tester@my-project")
        for question, value in wrong("test_service_account", "tester", "a@b.iam.gserviceaccount.com\n")
    ),
    ({"python_version": "3.10"}, "3.10"),
    ({"framework": "django"}, "django"),
    ({"kind": "monolith"}, "monolith"),
]
# One answer for each rule.
ONE_EACH = list({rule: (answers, rule) for answers, rule in WRONG}.values())


@pytest.mark.parametrize(("answers", "rule"), WRONG, ids=repr)
def test_a_wrong_answer_is_refused_by_its_rule(answers: dict[str, object], rule: str) -> None:
    with pytest.raises(NotPlainError, match=rule):
        rendered({"kind": "service", **answers})


@pytest.mark.parametrize(("answers", "rule"), ONE_EACH, ids=repr)
def test_copier_refuses_it_by_the_same_rule(
    generate: Generate, tmp_path: Path, answers: dict[str, object], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        generate(tmp_path / "project", **{"kind": "service", **answers})
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    "answers",
    [
        {"project_name": "a" * 49},
        {"location": "northamerica-northeast1"},
        {"location": "asia"},
        {"python_repository": "a" * 63},
        {"author_name": 'Ada "Countess" O\'Brien & (Sons), 1:1 élève'},
        {"private_packages": ["a", "b[c, d]==1.*", "e.f_g-h>=1!2.0rc1.post2.dev3, <3", "i~=1.4", "j!=2 ,<4"]},
        {"private_packages": None},
        {"build_service_account": "123-compute@developer.gserviceaccount.com"},
        {"ci": []},
    ],
    ids=repr,
)
def test_a_right_answer_is_taken(answers: dict[str, object]) -> None:
    content = tomllib.loads(rendered(answers)["pyproject.toml"].data.decode())
    assert content["project"]["authors"][0]["name"] == answers.get("author_name", ANSWERS["author_name"])


def test_the_standard_library_of_this_python_is_known(template: Path) -> None:
    questions = yaml.safe_load((template / "copier.yml").read_text())
    listed = set(questions["standard_modules"]["default"].split())
    possible = {name for name in sys.stdlib_module_names if name.islower() and name[0] != "_"}
    assert possible <= listed


@pytest.mark.parametrize("text", [" ".join(HOSTILE[:10]), " ".join(HOSTILE[10:20])], ids=["first", "second"])
def test_free_text_survives_updates(generate: Generate, template: Path, tmp_path: Path, text: str) -> None:
    project = generate(tmp_path / "project", description=text)
    commit(project)
    run_update(project, defaults=True, overwrite=True, quiet=True, data={"location": "europe-west1"})
    assert_says(project, text)
    assert "europe-west1" in (project / "pyproject.toml").read_text()
    run_copy(str(template), tmp_path / "again", data=answers_of(project), defaults=True, quiet=True)
    assert_says(tmp_path / "again", text)


def test_an_update_leaves_what_was_locked_alone(generate: Generate, tmp_path: Path) -> None:
    project = generate(tmp_path / "project", kind="service")
    (project / "requirements.txt").write_text("fastapi==0.165.0 --hash=sha256:00\n")
    commit(project)
    run_update(project, defaults=True, overwrite=True, quiet=True, data={"framework": "flask"})
    assert (project / "requirements.txt").read_text() == "fastapi==0.165.0 --hash=sha256:00\n"
    assert "flask" in (project / "pyproject.toml").read_text()


def test_answers_are_recorded_with_nothing_that_was_not_asked(generate: Generate, tmp_path: Path) -> None:
    recorded = answers_of(generate(tmp_path / "package", kind="package"))
    assert recorded["kind"] == "package"
    service_only = {"framework", "image_install", "docker_repository", "deploy", "wif_provider"}
    computed = {"service", "package", "fastapi", "standard_modules", "keywords", "reserved_modules", "cloud_build"}
    assert not set(recorded) & (service_only | computed)


def answers_of(project: Path) -> dict[str, object]:
    recorded = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return {name: value for name, value in recorded.items() if not name.startswith("_")}


def assert_says(project: Path, text: str) -> None:
    """Assert that every place of a project's description holds exactly this text, and that all its files parse."""
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"] == text
    assert answers_of(project)["description"] == text
    assert described_in((project / "README.md").read_text()) == text
    for path in files(project):
        if path.suffix == ".py":
            ast.parse(path.read_text())
