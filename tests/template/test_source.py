"""What names a template, in a form that plain Copier and we read as the same repository."""

from pathlib import Path

import copier._vcs
import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.template.bundle import SOURCE
from garscaffold.template.repository import location_of
from garscaffold.template.source import recorded_source
from tests.template import forks
from tests.update.templates import release

HOME, HERE = Path("/home/ada"), Path("/code/here")


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        ("default", SOURCE),
        ("~/.local/share/garscaffold/template.bundle", SOURCE),
        ("/home/ada/.local/share/garscaffold/template.bundle", SOURCE),
        ("gh:acme/template", "gh:acme/template"),
        ("https://github.com/acme/template", "https://github.com/acme/template"),
        ("https://git.acme.example/template.git", "https://git.acme.example/template.git"),
        ("https://git.acme.example/template", "git+https://git.acme.example/template"),
        ("git+https://git.acme.example/template", "git+https://git.acme.example/template"),
        ("ssh://git@git.acme.example:2222/template", "git+ssh://git@git.acme.example:2222/template"),
        ("file:///srv/template", "git+file:///srv/template"),
        ("git@git.acme.example:platform/template", "git@git.acme.example:platform/template"),
        ("deploy@git.acme.example:template", "git+deploy@git.acme.example:template"),
        ("git.acme.example:template.git", "git.acme.example:template.git"),
        ("git+git.acme.example:template", "git+git.acme.example:template"),
        ("  template ", "/code/here/template"),
        ("../template", "/code/template"),
        ("~/templates/acme", "~/templates/acme"),
    ],
)
def test_is_recorded_as_copier_understands_it(typed: str, recorded: str) -> None:
    assert recorded_source(typed, home=HOME, here=HERE) == recorded
    assert recorded_source(recorded, home=HOME, here=HERE) == recorded
    if ":" in recorded:
        assert copier._vcs.get_repo(recorded) == location_of(recorded)


def test_paths_of_every_kind_of_repository_are_read_by_copier(tmp_path: Path) -> None:
    release(tmp_path / "checkout", "1.0.0", {"a": ""})
    for name in ("bare", "bare.git"):
        forks.bare(tmp_path / name)
    for name in ("checkout", "bare", "bare.git"):
        recorded = recorded_source(name, home=HOME, here=tmp_path)
        assert copier._vcs.get_repo(recorded) == location_of(recorded) == str(tmp_path / name)


@pytest.mark.parametrize(
    "address",
    [
        "https://ada:secret@git.acme.example/t.git",
        "https://secret@git.acme.example/t.git",
        "git+https://secret@git.acme.example/t",
        "ssh://git:secret@git.acme.example/t.git",
    ],
)
def test_a_credential_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(GarscaffoldError) as refused:
        recorded_source(address, home=HOME, here=HERE)
    assert "secret" not in refused.value.sentence + refused.value.mend
    assert "git.acme.example/t" in refused.value.mend
