"""Every distinct pyproject.toml of the matrix, as the program understands it that it is written for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.generated.conftest import Toolbox
from tests.generated.indexes import indexes, pyproject
from tests.generated.matrix import Project, texts, write
from tests.generated.pythons import RUNNING_PYTHON, pythons
from tests.sandbox.conftest import make_wheel

pytestmark = [pytest.mark.generated, pytest.mark.clients]

CHECK = Path(__file__).with_name("poetry_check.py")


def definitions(manager: str) -> list[tuple[Project, str, str]]:
    """Return the files that a manager has a table in."""
    return [found for found in texts("pyproject.toml") if manager in pyproject(found[2])["tool"]]


def write_beside_readme(folder: Path, found: list[tuple[Project, str, str]]) -> list[Path]:
    """Write definitions, each in a folder of its own with the README that it names; return the folders."""
    folders = [path.parent for path in write(folder, found)]
    for path, (project, _, _) in zip(folders, found, strict=True):
        (path / "README.md").write_text(project.files["README.md"])
    return folders


def test_poetry_has_nothing_to_say_about_any(toolbox: Toolbox, tmp_path: Path) -> None:
    found = definitions("poetry")
    assert len(found) > 30
    folders = write_beside_readme(tmp_path, found)
    said = toolbox.run(toolbox.poetry.with_name("python"), CHECK, *folders, cwd=tmp_path).stdout
    assert said == "".join(f"{folder}\nAll set!\n" for folder in folders)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('priority = "explicit"', 'priority = "secondary"', "priority"),
        ('source = "gar-private"', 'source = "gar-privat"', "Invalid source"),
        ("classifiers = [", "classifiers = ['Nonsense', ", "Unrecognized classifiers"),
    ],
)
def test_poetry_sees_a_fault(toolbox: Toolbox, tmp_path: Path, right: str, wrong: str, said: str) -> None:
    """In the middle of others that are right."""
    found = definitions("poetry")
    number = next(number for number, (_, _, text) in enumerate(found) if right in text)
    project, name, text = found[number]
    chosen = [found[number - 1], (project, name, text.replace(right, wrong, 1)), found[number - 2]]
    folders = write_beside_readme(tmp_path, chosen)
    done = toolbox.run(toolbox.poetry.with_name("python"), CHECK, *folders, cwd=tmp_path, status=1).stdout
    assert said in done
    assert done.count("All set!\n") == 2


def places(found: Iterable[tuple[Project, str, str]]) -> dict[str, tuple[set[str], set[str]]]:
    """Return the repositories that definitions name: those that packages are tied to, and the others, by location."""
    named: dict[str, tuple[set[str], set[str]]] = {}
    for project, _, _ in found:
        for number, urls in enumerate((indexes(project).tied.values(), [indexes(project).others])):
            for host, _, name in (url.split("/")[2:5] for url in urls if url):
                named.setdefault(host.removesuffix("-python.pkg.dev"), (set(), set()))[number].add(name)
    return named


@pytest.fixture(scope="module")
def locking(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The variables that reach every index which any definition for uv names, with the private packages in it."""
    folder = tmp_path_factory.mktemp("packages")
    wheels = [
        make_wheel(folder, "acme-greetings", "0.1.0"),
        make_wheel(folder, "acme-models", "1.4.2", requires=['idna>=3; extra == "http"'], extras=["http"]),
    ]
    found = definitions("uv")
    newest = max(str(project.answers.get("python_version", RUNNING_PYTHON)) for project, _, _ in found)
    if newest not in pythons():
        pytest.skip(f"no Python {newest} here")
    python = {"UV_PYTHON": str(pythons()[newest]), "UV_PYTHON_DOWNLOADS": "never"}
    with Sandbox.start(tmp_path_factory.mktemp("state")) as sandbox:
        publisher = {"UV_PUBLISH_USERNAME": "oauth2accesstoken", "UV_PUBLISH_PASSWORD": sandbox.token("writer")}
        variables = {**sandbox.environment("anonymous"), **publisher}
        for place, (own, others) in places(found).items():
            sandbox.create_python_repository("acme-prod", place, "public", mode="remote")
            sandbox.create_python_repository("acme-prod", place, "private")
            upload = f"https://{place}-python.pkg.dev/acme-prod/private/"
            toolbox.run("uv", "publish", "--publish-url", upload, *wheels, cwd=folder, variables=variables)
            for name in sorted(own | others):
                upstreams = [*(["private"] if name in own else []), *(["public"] if name in others else [])]
                sandbox.create_python_repository("acme-prod", place, name, mode="virtual", upstreams=upstreams)
        # As in a pipeline. To ask the keyring takes longer than to lock.
        given = {"USERNAME": "oauth2accesstoken", "PASSWORD": sandbox.token("reader")}
        names = {index["name"] for _, _, text in found for index in pyproject(text)["tool"]["uv"]["index"]}
        login = {
            f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}_{key}": value
            for name in names
            for key, value in given.items()
        }
        login["UV_KEYRING_PROVIDER"] = "disabled"
        yield {**sandbox.environment("anonymous"), **login, **python, "UV_CACHE_DIR": str(folder / "cache")}


def test_uv_locks_every_one_and_finds_the_lock_right(
    toolbox: Toolbox, locking: Mapping[str, str], tmp_path: Path
) -> None:
    found = definitions("uv")
    assert len(found) > 30
    assert {"us-central1", "europe"} <= set(places(found))
    folders = write_beside_readme(tmp_path, found)
    for folder in folders:
        toolbox.run("uv", "lock", "--quiet", cwd=folder, variables=locking)
        toolbox.run("uv", "lock", "--check", "--quiet", cwd=folder, variables=locking)
    # A bound that the lock does not know.
    definition = folders[0] / "pyproject.toml"
    text = definition.read_text()
    older = re.sub(r"pytest>=[\d.]+", "pytest>=1.0", text)
    assert older != text
    definition.write_text(older)
    said = toolbox.run("uv", "lock", "--check", cwd=folders[0], status=1, variables=locking).stdout
    assert "needs to be updated" in said
