"""Copier: the only module that imports it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from garscaffold.errors import GarscaffoldError

ANSWERS_FILE = ".copier-answers.yml"


def render(template: Path, version: str, answers: Mapping[str, Any], destination: Path, *, source: str) -> None:
    """Write a project.

    Args:
        template: A git repository or bundle that holds the template.
        version: The tag to render.
        answers: Every answer; no question is asked.
        destination: An empty or missing folder.
        source: What the project records as its template, which is where later updates come from.

    Raises:
        GarscaffoldError: The template cannot be rendered with these answers.
    """
    import copier
    from copier.errors import CopierError
    from jinja2 import TemplateError

    try:
        copier.run_copy(
            str(template),
            destination,
            data=dict(answers),
            vcs_ref=version,
            settings=copier.Settings(),
            defaults=True,
            overwrite=True,
            quiet=True,
        )
    except (CopierError, TemplateError, ValueError) as error:
        raise GarscaffoldError(f"The template could not be rendered: {error}") from error
    _record_source(destination / ANSWERS_FILE, source)


def _record_source(answers_file: Path, source: str) -> None:
    header, _, body = answers_file.read_text(encoding="utf-8").partition("\n")
    recorded = {**yaml.safe_load(body), "_src_path": source}
    # The form of Ansible's to_nice_yaml, in which Copier's documentation has templates write this file.
    text = yaml.safe_dump(recorded, indent=4, allow_unicode=True, default_flow_style=False)
    answers_file.write_text(f"{header}\n{text}", encoding="utf-8")
