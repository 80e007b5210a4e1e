"""A generated package and the generated services that need it, against Artifact Registry's stand-in."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from garscaffold.sandbox import Sandbox
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Toolbox

pytestmark = [pytest.mark.generated, pytest.mark.clients]

USES_IT = "import acme_greetings; print(acme_greetings.greet('Ada'))"
INDEX = "https://us-central1-python.pkg.dev/acme-prod"


@pytest.fixture(scope="module", params=["explicit", "virtual"])
def service(
    request: pytest.FixtureRequest,
    generate: Generate,
    toolbox: Toolbox,
    as_identity: AsIdentity,
    package: tuple[Path, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A service that needs the package, locked and installed with a reader's credentials."""
    folder = generate(
        tmp_path_factory.mktemp(request.param) / "project",
        kind="service",
        framework="worker",
        image_install="workspace",
        index_mode=request.param,
        private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"],
    )
    for target in ("lock", "install"):
        toolbox.run("make", target, cwd=folder, variables=as_identity("reader"))
    return folder


def test_a_package_is_published_by_its_own_command(package: tuple[Path, str]) -> None:
    _, said = package
    assert "dist/acme_greetings-0.1.0.tar.gz: published\n" in said
    assert "dist/acme_greetings-0.1.0-py3-none-any.whl: published\n" in said


def test_publishing_a_version_again_says_so_and_succeeds(
    package: tuple[Path, str], toolbox: Toolbox, as_identity: AsIdentity
) -> None:
    folder, _ = package
    done = toolbox.run("make", "publish", cwd=folder, variables=as_identity("writer"))
    assert done.stdout.count("published before, left as it is") == 2
    assert done.stdout.endswith("To publish a change, raise the version in pyproject.toml.\n")
    assert "Traceback" not in done.stdout


def test_what_is_missing_is_published_beside_what_is_there(
    package: tuple[Path, str], toolbox: Toolbox, as_identity: AsIdentity
) -> None:
    """An upload that was interrupted between its two files is completed by the next."""
    folder, _ = package
    other = folder.parent / "interrupted"
    toolbox.run("cp", "-r", folder, other, cwd=folder)
    definition = other / "pyproject.toml"
    definition.write_text(definition.read_text().replace('version = "0.1.0"', 'version = "0.1.1"'))
    toolbox.run("poetry", "build", "--clean", "--format", "wheel", cwd=other)
    publish = ["poetry", "run", "python", "tools/publish.py"]
    wheel = "dist/acme_greetings-0.1.1-py3-none-any.whl"
    toolbox.run(*publish, wheel, cwd=other, variables=as_identity("writer"))
    toolbox.run("poetry", "build", "--format", "sdist", cwd=other)
    sdist = "dist/acme_greetings-0.1.1.tar.gz"
    done = toolbox.run(*publish, wheel, sdist, cwd=other, variables=as_identity("writer"))
    assert done.stdout == f"{wheel}: published before, left as it is\n{sdist}: published\n"


def release(
    package: tuple[Path, str], toolbox: Toolbox, variables: dict[str, str], tag: str, path: str = "", status: int = 0
) -> str:
    """Run a package's `tools/publish.py` as a pipeline does for a tag; return what it said."""
    folder, _ = package
    built = [str(each.relative_to(folder)) for each in sorted((folder / "dist").glob("[!.]*"))]
    files = [path] if path else built
    command = [str(folder / ".venv/bin/python"), "tools/publish.py", "--tag", tag, *files]
    return toolbox.run(*command, cwd=folder, status=status, variables=variables).stdout


def test_a_tag_without_its_version_publishes_nothing(
    package: tuple[Path, str], toolbox: Toolbox, sandbox: Sandbox, as_identity: AsIdentity
) -> None:
    sandbox.forget_requests()
    said = release(package, toolbox, as_identity("writer"), "v0.2.0", status=1)
    assert said.startswith("The tag is v0.2.0, and dist/acme_greetings-0.1.0")
    assert "is of version 0.1.0: nothing was published.\n" in said
    assert said.endswith("run make lock, commit, and\ntag that commit. Or tag this one v0.1.0.\n")
    assert not [each for each in sandbox.requests() if each["method"] == "POST" and "pkg.dev" in each["host"]]
    for tag in ("v0.1.0", "0.1.0", ""):
        assert "published before" in release(package, toolbox, as_identity("writer"), tag)


