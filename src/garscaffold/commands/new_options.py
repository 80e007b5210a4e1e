"""The options of `garscaffold new`, which are the questions of the template that the project is made from."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from garscaffold import git
from garscaffold.commands.answers import fixed_values, question_options
from garscaffold.console import Console, is_interactive
from garscaffold.errors import GarscaffoldError
from garscaffold.template import bundle
from garscaffold.template.edition import Edition, newest_edition
from garscaffold.template.preference import OPTION, Preference, preferred, settings_file
from garscaffold.template.questions import Questionnaire

EDITION = "garscaffold.edition"
"""Where the context keeps the template that is open, when it is not our own."""
QUESTIONNAIRE = Questionnaire.read(bundle.released())
"""The questions of our own, which lie beside the bundle."""


class NewCommand(click.Command):
    """A command with an option for each question of the template in use.

    Which one that is, the command line may say itself. So it is looked for there before anything else is read. Help and
    completion of our own questions open no repository.
    """

    def __init__(self, name: str | None, *, params: list[click.Parameter], **settings: Any) -> None:
        super().__init__(name, params=[*_parameters(QUESTIONNAIRE, params), *params], **settings)
        self._fixed = params

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Open the template, then read the command line by its questions."""
        if not ctx.resilient_parsing:
            preference = preferred(_named_template(args), os.environ, settings_file(), home=Path.home())
            if not preference.is_ours:
                git.refuse_missing()
                try:
                    ctx.meta[EDITION] = _opened(ctx, preference, args)
                except GarscaffoldError as error:
                    if not {"-h", "--help"}.intersection(args):
                        raise _explained(error, preference) from error
        try:
            return super().parse_args(ctx, args)
        except BaseException:
            # click itself closes a context only once its command line was read.
            ctx.close()
            raise

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters: those of the template in use, and those that are always there."""
        edition = edition_of(ctx)
        if edition is None:
            return super().get_params(ctx)
        helps = [each for each in super().get_params(ctx) if each not in self.params]
        return [*_parameters(edition.questionnaire, self._fixed), *self._fixed, *helps]


def edition_of(context: click.Context) -> Edition | None:
    """Return the template that is open, None where it is our own."""
    found = context.meta.get(EDITION)
    assert found is None or isinstance(found, Edition)
    return found


def _opened(context: click.Context, preference: Preference, arguments: Sequence[str]) -> Edition:
    # Nothing of the command line is read yet.
    console = Console(quiet=not {"-q", "--quiet"}.isdisjoint(arguments), interactive=is_interactive())
    with console.progress(f"Reading {preference.source}"):
        return context.with_resource(newest_edition(preference.source))


def _explained(error: GarscaffoldError, preference: Preference) -> GarscaffoldError:
    """Say where the template was named, when that was not here."""
    if preference.said_by == OPTION:
        return error
    return GarscaffoldError(
        f"{error.sentence} It is the template in use; so says {preference.said_by}.",
        mend=f"{error.mend}; or for once: --template default" if error.mend else "For once: --template default",
        exit_code=error.exit_code,
    )


def _parameters(questionnaire: Questionnaire, fixed: Sequence[click.Parameter]) -> list[click.Parameter]:
    taken = {option for each in fixed for option in (*each.opts, each.name or "")}
    kind = next((each for each in questionnaire.questions if each.name == "kind" and not each.is_computed), None)
    parameters: list[click.Parameter] = []
    if kind is not None:
        values = fixed_values(questionnaire, kind)
        parameters.append(click.Argument(["kind"], type=click.Choice(values) if values else None, required=False))
    parameters.append(
        click.Argument(["destination"], metavar="[DEST]", type=click.Path(path_type=Path), required=False)
    )
    return [*parameters, *question_options(questionnaire, taken)]


def _named_template(arguments: Sequence[str]) -> str | None:
    """Return what `--template` says on a command line; the last one counts."""
    found = None
    for number, word in enumerate(arguments):
        if word == "--":
            break
        if word.startswith("--template="):
            found = word.removeprefix("--template=")
        elif word == "--template" and number + 1 < len(arguments):
            found = arguments[number + 1]
    return found
