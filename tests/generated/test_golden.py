"""A listing of each main combination is in the repository, so that a reviewer sees which files a change reaches.

`UPDATE_GOLDEN=1 pytest tests/generated/test_golden.py` writes the listings anew.
"""

import hashlib
import os
from pathlib import Path

import pytest

from tests.generated.combinations import Answers, main_combinations, name_of
from tests.generated.conftest import Generate

LISTINGS = Path(__file__).parent / "golden"
# Fixed, so that the listing is the same on every Python.
FIXED = {"python_version": "3.13"}


def listing_name(answers: Answers) -> str:
    plain = {key: "private" if key == "private_packages" else value for key, value in answers.items() if value != []}
    plain.pop("build_service_account", None)
    return name_of(plain) + ("-no-ci" if answers.get("ci") == [] else "") + ".txt"


def listing(project: Path) -> str:
    """Return one line a file: whether it can be run, its lines, a digest of its content, its name."""
    lines = []
    for path in sorted(project.rglob("*"), key=lambda each: each.relative_to(project).as_posix()):
        if path.is_file():
            content = path.read_bytes()
            # The answers file knows the version that this project was rendered from, which is none here.
            digest = "-" * 12 if path.name == ".copier-answers.yml" else hashlib.sha256(content).hexdigest()[:12]
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            count = content.count(b"\n")
            lines.append(f"{mode} {count:4} {digest} {path.relative_to(project).as_posix()}\n")
    return "".join(lines)


@pytest.mark.parametrize("answers", [pytest.param(each, id=listing_name(each)) for each in main_combinations()])
def test_the_listing_is_what_is_generated(generate: Generate, tmp_path: Path, answers: Answers) -> None:
    golden = LISTINGS / listing_name(answers)
    made = listing(generate(tmp_path / "project", **answers, **FIXED))
    if os.environ.get("UPDATE_GOLDEN"):
        LISTINGS.mkdir(exist_ok=True)
        golden.write_text(made)
    assert golden.read_text() == made


def test_no_listing_is_left_over() -> None:
    assert {path.name for path in LISTINGS.iterdir()} == {listing_name(answers) for answers in main_combinations()}
