"""Our rendering beside Copier's own: the same names, bytes and modes."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from garscaffold.errors import GarscaffoldError
from garscaffold.template.config import NotPlainError
from garscaffold.template.plain import PlainTemplate, Wish
from garscaffold.template.render import Workshop, read_folder, write_tree
from garscaffold.template.repository import TemplateRepository, opened
from garscaffold.tree import File, Kind
from tests.update.templates import render
from tests.generated.combinations import (
    covering_combinations,
    every_combination,
    name_of,
    unusual_combinations,
)

REPOSITORY = Path(__file__).parent.parent.parent
GIVEN = {"gcp_project": "acme-prod", "author_name": "Ada Lovelace", "author_email": "ada@example.com"}
RECORDS = "{{ _copier_conf.answers_file }}.jinja"
ANSWERS = "{{ _copier_answers|to_nice_yaml -}}\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def template(folder: Path, files: Mapping[str, str | bytes], *, executable: tuple[str, ...] = ()) -> Path:
    """Make a template repository with one version, 1.0.0."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    for name, content in {RECORDS: ANSWERS, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if name in executable:
            path.chmod(0o755)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message=1")
    git(folder, "tag", "1.0.0")
    return folder


def by_copier(source: Path, answers: Mapping[str, Any], destination: Path) -> dict[str, File]:
    copier.run_copy(
        str(source), destination, data=dict(answers), vcs_ref="1.0.0", defaults=True, overwrite=True, quiet=True
    )
    return read_folder(destination)


