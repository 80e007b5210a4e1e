"""Every combination's project in memory, rendered from the working tree's template as the program renders it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from garscaffold.template.plain import PlainTemplate, Wish
from garscaffold.template.render import read_file, read_folder
from garscaffold.tree import Tree
from tests.generated.combinations import (
    KEYLESS,
    ROOT,
    Answers,
    covering_combinations,
    every_combination,
    name_of,
    unusual_combinations,
)
from tests.generated.conftest import ANSWERS

ANSWERS_FILE = ".copier-answers.yml"
# A released version's address, which is the same on every machine.
RECORDED = {"_commit": "1.0.0", "_src_path": "~/.local/share/garscaffold/template.bundle"}


@dataclass(frozen=True)
class Project:
    """A generated project: the answers that were given, and the text of each file by its path."""

    answers: Mapping[str, Any]
    files: Mapping[str, str]

    def __str__(self) -> str:
        """Return a name for the combination that can be part of a path."""
        plain = {key: value for key, value in self.answers.items() if value and key not in KEYLESS}
        if "private_packages" in plain:
            plain["private_packages"] = "private"
        return re.sub(r"[^\w.+-]+", "_", name_of(plain))[:120]


@cache
def working_tree() -> PlainTemplate:
    """Return the working tree's template, compiled."""
    files = {f"template/{name}": file for name, file in read_folder(ROOT / "template").items()}
    return PlainTemplate({"copier.yml": read_file(ROOT / "copier.yml"), **files})


def rendered(answers: Answers) -> Tree:
    """Return a project's files; answers that are not given have their defaults."""
    return working_tree().render(Wish({**ANSWERS, **answers}, {}, RECORDED)).files


@cache
def matrix() -> tuple[Project, ...]:
    """Return the full matrix, the covering set and the unusual answers."""
    known: dict[bytes, str] = {}
    projects = []
    for answers in (*every_combination(), *covering_combinations(), *unusual_combinations()):
        # Most texts occur in many projects: each is kept once.
        files = {name: known.setdefault(file.data, file.data.decode()) for name, file in rendered(answers).items()}
        projects.append(Project(answers, files))
    return tuple(projects)


def texts(*patterns: str, projects: Iterable[Project] | None = None) -> Iterator[tuple[Project, str, str]]:
    """Yield each distinct file that matches a pattern: the first project that holds it, its path and its text.

    Args:
        patterns: Of paths, compared from the right as `PurePath.match` does.
        projects: Where to look; all, where none are given.
    """
    seen = set()
    for project in matrix() if projects is None else projects:
        for name, text in project.files.items():
            if (name, text) not in seen and any(PurePosixPath(name).match(pattern) for pattern in patterns):
                seen.add((name, text))
                yield project, name, text


def write(folder: Path, found: Iterable[tuple[Project, str, str]]) -> list[Path]:
    """Write files for a program to read, each in a folder that says from which combination it is."""
    paths = []
    for number, (project, name, text) in enumerate(found):
        path = folder / f"{number}-{project}" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        paths.append(path)
    return paths


def recorded(project: Tree) -> dict[str, Any]:
    """Return the answers that a project records."""
    answers = yaml.safe_load(project[ANSWERS_FILE].data)
    return {name: value for name, value in answers.items() if not name.startswith("_")}