@pytest.mark.parametrize(
    ("tag", "path", "fits"),
    [
        ("v1.0.0rc1", "dist/acme_greetings-1.0.0rc1-py3-none-any.whl", True),
        ("v1.0.0", "dist/acme_greetings-1.0.0rc1-py3-none-any.whl", False),
        ("v1.0.0", "dist/acme_greetings-1.0.0.tar.gz", True),
        ("v1.0.0", "dist/acme_greetings-1.0.0.post1.tar.gz", False),
        ("v1", "dist/acme_greetings-1.0.0.tar.gz", False),
        ("version1.0.0", "dist/acme_greetings-1.0.0.tar.gz", False),
    ],
)
def test_a_tag_is_compared_with_what_was_built(
    package: tuple[Path, str], toolbox: Toolbox, tag: str, path: str, fits: bool
) -> None:
    """A file that fits is looked for, and is not there."""
    said = release(package, toolbox, {}, tag, path, status=1)
    assert ("nothing was published" in said) == (not fits)


@pytest.mark.parametrize(
    ("identity", "mend"),
    [
        ("reader", "needs roles/artifactregistry.writer on https://us-central1-python.pkg.dev/acme-prod/python/"),
        ("anonymous", "No credential was found. Log in: gcloud auth application-default login"),
    ],
)
def test_a_publisher_without_the_right_is_told_why(
    package: tuple[Path, str], toolbox: Toolbox, as_identity: AsIdentity, identity: str, mend: str
) -> None:
    folder, _ = package
    done = toolbox.run("make", "publish", cwd=folder, status=2, variables=as_identity(identity))
    assert mend in done.stdout.splitlines()[-2]


def test_a_service_installs_it(service: Path, toolbox: Toolbox) -> None:
    assert toolbox.run(service / ".venv/bin/python", "-c", USES_IT, cwd=service).stdout == "Hello, Ada!\n"


def test_its_lock_and_requirements_name_the_index_without_credentials(service: Path) -> None:
    for name in ("poetry.lock", "requirements.txt"):
        text = (service / name).read_text()
        assert INDEX in text
        assert "@" not in text.split(INDEX)[0].splitlines()[-1]
        assert "oauth2accesstoken" not in text
    assert f"{PRIVATE_NAME}==0.1." in (service / "requirements.txt").read_text()


@pytest.mark.parametrize("mode", ["explicit", "virtual"])
def test_pip_takes_nothing_from_requirements_that_are_not_locked(
    generate: Generate, toolbox: Toolbox, sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path, mode: str
) -> None:
    folder = generate(tmp_path / "project", private_packages=[f"{PRIVATE_NAME}>=0.1"], index_mode=mode)
    toolbox.run("python3", "-m", "venv", "venv", cwd=tmp_path)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine us-central1-python.pkg.dev login oauth2accesstoken password {sandbox.token('reader')}\n")
    command: list[str | Path] = [tmp_path / "venv/bin/pip", "download", "--no-input", "-r", folder / "requirements.txt"]
    variables = {**as_identity("anonymous"), "NETRC": str(netrc)}
    done = toolbox.run(*command, cwd=tmp_path, status=1, variables=variables)
    assert "--require-hashes mode" in done.stdout


@pytest.mark.parametrize("credential", ["adc", "token"])
def test_the_workspace_is_filled_with_what_is_locked(
    service: Path, toolbox: Toolbox, sandbox: Sandbox, as_identity: AsIdentity, credential: str
) -> None:
    if credential == "adc":
        variables = as_identity("reader")
    else:
        variables = {**as_identity("anonymous"), "GAR_TOKEN": sandbox.token("reader")}
    toolbox.run("sh", "docker/install.sh", cwd=service, variables=variables)
    done = toolbox.run("python3", "-c", USES_IT, cwd=service, variables={"PYTHONPATH": str(service / "installs")})
    assert done.stdout == "Hello, Ada!\n"
    secret = json.loads(sandbox.adc_file("reader").read_text())["private_key"]
    for path in (service / "installs").rglob("*"):
        assert not path.is_file() or (secret not in path.read_text(errors="replace"))


