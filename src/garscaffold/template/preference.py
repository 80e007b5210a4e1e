"""Which template new projects are made from: an option's, the environment's, the user's own setting, or ours.

The setting is the one line `source` under `[template]` in a small TOML file; what else stands there is left as it is.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garscaffold.errors import GarscaffoldError
from garscaffold.plan import Action, Change, Step
from garscaffold.template.bundle import SOURCE
from garscaffold.template.source import recorded_source

OPTION = "--template"
VARIABLE = "GARSCAFFOLD_TEMPLATE"


@dataclass(frozen=True)
class Preference:
    """A template, and who says so.

    Args:
        source: What projects record.
        said_by: The option, the variable or the file; '' where nobody says anything and it is ours.
    """

    source: str
    said_by: str = ""

    @property
    def is_ours(self) -> bool:
        """Tell whether it is the template that garscaffold carries."""
        return self.source == SOURCE


def settings_file() -> Path:
    """Return where the user's settings are, which need not exist."""
    import platformdirs

    return platformdirs.user_config_path("garscaffold", appauthor=False) / "config.toml"


def preferred(option: str | None, environment: Mapping[str, str], settings: Path, *, home: Path) -> Preference:
    """Return the template that new projects are made from.

    Args:
        option: What the command line says, if anything.
        environment: The process's environment.
        settings: The user's settings.
        home: The user's home folder.

    Raises:
        GarscaffoldError: What says it is no address, or the settings cannot be read.
    """
    if option is not None:
        return Preference(recorded_source(option, home=home, here=Path.cwd()), OPTION)
    if environment.get(VARIABLE):
        return Preference(recorded_source(environment[VARIABLE], home=home, here=Path.cwd()), VARIABLE)
    stored = stored_source(settings)
    if stored:
        return Preference(recorded_source(stored, home=home, here=settings.parent), str(settings))
    return Preference(SOURCE)


def stored_source(settings: Path) -> str:
    """Return the template that the settings name, or ''.

    Raises:
        GarscaffoldError: They cannot be read.
    """
    table = _read(settings).get("template", {})
    source = table.get("source", "") if isinstance(table, dict) else None
    if not isinstance(source, str):
        raise _unreadable(settings, "[template] source is no text")
    return source


def use_step(source: str, settings: Path) -> Step | None:
    """Return the step that makes the settings name a template; None where they do.

    Args:
        source: What projects record; ours takes the setting away.
        settings: The user's settings.

    Raises:
        GarscaffoldError: They cannot be read.
    """
    before = stored_source(settings)
    wished = "" if source == SOURCE else source
    if before == wished:
        return None
    action = Action.DELETE if not wished else Action.CHANGE if before else Action.CREATE
    detail = f"{before} → {wished}" if before and wished else before or wished
    change = Change(action, "setting", "template.source", detail)
    return Step(f"Writing {settings}", (change,), lambda: _write(settings, wished))


def _write(settings: Path, source: str) -> None:
    import tomlkit

    document = tomlkit.parse(settings.read_text(encoding="utf-8")) if settings.exists() else tomlkit.document()
    table: Any = document.setdefault("template", tomlkit.table())
    if source:
        table["source"] = source
    else:
        del table["source"]
        if not table:
            del document["template"]
    text = tomlkit.dumps(document)
    if not text.strip():
        settings.unlink()
        return
    settings.parent.mkdir(parents=True, exist_ok=True)
    # A link to a file in somebody's collection of settings stays a link.
    target = settings.resolve()
    draft = target.with_name(f".{target.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


def _read(settings: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(settings.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unreadable(settings, str(error)) from error


def _unreadable(settings: Path, why: str) -> GarscaffoldError:
    return GarscaffoldError(
        f"The settings in {settings} cannot be read: {why}.", mend=f"Correct them, or delete {settings}."
    )
