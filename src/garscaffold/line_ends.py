"""Line ends as git converts them between a commit and a checkout, by attributes and settings.

The rules are those of git's convert.c, described in gitattributes(5) under `text` and `eol`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ATTRIBUTES = ("crlf", "text", "eol")
"""The attributes that decide; `crlf` is what `text` was called once."""
SET, UNSET, AUTO, INPUT = "set", "unset", "auto", "input"
PRINTABLE = frozenset({8, 9, 12, 27, *range(32, 127), *range(128, 256)})
TO_TEXT = bytes.maketrans(bytes(PRINTABLE), b"x" * len(PRINTABLE))


@dataclass(frozen=True)
class Settings:
    """The settings of git that decide where attributes do not.

    Args:
        autocrlf: `core.autocrlf`: `true`, `input`, or anything else for false.
        eol: `core.eol`.
    """

    autocrlf: str = ""
    eol: str = ""

    @property
    def decide(self) -> bool:
        """Tell whether they ever convert a file that has no attribute."""
        return self.autocrlf in {"true", INPUT}

    @property
    def text_is_crlf(self) -> bool:
        """Tell whether a text has Windows' line ends in a checkout."""
        return self.autocrlf == "true" or (self.autocrlf != INPUT and self.eol == "crlf")


@dataclass(frozen=True)
class Conversion:
    """What git does with the line ends of a file.

    Args:
        converts: It does something at all.
        guesses: Only where the content looks like a text.
        crlf: A checkout has Windows' line ends.
    """

    converts: bool = False
    guesses: bool = False
    crlf: bool = False

    @classmethod
    def of(cls, attributes: Mapping[str, str], settings: Settings) -> "Conversion":
        """Decide for a file.

        Args:
            attributes: Its attributes, as `git check-attr` shows them.
            settings: The repository's.
        """
        text = next((word for word in (attributes.get("text"), attributes.get("crlf")) if word in _KNOWN), "")
        eol = attributes.get("eol")
        if text == UNSET:
            return cls()
        if eol in {"lf", "crlf"}:
            return cls(True, text == AUTO, eol == "crlf")
        if text == INPUT:
            return cls(True)
        if text:
            return cls(True, text == AUTO, settings.text_is_crlf)
        return cls(settings.decide, True, settings.autocrlf == "true")

    def checked_out(self, data: bytes) -> bytes:
        """Return what a checkout has for what a commit has."""
        if not (self.converts and self.crlf) or b"\n" not in data:
            return data
        if self.guesses and (b"\r" in data or _is_binary(data)):
            return data
        return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def committed(self, data: bytes, before: bytes | None) -> bytes:
        """Return what a commit gets for what a checkout has.

        Args:
            data: The content.
            before: What the commit before has there; None for nothing.
        """
        if not self.converts or b"\r\n" not in data:
            return data
        # Line ends that went in once are taken for wanted.
        if self.guesses and (_is_binary(data) or (before is not None and b"\r\n" in before and not _is_binary(before))):
            return data
        return data.replace(b"\r\n", b"\n")


_KNOWN = frozenset({SET, UNSET, AUTO, INPUT})


def _is_binary(data: bytes) -> bool:
    plain = data.replace(b"\r\n", b"")
    if b"\r" in plain or b"\0" in plain:
        return True
    plain = plain.replace(b"\n", b"").removesuffix(b"\x1a")
    printable = plain.translate(TO_TEXT).count(b"x")
    return (printable >> 7) < len(plain) - printable
