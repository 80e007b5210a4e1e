"""Files as plain values: what a version of a template holds, what a project holds, what will be written."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an entry of a tree is, by the mode that git records for it."""

    FILE = "100644"
    EXECUTABLE = "100755"
    SYMLINK = "120000"
    SUBMODULE = "160000"


@dataclass(frozen=True)
class File:
    """One entry: its content, for a symbolic link its target, for a submodule the id of its commit."""

    data: bytes
    kind: Kind = Kind.FILE

    @property
    def is_regular(self) -> bool:
        """Tell whether it is an ordinary file, executable or not."""
        return self.kind in {Kind.FILE, Kind.EXECUTABLE}


Tree = Mapping[str, File]
"""Entries by their path, relative, with forward slashes."""


def is_binary(data: bytes) -> bool:
    """Tell whether git would take this for binary: a NUL within the first 8000 bytes (git's xdiff-interface.c)."""
    return b"\0" in data[:8000]