def test_the_workspace_is_not_filled_without_a_credential(
    service: Path, toolbox: Toolbox, as_identity: AsIdentity, tmp_path: Path
) -> None:
    (tmp_path / "empty.json").touch()
    for file in ("", str(tmp_path / "empty.json")):
        variables = {**as_identity("anonymous"), "GOOGLE_APPLICATION_CREDENTIALS": file}
        done = toolbox.run("sh", "docker/install.sh", cwd=service, status=1, variables=variables)
        assert done.stdout.endswith("    GAR_TOKEN=$(gcloud auth print-access-token) make build\n")


def test_the_workspace_is_not_filled_from_what_is_not_locked(
    generate: Generate, toolbox: Toolbox, tmp_path: Path
) -> None:
    said = {
        "poetry": "There is no poetry.lock. Write it with: make lock\n",
        "pip": "requirements.txt is not locked. Lock it with: make lock\n",
    }
    for manager in said:
        folder = generate(tmp_path / manager, kind="service", package_manager=manager, image_install="workspace")
        assert toolbox.run("sh", "docker/install.sh", cwd=folder, status=1).stdout == said[manager]


def test_the_workspace_is_filled_from_the_lock_that_the_pipeline_checks(
    service: Path, toolbox: Toolbox, sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path
) -> None:
    """The exported requirements may be of another day; where the lock is, nothing is installed."""
    folder = tmp_path / "project"
    shutil.copytree(service, folder, ignore=shutil.ignore_patterns(".venv", "installs"))
    (folder / "requirements.txt").write_text("nothing-of-the-kind==1 --hash=sha256:0\n")
    # An environment of the workstation's own stays as it is.
    (folder / ".venv").mkdir()
    toolbox.run("sh", "docker/install.sh", cwd=folder, variables=as_identity("reader"))
    done = toolbox.run("python3", "-c", USES_IT, cwd=folder, variables={"PYTHONPATH": str(folder / "installs")})
    assert done.stdout == "Hello, Ada!\n"
    assert list((folder / ".venv").iterdir()) == []

    lock = folder / "poetry.lock"
    text = lock.read_text()
    # What is served under the name of what was locked is something else.
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", text))
    variables = {**as_identity("reader"), "POETRY_CACHE_DIR": str(tmp_path / "cache")}
    done = toolbox.run("sh", "docker/install.sh", cwd=folder, status=1, variables=variables)
    assert "did not match any known checksums" in done.stdout
    assert not (folder / "installs").exists()

    lock.write_text(text)
    definition = folder / "pyproject.toml"
    definition.write_text(definition.read_text().replace(f"{PRIVATE_NAME}>=0.1,<0.2", f"{PRIVATE_NAME}>=0.1,<0.3"))
    done = toolbox.run("sh", "docker/install.sh", cwd=folder, status=1, variables=as_identity("reader"))
    assert "poetry.lock was last generated" in done.stdout


WIF = "projects/1/locations/global/workloadIdentityPools/pool/providers/provider"


@pytest.fixture(scope="module", params=["uv", "pip"])
def other_package(
    request: pytest.FixtureRequest,
    generate: Generate,
    toolbox: Toolbox,
    as_identity: AsIdentity,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, str]:
    """A package of another manager that its own command has published, and what that command said."""
    folder = generate(
        tmp_path_factory.mktemp("other") / "project",
        kind="package",
        project_name=f"acme-{request.param}-made",
        package_manager=request.param,
        ci=["gitlab"],
        wif_provider=WIF,
        build_service_account="builder@acme-prod.iam.gserviceaccount.com",
    )
    toolbox.run("make", "install", cwd=folder)
    return folder, toolbox.run("make", "publish", cwd=folder, variables=as_identity("writer")).stdout


