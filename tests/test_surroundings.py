from pathlib import Path

import pytest

from garscaffold.surroundings import gcloud_properties, suggestions


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / ".config" / "gcloud" / "configurations"
    folder.mkdir(parents=True)
    (folder.parent / "active_config").write_text("work")
    (folder / "config_work").write_text(
        "[core]\nproject = acme-prod\naccount = ada@example.com\n"
        "[artifacts]\nlocation = europe-west1\nrepository = libs\n"
    )
    (folder / "config_other").write_text("[core]\nproject = other-project\n")
    (tmp_path / ".gitconfig").write_text('[user]\nname = "Ada Lovelace"\nemail = ada@example.com\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_reads_gits_identity_and_gclouds_active_configuration(home: Path) -> None:
    assert suggestions({}, home) == {
        "author_name": "Ada Lovelace",
        "author_email": "ada@example.com",
        "gcp_project": "acme-prod",
        "location": "europe-west1",
        "python_repository": "libs",
    }


def test_the_environment_wins_over_the_configuration(home: Path) -> None:
    assert suggestions({"CLOUDSDK_CORE_PROJECT": "from-cloudsdk"}, home)["gcp_project"] == "from-cloudsdk"
    both = {"CLOUDSDK_CORE_PROJECT": "from-cloudsdk", "GOOGLE_CLOUD_PROJECT": "from-google"}
    assert suggestions(both, home)["gcp_project"] == "from-google"


def test_another_configuration_may_be_chosen_by_the_environment(home: Path) -> None:
    assert gcloud_properties({"CLOUDSDK_ACTIVE_CONFIG_NAME": "other"}, home) == {"core/project": "other-project"}


@pytest.mark.parametrize("damage", ["missing", "binary", "no sections"])
def test_a_configuration_that_cannot_be_read_suggests_nothing(home: Path, damage: str) -> None:
    active = home / ".config" / "gcloud" / "configurations" / "config_work"
    if damage == "missing":
        active.unlink()
    else:
        active.write_bytes(b"\xff\xfe\x00" if damage == "binary" else b"project = x\n")
    assert "gcp_project" not in suggestions({}, home)
