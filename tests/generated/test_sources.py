"""What `tools/check_sources.py` says about definitions and locks. Managers and indexes are in test_confusion.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.generated.matrix import rendered

pytestmark = pytest.mark.generated

PRIVATE, PUBLIC = "https://us-central1-python.pkg.dev/acme-prod/python/simple/", "https://mirror.example.com/simple"


def check(folder: Path, manager: str, definition: str, lock: str = "", *options: str) -> str:
    """Return what a manager's check says about a project."""
    (folder / "tools").mkdir(exist_ok=True)
    script = "tools/check_sources.py"
    (folder / script).write_bytes(rendered({"package_manager": manager})[script].data)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "orders"\nversion = "1"\n{definition}')
    if lock:
        (folder / f"{manager}.lock").write_text(lock)
    command = [sys.executable, script, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == int(bool(done.stderr))
    return done.stderr


POETRY = f"""
[tool.poetry]
requires-poetry = ">=2.2"
[[tool.poetry.source]]
name = "gar-private"
url = "{PRIVATE}"
priority = "explicit"
[tool.poetry.dependencies]
acme-core = {{ source = "gar-private" }}
"""
UV = f"""
[tool.uv]
[[tool.uv.index]]
name = "gar-private"
url = "{PRIVATE}"
explicit = true
[tool.uv.sources]
acme-core = {{ index = "gar-private" }}
"""
DEFINITIONS = {"poetry": POETRY, "uv": UV}
LISTED = [
    'dependencies = ["acme-core"]',
    "dependencies = [\"Acme_Core[http]>=1,<2; python_version >= '3'\"]",
    'dependencies = ["flask"]\n[project.optional-dependencies]\nhttp = ["acme.core~=1.4"]',
]
NOT_LISTED = [
    "",
    'dependencies = ["acme-core-models", "acme"]',
    'dependencies = ["flask"]\n[project.optional-dependencies]\nacme-core = ["flask"]',
]


@pytest.mark.parametrize("manager", DEFINITIONS)
@pytest.mark.parametrize("lists", LISTED)
def test_what_the_project_depends_on_is_tied(manager: str, lists: str, tmp_path: Path) -> None:
    assert check(tmp_path, manager, lists + DEFINITIONS[manager]) == ""


@pytest.mark.parametrize(
    ("manager", "mend"), [("poetry", "poetry add --source gar-private acme-core@latest"), ("uv", "uv add acme-core")]
)
@pytest.mark.parametrize("lists", NOT_LISTED)
def test_what_merely_another_package_needs_is_not(manager: str, mend: str, lists: str, tmp_path: Path) -> None:
    said = check(tmp_path, manager, lists + DEFINITIONS[manager])
    assert said.startswith("acme-core names its source in [tool.")
    assert said.endswith(f"    {mend}\n")


GROUPS = """
dependencies = ["flask"]
[dependency-groups]
test = ["acme-core"]
dev = ["ruff", {include-group = "test"}]
"""


def test_a_group_of_uv_is_a_list_of_the_project(tmp_path: Path) -> None:
    assert check(tmp_path, "uv", GROUPS + UV) == ""


def test_a_group_of_poetry_has_a_table_of_its_own(tmp_path: Path) -> None:
    """Poetry heeds a source only in the group that names it."""
    assert "[tool.poetry.dependencies]" in check(tmp_path, "poetry", GROUPS + POETRY)
    own = POETRY.replace("[tool.poetry.dependencies]", "[tool.poetry.group.test.dependencies]")
    assert check(tmp_path, "poetry", GROUPS + own) == ""
    other = POETRY.replace("[tool.poetry.dependencies]", "[tool.poetry.group.dev.dependencies]")
    assert "poetry add --group dev --source gar-private acme-core" in check(tmp_path, "poetry", GROUPS + other)


def test_poetrys_older_tables_are_lists_themselves(tmp_path: Path) -> None:
    older = POETRY.replace('{ source = "gar-private" }', '[{ version = "^1", source = "gar-private" }, "^2"]')
    assert check(tmp_path, "poetry", older) == ""
    # One list is enough for Poetry to see no other.
    assert "acme-core names its source" in check(tmp_path, "poetry", 'dependencies = ["flask"]' + older)


def test_what_names_no_source_is_not_asked_about(tmp_path: Path) -> None:
    others = 'python = ">=3.11"\nacme-other = { git = "https://example.com/other.git" }\n'
    assert check(tmp_path, "poetry", LISTED[0] + POETRY + others) == ""
    others = 'acme-other = { git = "https://example.com/other.git" }\nthird = [{ path = "../third" }]\n'
    assert check(tmp_path, "uv", LISTED[0] + UV + others) == ""


def poetry_lock(url: str) -> str:
    source = f'[package.source]\ntype = "legacy"\nurl = "{url}"\nreference = "gar-private"\n' if url else ""
    return f'[[package]]\nname = "acme-core"\nversion = "9.0"\n{source}[[package]]\nname = "flask"\nversion = "3.1"\n'


def uv_lock(url: str) -> str:
    packages = [("acme-core", "9.0", url or PUBLIC), ("flask", "3.1", PUBLIC)]
    lines = [f'[[package]]\nname = "{n}"\nversion = "{v}"\nsource = {{ registry = "{u}" }}\n' for n, v, u in packages]
    return "".join(lines) + '[[package]]\nname = "orders"\nsource = { editable = "." }\n'


LOCKS = {"poetry": poetry_lock, "uv": uv_lock}


@pytest.mark.parametrize("manager", DEFINITIONS)
def test_a_lock_that_takes_a_private_name_from_elsewhere_is_refused(manager: str, tmp_path: Path) -> None:
    definition = LISTED[0] + DEFINITIONS[manager]
    for url in (PRIVATE, PRIVATE.rstrip("/")):
        assert check(tmp_path, manager, definition, LOCKS[manager](url)) == ""
    for url in ("", PRIVATE.replace("python/simple", "other/simple")):
        said = check(tmp_path, manager, definition, LOCKS[manager](url))
        assert said.startswith("acme-core 9.0 is locked from ")
        assert said.endswith("and not from its source. Lock again:\n    make lock\n")
        assert "flask" not in said
        # What is about to be locked again is not in the way of that.
        assert check(tmp_path, manager, definition, "", "--declared") == ""
