"""The one error type of the program: a sentence, a mend and an exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process ends with; docs/exit-codes.md explains them to users."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFLICT = 3
    DEFECT = 70
    INTERRUPTED = 130
    TERMINATED = 143


class GarscaffoldError(Exception):
    """Something a person can mend.

    Args:
        sentence: What happened and why, as one or more whole sentences.
        mend: The command or action that mends it; empty where the sentence says it all.
        exit_code: What the process ends with.
    """

    def __init__(self, sentence: str, *, mend: str = "", exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.mend = mend
        self.exit_code = exit_code


class ChangedMeanwhileError(GarscaffoldError):
    """Somebody else was quicker: what was looked at is not so any more, and a second look may be all that it takes."""


def usage_error(sentence: str, *, mend: str = "") -> GarscaffoldError:
    """Return the error for a command line that cannot be carried out as it was written."""
    return GarscaffoldError(sentence, mend=mend, exit_code=ExitCode.USAGE)
