"""Texts that somebody else wrote, made fit to be shown: nothing invisible, no credential, and links to the web only."""

import re
import unicodedata
from urllib.parse import urlsplit

CREDENTIAL = re.compile(
    r"(?<=://)[^\s/@\"'<>]*:[^\s/@\"'<>]*@|(?<=https://)[^\s/@:\"'<>]+@|(?<=http://)[^\s/@:\"'<>]+@"
)
WEB_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+")
COMMANDS = ("cd", "copier", "garscaffold", "gcloud", "gh", "git", "glab", "sudo")
AFTER_COMMAND = re.compile(r"[,;] (?:or|then)\b| \(|(?<=[^ ])\.$")
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""A terminal's sequences: of colours and positions, of titles and links, of one letter (ECMA-48)."""
OTHER_THAN_ASCII = re.compile(r"[^\x20-\x7e\n\t]")
JOINERS = "\u200c\u200d"
"""Zero-width, and part of how some languages are written."""


def shown(text: str) -> str:
    """Return a text with what cannot be seen written out, and what nobody should see left out.

    Control characters end a tag or a terminal's line, and those for the direction of writing let a name look like
    another one (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing); HTML has no way to write some of
    them. User and password of a URL are left out, since the page is for more people than the repository is.
    """
    return OTHER_THAN_ASCII.sub(lambda found: _visible(found[0]), without_credentials(text))


def plain(text: str) -> str:
    """Return what a program wrote for a terminal as text: without colours, each line as it was in the end."""
    lines = ESCAPE.sub("", text).split("\n")
    return shown("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


def without_credentials(text: str) -> str:
    """Return a text without the user and password of the URLs in it; the name alone, as of ssh, stays."""
    return CREDENTIAL.sub("…@", text)


def web_link(text: str) -> str:
    """Return the address that may be followed from a page: of http or https, without a credential; '' for any other."""
    if not WEB_LINK.fullmatch(text):
        return ""
    try:
        parts = urlsplit(text)
        # A port that is none shows up only when it is asked for.
        if not parts.hostname or parts.port == 0:
            return ""
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def command_in(mend: str) -> str:
    """Return the command that a mend names, to be copied; '' where it names none.

    A line break would run what was copied the moment that it is pasted.
    """
    parts = re.findall(r"`([^`]+)`", mend) or [mend, *(mend[colon.end() :] for colon in re.finditer(r": +", mend))]
    found = next((part for part in parts if part.split(" ")[0] in COMMANDS), "")
    command = AFTER_COMMAND.split(found)[0].strip()
    return command if shown(command) == command and "\n" not in command else ""


def _visible(character: str) -> str:
    if character in JOINERS:
        return character
    code = ord(character)
    category = unicodedata.category(character)
    # The last two of each plane are no characters, and stand for none: category Cn, as is what is not assigned yet.
    if category in ("Cc", "Cf", "Cs", "Zl", "Zp") or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return f"\\u{{{code:x}}}"
    return character
