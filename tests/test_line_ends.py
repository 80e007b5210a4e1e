"""Line ends as we convert them beside git itself, for every attribute, setting and kind of content."""

import subprocess
from pathlib import Path

import pytest

from garscaffold import git_objects
from garscaffold.line_ends import ATTRIBUTES, Conversion

RULES = (
    "", "text", "-text", "text=auto", "text=input", "text=other", "eol=lf", "eol=crlf", "eol=native", "text eol=crlf",
    "text eol=lf", "-text eol=crlf", "text=auto eol=crlf", "text=auto eol=lf", "binary", "crlf", "-crlf", "crlf=input",
    "!text eol=crlf", "-crlf eol=crlf", "text -crlf",
)  # fmt: skip
CONTENTS = (
    b"", b"a", b"a\nb\n", b"a\r\nb\r\n", b"a\r\nb\n", b"a\rb\n", b"a\rb\r\n", b"\0a\r\nb\n", b"a\r\n\x1a",
    b"\r\n\x1a\x1a",
    b"\x01" * 2 + b"a" * 255 + b"\r\n", b"\x01" + b"a" * 127 + b"\r\n", b"\x01" + b"a" * 128 + b"\r\n", b"\xff\x7f\r\n",
    b"\xc3\xa4\x08\x1b\x0c\t\r\n", b"a\r\r\n", b"\n\r\n\n",
)  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [(), ("autocrlf=true",), ("autocrlf=input",), ("eol=crlf",), ("autocrlf=input", "eol=lf"), ("autocrlf",)],
    ids=" ".join,
)
def test_we_and_git_convert_alike(tmp_path: Path, home: Path, settings: tuple[str, ...]) -> None:
    def git(*arguments: str, stdin: bytes = b"") -> bytes:
        # Whoever adds Windows' line ends is warned, and refused where core.safecrlf says so.
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, input=stdin, check=True, capture_output=True
        ).stdout

    git("init", "--quiet")
    paths = {f"{rule:02}/{number:02}": content for rule in range(len(RULES)) for number, content in enumerate(CONTENTS)}
    (tmp_path / ".gitattributes").write_text("".join(f"{index:02}/** {rule}\n" for index, rule in enumerate(RULES)))
    for path, content in paths.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    # Once as new files; then all in Windows' way over what is there, which git treats otherwise.
    git("add", "--all")
    git("commit", "--quiet", "--message=raw")
    raw = git_objects.read_tree(tmp_path, "HEAD")
    with (tmp_path / ".git/config").open("a") as config:
        config.writelines(f"[core]\n{setting}\n" for setting in settings)
    found = git_objects.line_end_settings(tmp_path)
    entries = git_objects.list_tree(tmp_path, "HEAD")
    rules = {".gitattributes": entries[".gitattributes"]}
    attributes = git_objects.attributes(tmp_path, rules, ATTRIBUTES, list(paths))
    conversions = {path: Conversion.of(attributes[path], found) for path in paths}

    blobs = {path: file.data for path, file in raw.items() if path in paths}
    for path in paths:
        (tmp_path / path).unlink()
    git("checkout", "--quiet", "--", ".")
    for path, conversion in conversions.items():
        where = (RULES[int(path[:2])], paths[path], settings)
        assert conversion.checked_out(blobs[path]) == (tmp_path / path).read_bytes(), where

    for path, content in paths.items():
        (tmp_path / path).write_bytes(content + b"more\r\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=more")
    for path, file in git_objects.read_tree(tmp_path, "HEAD").items():
        if path in paths:
            where = (RULES[int(path[:2])], paths[path], settings)
            assert conversions[path].committed(paths[path] + b"more\r\n", blobs[path]) == file.data, where

    git("rm", "-r", "--quiet", "--cached", *paths)
    git("commit", "--quiet", "--message=none")
    git("add", "--all")
    git("commit", "--quiet", "--message=new")
    for path, file in git_objects.read_tree(tmp_path, "HEAD").items():
        if path in paths:
            where = (RULES[int(path[:2])], paths[path], settings)
            assert conversions[path].committed(paths[path] + b"more\r\n", None) == file.data, where
