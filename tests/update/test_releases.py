"""Every released version of our template updates to the newest, over the main and the covering combinations."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from garscaffold.template import bundle
from garscaffold.template.render import Workshop
from garscaffold.template.repository import TemplateRepository
from garscaffold.update.journal import Journal
from garscaffold.update.planning import Update, choose_route, plan_update
from garscaffold.update.project import open_checkout
from tests.generated.combinations import covering_combinations, main_combinations, name_of
from tests.update.releases import commit, generated, offered, released_template, versions


@pytest.fixture(scope="module")
def repository() -> Iterator[TemplateRepository]:
    with released_template() as found:
        yield found


def projects(combinations: Iterable[Mapping[str, object]]) -> list[ParameterSet]:
    """Return every version with every one of the combinations of answers that it offers."""
    found: dict[str, ParameterSet] = {}
    wished = list(combinations)
    with released_template() as repository:
        workshop = Workshop(repository)
        for version in versions():
            questionnaire = workshop.questionnaire(repository.commit(version))
            assert questionnaire is not None
            for answers in wished:
                kept = offered(questionnaire, answers)
                if kept is not None:
                    name = f"{version}-{name_of(kept)}"
                    found[name] = pytest.param(version, kept, id=name)
    return list(found.values())


def planned(repository: TemplateRepository, project: Path) -> Update:
    with bundle.packaged_bundle() as packaged:
        released = {version: str(version) for version in bundle.versions(packaged)}
    checkout = open_checkout(project)
    route = choose_route(checkout.version, released, None)
    return plan_update(checkout, route, repository, Workshop(repository), given={}, ask=None, take_defaults=True)


@pytest.mark.parametrize(("version", "answers"), projects([*main_combinations(), *covering_combinations()]))
def test_without_edits_there_is_no_conflict(
    repository: TemplateRepository, tmp_path: Path, version: str, answers: Mapping[str, object]
) -> None:
    project = generated(repository, version, answers, tmp_path / "orders")
    update = planned(repository, project)
    assert update.conflicts == ()
    journal = Journal(project, open_checkout(project).work_tree)
    with journal.alone():
        journal.apply(update.changes, answers=update.answers, details={})
    commit(project)
    again = planned(repository, project)
    assert again.start == again.end == versions()[-1]
    assert again.is_empty


@pytest.mark.parametrize(("version", "answers"), projects(main_combinations()))
def test_a_teams_edits_stay(
    repository: TemplateRepository, tmp_path: Path, version: str, answers: Mapping[str, object]
) -> None:
    project = generated(repository, version, answers, tmp_path / "orders")
    files = [project / "README.md", *sorted((project / "src" / "orders").glob("*.py"))]
    files += sorted((project / "tests").glob("*.py"))
    ours = {path: f"{path.read_text()}\n\n# Ours, in {path.name}.\n" for path in files}
    for path, text in ours.items():
        path.write_text(text)
    (project / "Makefile").unlink()
    commit(project)
    update = planned(repository, project)
    journal = Journal(project, open_checkout(project).work_tree)
    with journal.alone():
        journal.apply(update.changes, answers=update.answers, details={})
    assert update.conflicts == ()
    assert len(ours) > 2
    for path in ours:
        assert path.read_text().endswith(f"\n# Ours, in {path.name}.\n")
    assert not (project / "Makefile").exists()
    assert f"_commit: {versions()[-1]}" in (project / ".copier-answers.yml").read_text()