def by_us(source: Path, answers: Mapping[str, Any]) -> dict[str, File]:
    with opened(str(source)) as repository:
        plain = PlainTemplate(repository.tree(repository.commit("1.0.0")))
        wish = Wish(answers, {}, {"_commit": "1.0.0", "_src_path": str(source)})
        return dict(plain.render(wish).files)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of the working tree, as a repository of one version."""
    folder = tmp_path_factory.mktemp("ours") / "template"
    folder.mkdir()
    shutil.copy(REPOSITORY / "copier.yml", folder)
    shutil.copytree(REPOSITORY / "template", folder / "template")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message=1")
    git(folder, "tag", "1.0.0")
    return folder


# Copier needs half a second for each, so of the whole matrix every fortieth.
SAMPLE = [*covering_combinations(), *unusual_combinations(), *list(every_combination())[::40]]


@pytest.mark.clients
@pytest.mark.parametrize("answers", SAMPLE, ids=name_of)
def test_our_template_renders_as_with_copier(ours: Path, tmp_path: Path, answers: Mapping[str, Any]) -> None:
    data = {**GIVEN, **answers}
    assert by_us(ours, data) == by_copier(ours, data, tmp_path / "project")


QUESTIONS = """\
name: {type: str, default: Zoë}
tool: {type: str, choices: {The first: one, The second: two}, default: two}
many: {type: str, multiselect: true, choices: [a, b, "yes"], default: "[yes, 'a']"}
count: {type: int, default: "{{ 1 + 2 }}"}
share: {type: float, default: 0.5}
flag: {type: bool, default: "{{ name == 'Zoë' }}"}
table: {type: yaml, default: "{a: [1, 2], b: null}"}
document: {type: json, default: '{"x": [true]}'}
plain: 7
hidden: {type: str, when: false, default: "{{ name }}!"}
unasked: {type: str, when: "{{ tool == 'one' }}", default: never, validator: "{% if unasked != 'x' %}no{% endif %}"}
text: {type: str, default: "two\\nlines", multiline: true, help: A text}
"""

NASTY: dict[str, tuple[Mapping[str, str | bytes], Mapping[str, Any]]] = {
    "questions of every type": (
        {
            "copier.yml": QUESTIONS,
            "all.txt.jinja": "{{ name }}|{{ tool }}|{{ many }}|{{ count }}|{{ share }}|{{ flag }}"
            "|{{ table }}|{{ document }}|{{ plain }}|{{ hidden }}|{{ unasked }}|{{ text }}|{{ _copier_answers }}\n",
        },
        {},
    ),
    "answers given": (
        {"copier.yml": QUESTIONS, "all.txt.jinja": "{{ many }}{{ count }}{{ flag }}{{ unasked }}{{ _copier_answers }}"},
        {"many": ["b", "a"], "count": "9", "flag": "off", "unasked": "x", "table": "[1]", "tool": "one"},
    ),
    "an answer to a question that does not apply": (
        {"copier.yml": QUESTIONS, "all.txt.jinja": "{{ unasked }}{{ hidden }}{{ _copier_answers }}"},
        {"unasked": "x", "hidden": "given"},
    ),
    "conditions": (
        {
            "copier.yml": "a: {type: bool, when: '{{ 0.0 }}', default: true}\nb: {type: bool, default: banana}\n"
            "c: {type: bool, default: '2'}\nd: {type: bool, default: 'None'}\ne: {type: str, when: '', default: x}\n",
            "all.jinja": "{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}{{ _copier_answers }}",
        },
        {},
    ),
    "names that are conditions": (
        {
            "copier.yml": "a: {type: bool, default: true}\nn: deep/er\n",
            "{% if a %}yes{% endif %}.txt": "1",
            "{% if not a %}no{% endif %}.txt.jinja": "2",
            "{% if not a %}no{% endif %}/file.txt": "3",
            "{% if not a %}empty{% endif %}": "4",
            "dir/{% if a %}x{% endif %}/{{ n }}.txt.jinja": "{{ n }}",
            "{{ n }}/file": "5",
        },
        {},
    ),
    "a file beside its template": (
        {
            "copier.yml": "n: both\n",
            "x.txt": "plain",
            "x.txt.jinja": "rendered",
            "{{ n }}.md": "plain",
            "both.md.jinja": "rendered",
        },
        {},
    ),
    "no end of line at the end": (
        {"copier.yml": "n: x\n", "a.jinja": "{{ n }}", "b.jinja": "{{ n }}\n\n", "c": ""},
        {},
    ),
    "line endings": (
        {"copier.yml": "n: x\n", "crlf.txt": b"a\r\nb\r\n", "crlf.txt2.jinja": b"a\r\n{{ n }}\r\nold mac\rend"},
        {},
    ),
    "blocks trimmed": (
        {
            "copier.yml": "_envops: {trim_blocks: true, lstrip_blocks: true, keep_trailing_newline: false}\nn: x\n",
            "a.jinja": "  {% if n %}\nyes\n  {% endif %}\n\n",
            "{{ n }}b": "1",
        },
        {},
    ),
    "other brackets": (
        {
            "copier.yml": "_envops: {variable_start_string: '[[', variable_end_string: ']]', block_start_string: '[%',"
            " block_end_string: '%]'}\nn: x\nm: {default: '[[ n ]]!', type: str}\nv: {type: str, default: '{{ n }}'}\n",
            "[[ n ]].jinja": "[[ m ]] {{ n }} [% if n %]y[% endif %] [[ v ]]",
            "[[ _copier_conf.answers_file ]].jinja": "[[ _copier_answers|to_nice_yaml -]]\n",
        },
        {},
    ),
    "another suffix": (
        {
            "copier.yml": "_templates_suffix: .tmpl\nn: x\n",
            "a.tmpl": "{{ n }}",
            "b.jinja": "{{ n }}",
            "c.x.tmpl": "{{ n }}",
        },
        {},
    ),
    "a suffix of two parts": ({"copier.yml": "_templates_suffix: .j2.tmpl\nn: x\n", "a.txt.j2.tmpl": "{{ n }}"}, {}),
    "no suffix": (
        {"copier.yml": "_templates_suffix: ''\nn: x\n", "a.txt": "{{ n }}", "b.bin": b"\xff\xfe\x00{{ n }}"},
        {},
    ),
    "binary files": ({"copier.yml": "n: x\n", "logo.png": bytes(range(256)), "{{ n }}.bin": b"\0"}, {}),
    "a folder inside": (
        {
            "copier.yml": "_subdirectory: '{{ n }}'\nn: project\n",
            "project/a.jinja": "{{ n }}",
            "project/copier.yml": "1",
            "project/x.pyc": "2",
            "other/b": "3",
            "project/{{ _copier_conf.answers_file }}.jinja": ANSWERS,
        },
        {},
    ),
    "excluded": (
        {
            "copier.yml": "_exclude: [copier.yml, .git, /top.txt, '*.log', '!keep.log', 'build/',"
            " '{% if n %}a*{% endif %}',"
            ' "one.txt\\ntwo.txt", \'{% if _copier_operation == "copy" %}copied{% endif %}\']\nn: x\n',
            "top.txt": "1",
            "sub/top.txt": "2",
            "a.log": "3",
            "keep.log": "4",
            "build/x": "5",
            "sub/build/y": "6",
            "abc": "7",
            "one.txt": "8",
            "sub/two.txt": "9",
            "copied": "10",
            "é.log": "11",
        },
        {},
    ),
    "excluded by default": (
        {"copier.yml": "n: x\n", "~backup": "1", "a.pyc": "2", "__pycache__/x": "3", ".DS_Store": "4", "b.py": "5"},
        {},
    ),
    "unicode names": ({"copier.yml": "n: ñandú\n", "{{ n }}/日本 語.txt": "1", "e\u0301.jinja": "{{ n }}🛒"}, {}),
    "macros": (
        {
            "copier.yml": "_exclude: [/m, copier.yml, .git]\nn: x\n",
            "m/x.jinja": "{% macro hi(a) %}{{ a }}-{{ n }}{% endmacro %}{% set const = 3 %}",
            "a.jinja": "{% from 'm/x.jinja' import hi, const with context %}{{ hi('q') }}{{ const }}"
            "{% include 'm/part.txt' %}",
            "m/part.txt": "[{{ n }}]\r\n",
        },
        {},
    ),
    "filters": (
        {
            "copier.yml": "n: x\nt: {type: yaml, default: {b: 1, a: [x, y]}}\n",
            "a.jinja": "{{ t|to_json }}{{ t|to_nice_json }}{{ t|to_yaml }}{{ n|to_uuid }}{{ n|b64encode }}"
            "{{ 'a1'|regex_search('[0-9]') }}{{ pathjoin('a', n) }}{{ n is defined }}"
            "{{ now is defined }}{{ _copier_conf.sep }}"
            "{{ _copier_conf.answers_file.suffix }}",
        },
        {},
    ),
    "answers recorded in another way": (
        {
            "copier.yml": "z: 1\na: two\n_answers_file: .{{ a }}.yml\n",
            "dump.jinja": "{% for k, v in _copier_answers.items() %}{{ k }}={{ v }}\n{% endfor %}",
        },
        {},
    ),
}


@pytest.mark.parametrize("case", NASTY)
def test_a_nasty_template_renders_as_with_copier(tmp_path: Path, case: str) -> None:
    files, answers = NASTY[case]
    source = template(tmp_path / "template", files)
    assert by_us(source, answers) == by_copier(source, answers, tmp_path / "project")


def test_executable_bits_and_links_are_as_with_copier(tmp_path: Path) -> None:
    files = {"copier.yml": "_preserve_symlinks: true\nn: x\n", "run.sh": "1", "{{ n }}.sh.jinja": "2", "plain": "3"}
    source = template(tmp_path / "template", files, executable=("run.sh", "{{ n }}.sh.jinja"))
    (source / "link").symlink_to("plain")
    (source / "{{ n }}-link.jinja").symlink_to("{{ n }}.sh")
    (source / "folder-link").symlink_to("sub")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message=2")
    git(source, "tag", "--force", "1.0.0")
    ours = by_us(source, {})
    assert ours == by_copier(source, {}, tmp_path / "project")
    assert (ours["run.sh"].kind, ours["x-link"]) == (Kind.EXECUTABLE, File(b"x.sh", Kind.SYMLINK))
    write_tree(ours, tmp_path / "written")
    assert read_folder(tmp_path / "written") == ours
    for name in ours:
        ours_mode = (tmp_path / "written" / name).lstat().st_mode
        assert ours_mode == (tmp_path / "project" / name).lstat().st_mode, name


BEYOND: dict[str, Mapping[str, str | bytes]] = {
    "the time": {"copier.yml": "n: x\n", "a.jinja": "{{ now() }}"},
    "the folder's name": {"copier.yml": "n: x\n", "a.jinja": "{{ _folder_name }}"},
    "the machine": {"copier.yml": "n: x\n", "a.jinja": "{{ _copier_conf.os }}"},
    "a file name that yields several": {"copier.yml": "n: [a, b]\n", "{% yield x from n %}{{ x }}{% endyield %}": "1"},
    "secret questions": {"copier.yml": "n: {type: str, secret: true, default: x}\n"},
    "data from elsewhere": {"copier.yml": "_external_data: {a: b.yml}\nn: x\n"},
    "two documents": {"copier.yml": "a: 1\n---\nb: 2\n"},
    "included questions": {"copier.yml": "a: 1\n---\n!include more.yml\n", "more.yml": "b: 2\n"},
    "tasks": {"copier.yml": "_tasks: [touch made]\nn: x\n"},
    "line endings by attribute": {"copier.yml": "n: x\n", ".gitattributes": "*.bat text eol=crlf\n", "a.bat": "1\n"},
    "a setting of the future": {"copier.yml": "_min_copier_version: '99'\n"},
    "an unset default": {"copier.yml": "a: {type: str, default: '{{ UNSET }}'}\n"},
    "a broken template": {"copier.yml": "n: x\n", "a.jinja": "{% if %}"},
    "a way out": {"copier.yml": "n: ..\n", "{{ n }}/{{ n }}/a": "1"},
    "an invalid default": {"copier.yml": "n: {type: str, default: x, choices: [y]}\n"},
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_is_not_understood_is_left_to_copier(tmp_path: Path, case: str) -> None:
    source = template(tmp_path / "template", BEYOND[case])
    with opened(str(source)) as repository, pytest.raises(NotPlainError):
        commit = repository.commit("1.0.0")
        PlainTemplate(repository.tree(commit)).render(Wish({}, {}, {}))


def test_what_is_left_to_copier_is_recorded_with_its_true_source(tmp_path: Path) -> None:
    source = template(
        tmp_path / "template", {"copier.yml": "a: 1\n---\nb: 2\n", "a.jinja": "{{ _folder_name }} {{ b }}"}
    )
    render(source, "1.0.0", {"b": 3}, tmp_path / "project", source="~/somewhere.bundle")
    assert (tmp_path / "project" / "a").read_text() == "project 3"
    recorded = yaml.safe_load((tmp_path / "project" / ".copier-answers.yml").read_text())
    assert recorded == {"_commit": "1.0.0", "_src_path": "~/somewhere.bundle", "a": 1, "b": 3}


def test_a_template_that_runs_code_is_refused(tmp_path: Path) -> None:
    source = template(tmp_path / "template", BEYOND["tasks"])
    with pytest.raises(GarscaffoldError, match=r"runs code.*_tasks") as caught:
        render(source, "1.0.0", {}, tmp_path / "project", source="x")
    assert "--trust" in caught.value.mend
    assert not (tmp_path / "project").exists()


def test_an_answer_that_breaks_a_rule_is_said(tmp_path: Path) -> None:
    source = template(
        tmp_path / "template", {"copier.yml": "n: {type: str, validator: '{% if n %}No n.{% endif %}'}\n"}
    )
    with pytest.raises(GarscaffoldError, match="No n"):
        render(source, "1.0.0", {"n": "x"}, tmp_path / "project", source="x")


def test_a_version_is_compiled_once_and_the_memory_is_bounded(tmp_path: Path) -> None:
    source = template(tmp_path / "template", {"copier.yml": "n: x\n", "a.jinja": "{{ n }}"})
    for number in range(12):
        (source / "b").write_text(str(number))
        git(source, "add", "b")
        git(source, "commit", "--quiet", f"--message={number}")
        git(source, "tag", f"2.{number}")
    repository = TemplateRepository(str(source), source)
    workshop = Workshop(repository)
    for number in range(12):
        files = workshop.render(repository.commit(f"2.{number}"), Wish({}, {}, {})).files
        assert files["b"].data == str(number).encode()
    assert len(workshop._compiled) == len(repository._trees) == 8
