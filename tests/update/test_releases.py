"""Every released version of our template updates to the newest, over the main and the covering combinations."""

from collections.abc import Iterator, Mapping
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


def projects() -> list[ParameterSet]:
    """Return every version with every combination of answers that it offers."""
    found: dict[str, ParameterSet] = {}
    with released_template() as repository:
        workshop = Workshop(repository)
        for version in versions():
            questionnaire = workshop.questionnaire(repository.commit(version))
            assert questionnaire is not None
            for answers in (*main_combinations(), *covering_combinations()):
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


@pytest.mark.parametrize(("version", "answers"), projects())
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


@pytest.mark.parametrize("version", versions())
def test_a_teams_edits_stay(repository: TemplateRepository, tmp_path: Path, version: str) -> None:
    project = generated(repository, version, {"kind": "service"}, tmp_path / "orders")
    readme, settings = project / "README.md", project / "src" / "orders" / "settings.py"
    readme.write_text(f"{readme.read_text()}\n## Our own section\n\nOur own words.\n")
    settings.write_text(f"{settings.read_text()}\n\nOURS = 1\n")
    (project / "Makefile").unlink()
    commit(project)
    update = planned(repository, project)
    journal = Journal(project, open_checkout(project).work_tree)
    with journal.alone():
        journal.apply(update.changes, answers=update.answers, details={})
    assert update.conflicts == ()
    assert "Our own words." in readme.read_text()
    assert settings.read_text().endswith("OURS = 1\n")
    assert not (project / "Makefile").exists()
