"""Projects in memory, rendered from the working tree's template as the program renders them."""

from functools import cache
from typing import Any

import yaml

from garscaffold.template.plain import PlainTemplate, Wish
from garscaffold.template.render import read_file, read_folder
from garscaffold.tree import Tree
from tests.generated.combinations import ROOT, Answers
from tests.generated.conftest import ANSWERS

ANSWERS_FILE = ".copier-answers.yml"
# A released version's address, which is the same on every machine.
RECORDED = {"_commit": "1.0.0", "_src_path": "~/.local/share/garscaffold/template.bundle"}


@cache
def working_tree() -> PlainTemplate:
    """Return the working tree's template, compiled."""
    files = {f"template/{name}": file for name, file in read_folder(ROOT / "template").items()}
    return PlainTemplate({"copier.yml": read_file(ROOT / "copier.yml"), **files})


def rendered(answers: Answers) -> Tree:
    """Return a project's files; answers that are not given have their defaults."""
    return working_tree().render(Wish({**ANSWERS, **answers}, {}, RECORDED)).files


def recorded(project: Tree) -> dict[str, Any]:
    """Return the answers that a project records."""
    answers = yaml.safe_load(project[ANSWERS_FILE].data)
    return {name: value for name, value in answers.items() if not name.startswith("_")}