def test_other_managers_publish_and_say_what_is_there(
    other_package: tuple[Path, str], toolbox: Toolbox, as_identity: AsIdentity
) -> None:
    folder, said = other_package
    assert said.count(": published\n") == 2
    again = toolbox.run("make", "publish", cwd=folder, variables=as_identity("writer")).stdout
    assert again.count("published before, left as it is") == 2
    assert again.endswith("To publish a change, raise the version in pyproject.toml.\n")
    assert "The tag is v0.2.0" in release(other_package, toolbox, as_identity("writer"), "v0.2.0", status=1)
    assert "published before" in release(other_package, toolbox, as_identity("writer"), "v0.1.0")
    refused = toolbox.run("make", "publish", cwd=folder, status=2, variables=as_identity("reader")).stdout
    assert "needs roles/artifactregistry.writer on" in refused.splitlines()[-2]
    unknown = toolbox.run("make", "publish", cwd=folder, status=2, variables=as_identity("anonymous")).stdout
    assert "No credential was found. Log in: gcloud auth" in unknown.splitlines()[-2]


def test_other_managers_publish_with_a_token(
    other_package: tuple[Path, str], toolbox: Toolbox, sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path
) -> None:
    """The lines that pipelines take the token with are all that a pipeline needs, and leave nothing behind."""
    folder, _ = other_package
    script = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["publish"]["script"]
    taking = [line for line in script if "GAR_TOKEN" in line or "NETRC" in line or "KEYRING" in line]
    assert taking[:2] == ["GAR_TOKEN=$(python3 ci/access_token.py)", "export GAR_TOKEN"]
    variables = {**as_identity("anonymous"), "GAR_TOKEN": sandbox.token("writer"), "TMPDIR": str(tmp_path)}
    shell = "\n".join([*taking[2:], "make publish"])
    done = toolbox.run("sh", "-euc", shell, cwd=folder, variables=variables)
    assert list(tmp_path.glob("tmp.*")) == []
    assert done.stdout.count("published before, left as it is") == 2


@pytest.mark.parametrize("shell", ["sh -euc", "bash -eo pipefail -c"])
@pytest.mark.parametrize(("ending", "status"), [("true", 0), ("false", 1), ("exit 3", 3)])
def test_the_file_that_pip_takes_a_token_from_is_gone_however_the_shell_ends(
    generate: Generate, toolbox: Toolbox, tmp_path: Path, shell: str, ending: str, status: int
) -> None:
    folder = generate(
        tmp_path / "project",
        package_manager="pip",
        ci=["gitlab"],
        wif_provider=WIF,
        build_service_account="builder@acme-prod.iam.gserviceaccount.com",
    )
    script = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["test"]["script"]
    taking = [line for line in script if "NETRC" in line]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    variables = {"GAR_TOKEN": "a-token", "TMPDIR": str(temporary)}
    # A trap that the shell had before is not lost, not even one that fails.
    lines = ["trap 'echo ended; false' EXIT", *taking, 'cat "$NETRC"', ending]
    done = toolbox.run(*shell.split(), "\n".join(lines), cwd=folder, status=status, variables=variables)
    assert done.stdout == "machine us-central1-python.pkg.dev login oauth2accesstoken password a-token\nended\n"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("credential", ["adc", "token"])
def test_uv_fills_the_workspace_with_what_is_locked(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    package: object,
    tmp_path: Path,
    credential: str,
) -> None:
    answers = {"kind": "service", "framework": "worker", "package_manager": "uv", "image_install": "workspace"}
    folder = generate(tmp_path / "project", **answers, private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"])
    done = toolbox.run("sh", "docker/install.sh", cwd=folder, status=1)
    assert done.stdout == "There is no uv.lock. Write it with: make lock\n"
    toolbox.run("make", "lock", cwd=folder, variables=as_identity("reader"))
    variables = as_identity("reader")
    if credential == "token":
        variables = {**as_identity("anonymous"), "GAR_TOKEN": sandbox.token("reader")}
    toolbox.run("sh", "docker/install.sh", cwd=folder, variables=variables)
    done = toolbox.run("python3", "-c", USES_IT, cwd=folder, variables={"PYTHONPATH": str(folder / "installs")})
    assert done.stdout == "Hello, Ada!\n"
    refused = toolbox.run("sh", "docker/install.sh", cwd=folder, status=1, variables=as_identity("anonymous"))
    assert refused.stdout.endswith("    GAR_TOKEN=$(gcloud auth print-access-token) make build\n")
