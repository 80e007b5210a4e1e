"""What teams do to a project between two versions of its template."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.update.templates import LINES, changed, git, write

Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Situation:
    """One thing that a team did before the update.

    Args:
        name: What it is.
        edit: Does it, in the project's folder.
        data: Answers given with the update.
        folder: Where the project lies in its repository.
        differs: Why our tree is another than Copier's, in the words of the table in docs/update.md; '' for the same.
        wants: For a difference: what our tree has to be, path by path; None for nothing there.
        refused: We touch nothing, and say why.
    """

    name: str
    edit: Edit
    data: tuple[str, ...] = ()
    folder: str = ""
    differs: str = ""
    wants: dict[str, bytes | None] = field(default_factory=dict)
    refused: str = ""


def replace(name: str, old: str, new: str) -> Edit:
    def edit(project: Path) -> None:
        path = project / name
        text = path.read_bytes().decode()
        assert old in text
        path.write_bytes(text.replace(old, new, 1).encode())

    return edit


def put(name: str, content: str | bytes | Path, *, executable: bool = False) -> Edit:
    def edit(project: Path) -> None:
        (project / name).unlink(missing_ok=True)
        write(project, name, content, executable=executable)

    return edit


def drop(name: str) -> Edit:
    return lambda project: (project / name).unlink()


def move(old: str, new: str) -> Edit:
    def edit(project: Path) -> None:
        (project / new).parent.mkdir(parents=True, exist_ok=True)
        (project / old).rename(project / new)

    return edit


def mode(name: str, bits: int) -> Edit:
    return lambda project: (project / name).chmod(bits)


def both(*edits: Edit) -> Edit:
    def edit(project: Path) -> None:
        for each in edits:
            each(project)

    return edit


def nothing(project: Path) -> None:
    """Leave the project as it was generated."""


def autocrlf(project: Path) -> None:
    git(project, "config", "core.autocrlf", "true")


def to_crlf(name: str) -> Edit:
    def edit(project: Path) -> None:
        path = project / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    return edit


TWELVE = "".join(LINES[:12]).encode()
TEXT = "".join(LINES) + "orders\n"
MERGED_TEXT = changed(LINES, _10="line 10 new\n", _20="line 20\nline 20a\n", _30="line 30 new\n") + "orders\n"

SITUATIONS = [
    Situation("nothing edited", nothing),
    Situation("a new answer given", nothing, data=("team=platform",)),
    Situation("an answer that adds a file", nothing, data=("extra=true", "team=platform")),
    Situation("an old answer changed", nothing, data=("name=invoices",)),
    Situation("an old answer changed beside an edit", replace("text.txt", "line 40", "line forty"), data=("name=i",)),
    Situation("in a subfolder of a larger repository", nothing, folder="services/orders"),
    Situation("edited in a subfolder", replace("text.txt", "line 5\n", "five\n"), folder="services/orders"),
    Situation("a conflict in a subfolder", replace("text.txt", "line 10\n", "ten\n"), folder="services/orders"),
    Situation("deleted in a subfolder", drop("text.txt"), folder="services/orders"),
    Situation("a subfolder with a blank and an umlaut", replace("text.txt", "line 5\n", "5\n"), folder="my dienste/ü"),
    Situation(
        "an answer that a new rule refuses",
        replace(".copier-answers.yml", "region: europe", "region: EU"),
        differs="a recorded answer that a rule of the new version refuses",
        refused="--region: 'EU' is recorded. In lower case.",
    ),
    Situation(
        "an answer that a new rule refuses, given anew",
        replace(".copier-answers.yml", "region: europe", "region: EU"),
        data=("region=eu",),
    ),
    Situation("edited far from the changed lines", replace("text.txt", "line 1\n", "line one\n")),
    Situation("edited at the end", replace("text.txt", "line 40\n", "line 40\nmore\nand more\n")),
    Situation("edited near the changed lines", replace("text.txt", "line 8\n", "eight\n")),
    Situation("edited next to the changed line", replace("text.txt", "line 9\n", "nine\n")),
    Situation("edited on the changed line", replace("text.txt", "line 10\n", "ten\n")),
    Situation("the same edit as the template", replace("text.txt", "line 10\n", "line 10 new\n")),
    Situation("all of the template's change made already", put("text.txt", MERGED_TEXT)),
    Situation(
        "two conflicts in a file",
        both(replace("text.txt", "line 10\n", "ten\n"), replace("text.txt", "line 30\n", "thirty\n")),
    ),
    Situation(
        "one conflict and one clean edit in a file",
        both(replace("text.txt", "line 10\n", "ten\n"), replace("text.txt", "line 1\n", "one\n")),
    ),
    Situation(
        "conflicts in two files",
        both(replace("text.txt", "line 10\n", "ten\n"), replace("deep/er/est/file.txt", "line 3\n", "three\n")),
    ),
    Situation("a line deleted where the template changed it", replace("text.txt", "line 10\n", "")),
    Situation("lines inserted where the template inserts", replace("text.txt", "line 20\n", "line 20\nmine\n")),
    Situation("the whole file rewritten", put("text.txt", "something else\n")),
    Situation("the whole file emptied", put("text.txt", "")),
    Situation("a file edited that the template leaves alone", replace("same.txt", "line 3\n", "three\n")),
    Situation("a file deleted that the template leaves alone", drop("same.txt")),
    Situation("a file deleted that the template changes", drop("text.txt")),
    Situation("a file deleted that the template deletes", drop("dropped.txt")),
    Situation("a file renamed that the template changes", move("text.txt", "renamed.txt")),
    Situation("a file renamed and edited", both(move("text.txt", "renamed.txt"), put("renamed.txt", "mine\n"))),
    Situation("a file moved into a folder", move("deep/er/est/file.txt", "else/where/file.txt")),
    Situation("a file renamed that the template renames", move("old_name.txt", "new_name.txt")),
    Situation("a file renamed elsewhere that the template renames", move("old_name.txt", "third_name.txt")),
    Situation(
        "a file edited that the template renames",
        replace("old_name.txt", "line 3\n", "three\n"),
        differs="deleted in the template, edited by the team",
        wants={"old_name.txt": changed(LINES[:12], _3="three\n").encode(), "new_name.txt": TWELVE},
    ),
    Situation(
        "a file edited that the template deletes",
        replace("dropped.txt", "line 3\n", "three\n"),
        differs="deleted in the template, edited by the team",
        wants={"dropped.txt": changed(LINES, _3="three\n").encode()},
    ),
    Situation("a file beside one that the template deletes", put("dropped_folder/mine.txt", "mine\n")),
    Situation("a file of the team's own", put("mine.txt", "mine\n")),
    Situation("a folder of the team's own", both(put("own/a.txt", "1\n"), put("own/b/c.txt", "2\n"))),
    Situation("the same file added by both", put("added.txt", "team payments\n")),
    Situation("a file added by both, with other lines", put("added.txt", "our own\n")),
    Situation("an empty file added by both", put("added.txt", "")),
    Situation("a longer file added by both", put("added_folder/new.txt", changed(LINES[:12], _6="six\n"))),
    Situation("a file with Windows line endings edited elsewhere", replace("crlf.txt", "eight\r\n", "8\r\n")),
    Situation("a file with Windows line endings edited on the line", replace("crlf.txt", "two\r\n", "2\r\n")),
    Situation(
        "a file converted to Windows line endings",
        to_crlf("text.txt"),
        differs="line endings converted by the team",
        wants={"text.txt": MERGED_TEXT.replace("\n", "\r\n").encode()},
    ),
    Situation(
        "converted to Windows line endings and edited",
        both(to_crlf("text.txt"), replace("text.txt", "line 1\r\n", "one\r\n")),
        differs="line endings converted by the team",
        wants={"text.txt": MERGED_TEXT.replace("line 1\n", "one\n", 1).replace("\n", "\r\n").encode()},
    ),
    Situation(
        "a file converted to Windows line endings that the template deletes",
        to_crlf("dropped.txt"),
    ),
    Situation("made executable by the team", mode("text.txt", 0o755)),
    Situation("made executable by both", mode("mode.sh", 0o755)),
    Situation("made executable by the template, edited by the team", put("mode.sh", "echo mine\n")),
    Situation("an executable edited elsewhere", replace("both.sh", "echo one", "echo 1")),
    Situation(
        "an executable edited and no longer one",
        both(replace("unmode.sh", "echo", "printf"), mode("unmode.sh", 0o644)),
    ),
    Situation("no newline at the end, edited elsewhere", replace("noeol.txt", "one\n", "1\n")),
    Situation("no newline at the end, edited there", replace("noeol.txt", "last", "mine")),
    Situation("the newline at the end added by both", put("eol.txt", "one\ntwo\nlast\n")),
    Situation("the newline at the end taken away", put("text.txt", TEXT.removesuffix("\n"))),
    Situation(
        "a binary edited by both",
        put("binary.bin", b"\0mine\xff"),
        differs="a binary changed by both",
        wants={"binary.bin": b"\0mine\xff"},
    ),
    Situation(
        "a binary and a text edited",
        both(put("binary.bin", b"\0mine\xff"), replace("same.txt", "line 3\n", "three\n")),
        differs="a binary changed by both",
        wants={"binary.bin": b"\0mine\xff", "same.txt": (changed(LINES, _3="three\n") + "orders\n").encode()},
    ),
    Situation("a binary deleted", drop("binary.bin")),
    Situation("a name in Unicode, edited elsewhere", replace("ünï/日本 語.txt", "line 9\n", "nine\n")),
    Situation("a name in Unicode, edited on the line", replace("ünï/日本 語.txt", "line 3\n", "three\n")),
    Situation("a name in Unicode, deleted", drop("ünï/日本 語.txt")),
    Situation("a name with quotes, edited elsewhere", replace("it's \"quoted\".txt", "line 9\n", "nine\n")),
    Situation("a name with quotes, edited on the line", replace("it's \"quoted\".txt", "line 3\n", "three\n")),
    Situation("an ignored file missing, as in a fresh clone", drop("settings.local")),
    Situation(
        "an ignored file edited",
        replace("settings.local", "other: 1", "other: 2"),
        differs="an ignored file edited by the team",
        wants={
            "settings.local": b"<<<<<<< before updating\nsetting: 1\nother: 2\n=======\n"
            b"setting: 2\nother: 1\n>>>>>>> after updating\n"
        },
    ),
    Situation("an ignored file of the team's own", put("build/out.o", b"\0built")),
    Situation("a `_skip_if_exists` file edited", put("locked.txt", "mine\n")),
    Situation("a `_skip_if_exists` file deleted", drop("locked.txt")),
    Situation("a `_skip_if_exists` file in a folder deleted", drop("once/first.txt")),
    Situation("a new `_skip_if_exists` file there already", put("locked_new.txt", "mine\n")),
    Situation(
        "a `_skip_if_exists` file edited that the template drops",
        put("locked_gone.txt", "mine\n"),
        differs="a `_skip_if_exists` file that the template has no longer",
        wants={"locked_gone.txt": b"mine\n"},
    ),
    Situation("a file edited that the template excludes from now on", put("sample.txt", "mine\n")),
    Situation("a symbolic link redirected by the team", put("link", Path(".gitignore"))),
    Situation("a symbolic link deleted", drop("link")),
    Situation("a symbolic link replaced by a file", put("link_same", "a file\n")),
    Situation("a file replaced by a symbolic link", put("same.txt", Path("text.txt"))),
    Situation("a file filled by the template, edited", put("empty.txt", "mine\n")),
    Situation("the ignore file edited", replace(".gitignore", "build/\n", "build/\ndist/\n")),
    Situation("a setting of git's own for line endings", autocrlf),
]  # fmt: skip
