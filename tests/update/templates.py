"""Template repositories of the tests' own: one with two versions that differ in every way a file can differ."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garscaffold.template.plain import Wish
from garscaffold.template.render import Workshop, write_tree
from garscaffold.template.repository import opened

Content = str | bytes | Path
"""A text, bytes, or for a symbolic link its target."""

RECORDS = "{{ _copier_conf.answers_file }}.jinja"
LINES = [f"line {number}\n" for number in range(1, 41)]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    settings = ["-c", "core.autocrlf=false", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, name: str, content: Content, *, executable: bool = False) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        path.symlink_to(content)
        return
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if executable:
        path.chmod(0o755)


def release(
    folder: Path, version: str, files: Mapping[str, Content], *, notes: str = "", executable: tuple[str, ...] = ()
) -> None:
    """Make `files` the whole of the template, as a version."""
    if not folder.exists():
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        git(folder, "config", "core.autocrlf", "false")
    if git(folder, "ls-files"):
        git(folder, "rm", "-r", "--quiet", "--force", ".")
    for name, content in {RECORDS: "{{ _copier_answers|to_nice_yaml -}}\n", **files}.items():
        write(folder, name, content, executable=name in executable)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", f"--message=Version {version}")
    git(folder, "tag", "--annotate", f"--message=Version {version}\n\n{notes or f'What {version} brings.'}", version)


def render(template: Path, version: str, answers: Mapping[str, Any], destination: Path, *, source: str) -> None:
    """Write a project of a version, with every answer given, which records `source` as its template."""
    with opened(str(template)) as repository:
        wish = Wish(answers, {}, {"_commit": version, "_src_path": source})
        rendering = Workshop(repository).render(repository.commit(version), wish)
    write_tree(rendering.files, destination)


def changed(lines: list[str], **changes: str) -> str:
    """Return the text of `lines` with some replaced: `_10='x'` makes the tenth `x`."""
    result = list(lines)
    for name, text in changes.items():
        result[int(name.removeprefix("_")) - 1] = text
    return "".join(result)


OLD_QUESTIONS = """\
_preserve_symlinks: true
_exclude: [copier.yml, .git]
_skip_if_exists: [locked*.txt, 'once/*']
name: {type: str, default: orders}
region: {type: str, default: europe}
"""
NEW_QUESTIONS = """\
_preserve_symlinks: true
_exclude: [copier.yml, .git, sample.txt]
_skip_if_exists: [locked*.txt, 'once/*']
name: {type: str, default: orders}
region: {type: str, default: europe, validator: "{% if region != region | lower %}In lower case.{% endif %}"}
team: {type: str, default: payments}
extra: {type: bool, default: false}
"""
OLD: Mapping[str, Content] = {
    "copier.yml": OLD_QUESTIONS,
    "text.txt.jinja": "".join(LINES) + "{{ name }}\n",
    "same.txt.jinja": "".join(LINES) + "{{ name }}\n",
    "dropped.txt": "".join(LINES),
    "dropped_folder/inner.txt": "inner\n",
    "mode.sh": "echo mode\n",
    "unmode.sh": "echo unmode\n",
    "both.sh": "echo one\necho two\necho three\n",
    "crlf.txt": b"one\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix\r\nseven\r\neight\r\n",
    "noeol.txt": "one\ntwo\nthree\nfour\nlast",
    "eol.txt": "one\ntwo\nlast",
    "binary.bin": bytes(range(256)),
    "ünï/日本 語.txt": "".join(LINES[:12]),
    'it\'s "quoted".txt': "".join(LINES[:12]),
    "locked.txt": "locked 1\n",
    "locked_gone.txt": "locked gone\n",
    "once/first.txt": "first\n",
    ".gitignore": "*.local\nbuild/\n*.rej\n",
    "settings.local": "setting: 1\nother: 1\n",
    "link": Path("text.txt"),
    "link_same": Path("same.txt"),
    "old_name.txt": "".join(LINES[:12]),
    "sample.txt": "a sample\n",
    "empty.txt": "",
    "deep/er/est/file.txt": "".join(LINES[:12]),
}
NEW: Mapping[str, Content] = {
    "copier.yml": NEW_QUESTIONS,
    "text.txt.jinja": changed(LINES, _10="line 10 new\n", _20="line 20\nline 20a\n", _30="line 30 new\n")
    + "{{ name }}\n",
    "same.txt.jinja": "".join(LINES) + "{{ name }}\n",
    "added.txt.jinja": "team {{ team }}\n",
    "added_folder/new.txt": "".join(LINES[:12]),
    "{% if extra %}extra.txt{% endif %}.jinja": "extra of {{ team }}\n",
    "mode.sh": "echo mode\n",
    "unmode.sh": "echo unmode\n",
    "both.sh": "echo one\necho two\necho 3\n",
    "crlf.txt": b"one\r\nTWO\r\nthree\r\nfour\r\nfive\r\nsix\r\nseven\r\neight\r\n",
    "noeol.txt": "one\ntwo\nthree\nfour\nlast new",
    "eol.txt": "one\ntwo\nlast\n",
    "binary.bin": bytes(reversed(range(256))),
    "ünï/日本 語.txt": changed(LINES[:12], _3="line 3 new\n"),
    'it\'s "quoted".txt': changed(LINES[:12], _3="line 3 new\n"),
    "locked.txt": "locked 2\n",
    "locked_new.txt": "locked new\n",
    "once/first.txt": "first 2\n",
    "once/second.txt": "second\n",
    ".gitignore": "*.local\nbuild/\n*.rej\n*.tmp\n",
    "settings.local": "setting: 2\nother: 1\n",
    "link": Path("same.txt"),
    "link_same": Path("same.txt"),
    "new_name.txt": "".join(LINES[:12]),
    "sample.txt": "a sample 2\n",
    "empty.txt": "no more\n",
    "deep/er/est/file.txt": changed(LINES[:12], _3="line 3 new\n"),
}
OLD_EXECUTABLE = ("unmode.sh", "both.sh")
NEW_EXECUTABLE = ("mode.sh", "both.sh")
