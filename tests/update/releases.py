"""Projects made from the released versions of our template."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from garscaffold.template import bundle
from garscaffold.template.plain import Wish
from garscaffold.template.questions import Questionnaire
from garscaffold.template.render import Workshop, write_tree
from garscaffold.template.repository import TemplateRepository, opened
from tests.update.templates import git

GIVEN = {
    "gcp_project": "acme-prod",
    "author_name": "Ada Lovelace",
    "author_email": "ada@example.com",
    "project_name": "orders",
}


@contextmanager
def released_template() -> Iterator[TemplateRepository]:
    """Open the template that the program carries."""
    with bundle.packaged_bundle() as packaged, opened(str(packaged)) as found:
        yield found


def versions() -> list[str]:
    """Return its released versions, oldest first."""
    with bundle.packaged_bundle() as packaged:
        return [str(version) for version in bundle.versions(packaged)]


def offered(questionnaire: Questionnaire, answers: Mapping[str, object]) -> dict[str, object] | None:
    """Return those answers to which a version has a question; None where it does not offer one of them."""
    kept: dict[str, object] = {}
    for question in questionnaire.questions:
        if question.name not in answers:
            continue
        answer = answers[question.name]
        choices = question.choices.values() if isinstance(question.choices, dict) else question.choices
        if choices and not set(answer if isinstance(answer, list) else [answer]) <= set(choices):
            return None
        kept[question.name] = answer
    return kept


def generated(repository: TemplateRepository, version: str, answers: Mapping[str, object], folder: Path) -> Path:
    """Make a project from a version, as a repository with one commit."""
    metadata = {"_commit": version, "_src_path": bundle.SOURCE}
    wish = Wish({**GIVEN, **answers}, {}, metadata)
    rendering = Workshop(repository).render(repository.commit(version), wish)
    write_tree(rendering.files, folder)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    """Commit everything in a folder."""
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=state")
