"""The templates that an update reads: the one it goes to, and the one that a project moves away from."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from packaging.version import Version

from garscaffold.errors import GarscaffoldError
from garscaffold.plan import Step
from garscaffold.template import bundle
from garscaffold.template.render import Workshop
from garscaffold.template.repository import location_of, opened, released_versions, version_of
from garscaffold.update.project import Recorded


@contextmanager
def template_at(source: str) -> Iterator[tuple[str, Step | None]]:
    """Give where a template is read from, with the step that first puts our own into place, where that lacks."""
    install = bundle.install_step(Path.home()) if source == bundle.SOURCE else None
    if install is None:
        yield location_of(source), None
        return
    with bundle.packaged_bundle() as packaged:
        yield str(packaged), install


@contextmanager
def former_template(
    project: Recorded, workshop: Workshop, versions: Mapping[Version, str], warn: Callable[[str], None]
) -> Iterator[tuple[Workshop, Mapping[Version, str]]]:
    """Give what renders the template that a project moves away from, and its versions.

    Templates move to another host. So where the old address cannot be read any more, a version of the same name in the
    new template stands for the project's.

    Args:
        project: The project.
        workshop: Renders the template that it moves to.
        versions: The versions of that one.
        warn: Tells a person that the old one could not be read.

    Raises:
        GarscaffoldError: Neither has the project's version.
    """
    with ExitStack() as stack:
        try:
            location, _ = stack.enter_context(template_at(project.source))
            former = Workshop(stack.enter_context(opened(location)))
            former.repository.commit(project.version)
            found: tuple[Workshop, Mapping[Version, str]] = former, released_versions(str(former.repository.folder))
        except GarscaffoldError as error:
            if version_of(project.version) not in versions:
                raise
            warn(f"{error.sentence} So the new template's {project.version} is taken for what you have.")
            found = workshop, versions
        yield found
