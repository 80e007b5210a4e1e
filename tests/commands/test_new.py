"""`garscaffold new` without a terminal, as scripts and CI run it."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import Garscaffold

GIVEN = ("--defaults", "--gcp-project", "acme-prod")


def files(folder: Path) -> list[str]:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in names if name.parts[0] != ".git")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def answers(project: Path) -> dict[str, object]:
    document = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("kind", ["service", "package"])
def test_makes_a_project_with_a_first_commit(garscaffold: Garscaffold, here: Path, kind: str) -> None:
    done = garscaffold("new", kind, "orders", *GIVEN)
    assert done.returncode == 0, done.stderr
    assert "pyproject.toml" in files(here / "orders")
    assert git(here / "orders", "status", "--porcelain") == ""
    assert git(here / "orders", "log", "--format=%an <%ae> %s") == (
        "Ada Lovelace <ada@example.com> chore: start orders from the garscaffold template"
    )
    assert done.stdout == ""
    first = "make lock install" if kind == "service" else "make install"
    for command in ("cd orders", first):
        assert f"\n  {command}\n" in done.stderr
    assert names(here) == ["orders"]


@pytest.mark.parametrize(("manager", "program"), [("poetry", "poetry"), ("uv", "uv"), ("pip", "keyring")])
def test_a_tool_that_is_missing_is_named_with_how_to_get_it(
    garscaffold: Garscaffold, here: Path, tmp_path: Path, manager: str, program: str
) -> None:
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git") or "")
    done = garscaffold("new", "package", "acme", *GIVEN, "--package-manager", manager, PATH=str(only_git))
    assert done.returncode == 0, done.stderr
    assert f"tip: {program} is not on PATH: pipx install" in done.stderr
    assert names(here) == ["acme"]


def test_records_a_template_that_is_the_same_for_everybody(garscaffold: Garscaffold, here: Path, home: Path) -> None:
    garscaffold("new", "service", "orders", *GIVEN)
    assert answers(here / "orders")["_src_path"] == "~/.local/share/garscaffold/template.bundle"
    assert (home / ".local/share/garscaffold/template.bundle").is_file()


def test_writes_what_copier_writes_byte_for_byte(
    garscaffold: Garscaffold, here: Path, environment: dict[str, str]
) -> None:
    """The oracle: plain Copier with the same answers and the installed template."""
    garscaffold("new", "service", "orders", *GIVEN, "--description", "Orders: 'one' & \"all\" 🛒")
    data = [f"--data={name}={json.dumps(value) if isinstance(value, list) else value}"
            for name, value in answers(here / "orders").items() if not name.startswith("_")]  # fmt: skip
    subprocess.run(
        [Path(sys.executable).with_name("copier"), "copy", "--quiet", "--defaults", *data,
         "~/.local/share/garscaffold/template.bundle", "by-copier"],
        cwd=here, env=environment, check=True,
    )  # fmt: skip
    assert files(here / "orders") == files(here / "by-copier")
    for name in files(here / "orders"):
        ours, theirs = here / "orders" / name, here / "by-copier" / name
        assert ours.read_bytes() == theirs.read_bytes(), name
        assert ours.stat().st_mode == theirs.stat().st_mode, name


def test_a_dry_run_names_every_file_and_writes_nothing(garscaffold: Garscaffold, here: Path, home: Path) -> None:
    dry = garscaffold("new", "service", "orders", *GIVEN, "--dry-run", "--json")
    assert dry.returncode == 0
    assert names(here) == []
    assert names(home) == [".gitconfig"]
    named = [change["name"] for change in json.loads(dry.stdout)["changes"] if change["kind"] == "file"]
    garscaffold("new", "service", "orders", *GIVEN)
    assert named == files(here / "orders")


def test_json_is_alone_on_standard_output(garscaffold: Garscaffold, here: Path) -> None:
    done = garscaffold("new", "package", *GIVEN, "--json", "--project-name", "acme-lib")
    document = json.loads(done.stdout)
    assert document["applied"] is True
    assert document["answers"]["project_name"] == "acme-lib"
    assert document["destination"] == "acme-lib"
    assert document["next"][0] == "cd acme-lib"
    assert (here / "acme-lib").is_dir()


def test_quiet_says_nothing(garscaffold: Garscaffold) -> None:
    done = garscaffold("new", "service", "orders", *GIVEN, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_answer_is_named_with_its_flag_and_nothing_hangs(garscaffold: Garscaffold, here: Path) -> None:
    done = garscaffold("new", "service", "orders", "--defaults")
    assert done.returncode == 2
    assert "--gcp-project" in done.stderr
    assert names(here) == []
    done = garscaffold("new")
    assert done.returncode == 2
    assert "--project-name" in done.stderr


def test_the_project_is_found_where_google_tools_look(garscaffold: Garscaffold, here: Path) -> None:
    garscaffold("new", "service", "orders", "--defaults", GOOGLE_CLOUD_PROJECT="from-environment")
    assert answers(here / "orders")["gcp_project"] == "from-environment"


def test_options_win_over_data_and_data_over_the_file(garscaffold: Garscaffold, here: Path) -> None:
    (here / "answers.yml").write_text(
        "framework: flask\npython_version: '3.11'\nlocation: europe-west1\ndeploy: none\n"
    )
    done = garscaffold(
        "new", "service", "made/orders", *GIVEN, "--data-file", "answers.yml", "-d", "framework=worker",
        "-d", "location=europe-west4", "--location", "us", "-d", "private_packages=[acme-lib]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = answers(here / "made" / "orders")
    assert [made[name] for name in ("framework", "python_version", "location", "private_packages")] == [
        "worker", "3.11", "us", ["acme-lib"],
    ]  # fmt: skip


def test_a_list_is_given_by_repeating_its_option(garscaffold: Garscaffold, here: Path) -> None:
    garscaffold("new", "service", "o", *GIVEN, "--private-packages", "acme-lib>=1,<2", "--private-packages", "acme-db")
    assert answers(here / "o")["private_packages"] == ["acme-lib>=1,<2", "acme-db"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "no_equals"], "is not KEY=VALUE"),
        (["-d", "framwork=flask"], "Did you mean framework?"),
        (["--data-file", "missing.yml"], "does not exist"),
        (["--data-file", "broken.yml"], "is not YAML"),
        (["--data-file", "list.yml"], "is not a mapping"),
        (["--framework", "django"], "not one of"),
        (["-d", "framework=django"], "none of: fastapi, flask, worker"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(
    garscaffold: Garscaffold, here: Path, arguments: list[str], said: str
) -> None:
    (here / "broken.yml").write_text("a: [1\n")
    (here / "list.yml").write_text("- a\n")
    done = garscaffold("new", "service", "orders", *GIVEN, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (here / "orders").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gcp_project", "Acme"),
        ("gcp_project", "a" * 31),
        ("gcp_project", "acme-prod\n"),
        ("location", "mars"),
        ("python_repository", "-python"),
        ("docker_repository", "Docker"),
        ("source_name", "gar2"),
        ("project_name", "Orders"),
        ("project_name", "../orders"),
        ("module_name", "class"),
        ("module_name", "json"),
        ("module_name", "fastapi"),
        ("description", "two\nlines"),
        ("author_email", "nobody"),
        ("private_packages", "[acme-lib @ https://example.com/x.whl]"),
        ("private_packages", "acme-lib"),
        ("build_service_account", "someone@example.com"),
    ],
)
def test_an_invalid_name_is_refused_with_its_rule(garscaffold: Garscaffold, here: Path, name: str, value: str) -> None:
    done = garscaffold("new", "service", "orders", "--defaults", "-d", "gcp_project=acme-prod", "-d", f"{name}={value}")
    assert done.returncode == 2, done.stdout
    flag = "--" + name.replace("_", "-")
    assert f"  {flag}: " in done.stderr
    assert names(here) == []


def test_an_occupied_destination_is_refused_with_the_way_out(garscaffold: Garscaffold, here: Path) -> None:
    (here / "orders").mkdir()
    (here / "orders" / "mine.txt").write_text("mine")
    done = garscaffold("new", "service", "orders", *GIVEN)
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert "orders-2" in done.stderr
    assert files(here) == ["orders/mine.txt"]


def test_makes_a_project_in_the_empty_folder_where_one_stands(garscaffold: Garscaffold, tmp_path: Path) -> None:
    folder = tmp_path / "my orders"
    folder.mkdir()
    done = garscaffold("new", "service", ".", *GIVEN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert answers(folder)["project_name"] == "my-orders"
    assert git(folder, "status", "--porcelain") == ""


def test_inside_a_repository_no_other_repository_is_made(garscaffold: Garscaffold, here: Path) -> None:
    git(here, "init", "--quiet")
    done = garscaffold("new", "package", "libs/acme", *GIVEN)
    assert done.returncode == 0, done.stderr
    assert not (here / "libs" / "acme" / ".git").exists()
    assert "git add --all && git commit" in done.stderr


def test_no_git_makes_no_repository(garscaffold: Garscaffold, here: Path) -> None:
    assert garscaffold("new", "package", "acme", *GIVEN, "--no-git").returncode == 0
    assert not (here / "acme" / ".git").exists()


def test_a_commit_that_git_refuses_leaves_nothing(garscaffold: Garscaffold, here: Path, home: Path) -> None:
    hooks = home / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\necho no commit today >&2\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[core]\nhooksPath = {hooks}\n")
    done = garscaffold("new", "package", "acme", *GIVEN)
    assert done.returncode == 1
    assert "no commit today" in done.stderr
    assert "--no-git" in done.stderr
    assert names(here) == []


def test_somebody_whom_git_does_not_know_is_named_by_the_answers(
    garscaffold: Garscaffold, here: Path, home: Path
) -> None:
    (home / ".gitconfig").unlink()
    done = garscaffold(
        "new", "package", "acme", *GIVEN, "--author-name", "Grace", "--author-email", "grace@example.com"
    )
    assert done.returncode == 0, done.stderr
    assert git(here / "acme", "log", "--format=%an <%ae>") == "Grace <grace@example.com>"


def test_a_git_hook_that_runs_us_does_not_redirect_our_git(
    garscaffold: Garscaffold, here: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", str(other))
    done = garscaffold("new", "package", "acme", *GIVEN, GIT_DIR=str(other / ".git"))
    assert done.returncode == 0, done.stderr
    assert git(here / "acme", "status", "--porcelain") == ""
    assert "HEAD" not in git(other, "branch", "--all")


def test_without_git_the_error_names_it(garscaffold: Garscaffold, tmp_path: Path) -> None:
    done = garscaffold("new", "package", "acme", *GIVEN, PATH=str(tmp_path))
    assert done.returncode == 1
    assert "git is not installed" in done.stderr


def test_a_full_disk_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    """No file may grow beyond 1 kB, which is how a full disk looks to a program that anybody can run."""
    folder = tmp_path / "here"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "garscaffold", "new", "service", "orders", *GIVEN],
        cwd=folder,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.05, 0.3, 0.45, 0.6, 0.75, 0.9])
def test_a_signal_at_any_moment_leaves_nothing_or_the_whole(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals, delay: float
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "garscaffold", "new", "service", "orders", *GIVEN],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        time.sleep(delay)
        os.killpg(program.pid, number)
        program.communicate(timeout=60)
    if program.returncode == 0 or names(folder):
        assert names(folder) == ["orders"]
        assert git(folder / "orders", "status", "--porcelain") == ""
        assert git(folder / "orders", "rev-list", "--count", "HEAD") == "1"
