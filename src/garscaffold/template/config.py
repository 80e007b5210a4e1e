"""The settings of a `copier.yml`, for templates of which every setting is understood here.

The rules are those of Copier 9 ("Configuring a template" in its documentation, and its `_template.py`). What is not
known is not guessed at: it raises `NotPlainError`, and Copier itself does the work.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml
from packaging.version import Version

from garscaffold import yaml_text
from garscaffold.tree import Kind, Tree

DEFAULT_EXCLUDE = ("copier.yaml", "copier.yml", "~*", "*.py[co]", "__pycache__", ".git", ".DS_Store", ".svn")
RUNS_CODE = ("tasks", "migrations", "jinja_extensions")
MESSAGES = ("message_before_copy", "message_after_copy", "message_before_update", "message_after_update")
KNOWN = {
    "min_copier_version",
    "subdirectory",
    "templates_suffix",
    "envops",
    "exclude",
    "skip_if_exists",
    "answers_file",
    "preserve_symlinks",
    *MESSAGES,
}
ENVOPS = {
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "trim_blocks",
    "lstrip_blocks",
    "keep_trailing_newline",
    "autoescape",
    "undefined",
}
QUESTION_KEYS = {
    "type",
    "help",
    "default",
    "choices",
    "multiselect",
    "when",
    "validator",
    "placeholder",
    "multiline",
    "qmark",
}
SAME_AS = Version("9.19")
"""The version of Copier whose rules these are; a template that asks for a newer one gets Copier itself."""

# Attributes that make a checkout, which is what Copier copies from, differ from what is committed.
CHECKOUT_CHANGES = re.compile(rb"(?<![\w-])(eol=|ident\b|filter=|working-tree-encoding=)")


class NotPlainError(Exception):
    """The template uses something that only Copier itself does; the message says what."""


@dataclass(frozen=True)
class Config:
    """What a `copier.yml` says, apart from what its texts render to.

    Args:
        questions: The details of each question as written, by name, in order.
        subdirectory: The folder that is rendered, a text that may hold Jinja; empty for the whole template.
        suffix: What the names of files that are rendered end with.
        envops: Settings of the Jinja environment.
        exclude: Patterns of what is not rendered.
        skip_if_exists: Patterns of what is not written where it exists.
        answers_file: Where the answers are recorded.
        preserve_symlinks: Symbolic links are made anew, and not followed.
    """

    questions: Mapping[str, Mapping[str, Any]]
    subdirectory: str
    suffix: str
    envops: Mapping[str, Any]
    exclude: tuple[str, ...]
    skip_if_exists: tuple[str, ...]
    answers_file: str
    preserve_symlinks: bool


def config_name(tree: Tree) -> str | None:
    """Return the name of the settings file at the root of a template, None where there is none or more than one."""
    names = [name for name in tree if re.fullmatch(r"copier\.ya?ml", name, re.IGNORECASE)]
    return names[0] if len(names) == 1 else None


def load(tree: Tree) -> dict[str, Any]:
    """Return the document in a template's `copier.yml`.

    Raises:
        NotPlainError: There is not exactly one, or it is more than one plain mapping.
    """
    name = config_name(tree)
    if name is None:
        raise NotPlainError("it has no copier.yml, or two")
    try:
        document = yaml_text.load(tree[name].data)
    except yaml.YAMLError as error:
        raise NotPlainError("its copier.yml is more than one YAML document, or includes others") from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise NotPlainError("its copier.yml is not a mapping")
    return document


def code_that_runs(document: Mapping[str, Any]) -> str:
    """Name the settings that make Copier run code of the template, or return ''."""
    return ", ".join(f"_{name}" for name in RUNS_CODE if document.get(f"_{name}"))


def read_config(tree: Tree) -> Config:
    """Read the settings of a template.

    Raises:
        NotPlainError: Something in it is not understood here.
    """
    document = load(tree)
    settings = {name[1:]: value for name, value in document.items() if name.startswith("_")}
    for name, value in settings.items():
        if name not in KNOWN and not (name in RUNS_CODE and not value):
            raise NotPlainError(f"it uses _{name}")
    if "min_copier_version" in settings and Version(str(settings["min_copier_version"])) > SAME_AS:
        raise NotPlainError("it asks for a newer Copier")
    envops = settings.get("envops", {})
    if not isinstance(envops, dict) or not set(envops) <= ENVOPS:
        raise NotPlainError("it has unusual _envops")
    subdirectory = _text(settings, "subdirectory", "")
    suffix = settings.get("templates_suffix")
    config = Config(
        {
            name: _question(name, details if isinstance(details, dict) else {"default": details})
            for name, details in document.items()
            if not name.startswith("_")
        },
        subdirectory,
        ".jinja" if suffix is None else _text(settings, "templates_suffix", ""),
        {"keep_trailing_newline": True, **envops},
        _texts(settings, "exclude", DEFAULT_EXCLUDE if PurePosixPath(subdirectory) == PurePosixPath() else ()),
        _texts(settings, "skip_if_exists", ()),
        _text(settings, "answers_file", ".copier-answers.yml"),
        bool(settings.get("preserve_symlinks", False)),
    )
    _refuse_unusual_files(tree, config)
    return config


def _question(name: str, details: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = [key for key in details if key not in QUESTION_KEYS]
    if unknown or name in {"now", "make_secret"}:
        raise NotPlainError(f"its question {name} uses {', '.join(map(str, unknown)) or 'a reserved name'}")
    return details


def _refuse_unusual_files(tree: Tree, config: Config) -> None:
    for name, file in tree.items():
        if file.kind is Kind.SUBMODULE:
            raise NotPlainError(f"it has a submodule at {name}")
        if file.kind is Kind.SYMLINK and not config.preserve_symlinks:
            raise NotPlainError(f"it follows the symbolic link {name}")
        if name.rpartition("/")[2] == ".gitattributes" and CHECKOUT_CHANGES.search(file.data):
            raise NotPlainError(f"{name} changes files while they are checked out")


def _text(settings: Mapping[str, Any], name: str, default: str) -> str:
    value = settings.get(name, default)
    if not isinstance(value, str):
        raise NotPlainError(f"its _{name} is not a text")
    return value


def _texts(settings: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = settings.get(name, default)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise NotPlainError(f"its _{name} is not a list of texts")
    return tuple(value)
