"""What each start of the program may load, and that imports point one way."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEAVY = {
    "copier",
    "google",
    "grpc",
    "jinja2",
    "plumbum",
    "prompt_toolkit",
    "pydantic",
    "questionary",
    "requests",
    "rich",
    "tomlkit",
    "yaml",
}


def loaded_by(*arguments: str, completing: str = "") -> set[str]:
    program = (
        "import sys, os; from garscaffold.cli import run; status = run(sys.argv[1:]);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    if completing:
        environment |= {
            "_GARSCAFFOLD_COMPLETE": "bash_complete",
            "COMP_WORDS": completing,
            "COMP_CWORD": str(len(completing.split())),
        }
        program = (
            "import sys\nfrom garscaffold.cli import run\ntry:\n    run([])\nexcept SystemExit:\n    pass\n"
            "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
        )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("argument", ["--help", "--version", "-h"])
def test_help_and_version_load_nothing_heavy(argument: str) -> None:
    assert not loaded_by(argument) & HEAVY


def test_completion_of_commands_loads_nothing_heavy() -> None:
    loaded = loaded_by(completing="garscaffold n")
    assert "click" in loaded
    assert not loaded & HEAVY


def test_every_package_that_is_imported_is_declared() -> None:
    source = Path(__file__).parent.parent
    declared = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    requirements = [*declared["dependencies"], *declared["optional-dependencies"]["sandbox"]]
    names = {canonicalize_name(Requirement(each).name) for each in requirements}
    distributions = packages_distributions()
    imported: set[str] = set()
    for file in (source / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.partition(".")[0])
    for module in imported - sys.stdlib_module_names - {"garscaffold"}:
        providers = {canonicalize_name(name) for name in distributions.get(module, [])}
        assert providers & names, module
