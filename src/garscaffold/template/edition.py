"""One version of a template, open, with its questions: what a new project is made from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from garscaffold.errors import GarscaffoldError
from garscaffold.template import bundle
from garscaffold.template.plain import Rendering, Wish
from garscaffold.template.questions import Questionnaire
from garscaffold.template.releases import newest_of, version_tags
from garscaffold.template.render import Workshop, refuse_code
from garscaffold.template.repository import location_of, opened


@dataclass(frozen=True)
class Edition:
    """A version of an open template.

    Args:
        workshop: Renders the template.
        source: What projects record as their template.
        version: What they record as its version.
        commit: The version's commit.
        questionnaire: Its questions.
    """

    workshop: Workshop
    source: str
    version: str
    commit: str
    questionnaire: Questionnaire

    def render(self, answers: Mapping[str, Any]) -> Rendering:
        """Render a project in memory.

        Args:
            answers: Every answer; no question is asked.

        Raises:
            GarscaffoldError: The template cannot be rendered with these answers.
        """
        metadata = {"_commit": self.version, "_src_path": self.source}
        return self.workshop.render(self.commit, Wish(answers, {}, metadata))


@contextmanager
def carried_edition(questionnaire: Questionnaire) -> Iterator[Edition]:
    """Open the newest version that garscaffold carries.

    Args:
        questionnaire: Its questions, which lie beside it.
    """
    with bundle.packaged_bundle() as packaged, opened(str(packaged)) as repository:
        version = str(bundle.newest(packaged))
        yield Edition(Workshop(repository), bundle.SOURCE, version, repository.commit(version), questionnaire)


@contextmanager
def newest_edition(source: str) -> Iterator[Edition]:
    """Open the newest release of a template.

    Args:
        source: What projects record as their template.

    Raises:
        GarscaffoldError: It cannot be read, has no release, runs code, or asks in a way that only Copier knows.
    """
    with opened(location_of(source)) as repository:
        newest = newest_of(version_tags(repository))
        if newest is None:
            raise GarscaffoldError(
                f"The template at {repository.location} has no released version, only pre-releases.",
                mend="Tag one there, such as 1.0.0.",
            )
        commit = repository.commit(newest.tag)
        refuse_code(repository, commit, instead=f"copier copy --trust {source} FOLDER")
        workshop = Workshop(repository)
        questionnaire = workshop.questionnaire(commit)
        if questionnaire is None:
            raise GarscaffoldError(
                f"The questions of the template at {source} are not in one plain copier.yml, which only Copier reads.",
                mend=f"copier copy {source} FOLDER",
            )
        yield Edition(workshop, source, repository.describe(commit), commit, questionnaire)
