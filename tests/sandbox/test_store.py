import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.state import StateDirectory
from garscaffold.sandbox.store import AlreadyThere, EtagMismatch, Fault, FileRecord, Store

NAME = "projects/p/locations/europe/repositories/r"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(StateDirectory(tmp_path)) as opened:
        yield opened


def record(store: Store, filename: str, content: bytes = b"x", repository: str = NAME) -> FileRecord:
    blob = store.keep_blob(io.BytesIO(content))
    return FileRecord(repository, "pkg", "1.0", filename, blob.sha256, blob.size, ">=3.8", {"name": ["pkg"]}, 1.0)


def test_a_repository_is_kept_as_it_was_sent(store: Store) -> None:
    created = store.create_repository({"name": NAME, "format": "PYTHON", "labels": {"a": "b"}, "unheard": {"of": [1]}})
    found = store.repository(NAME)
    assert found == created
    assert (created.project, created.location, created.repository_id) == ("p", "europe", "r")
    assert created.mode == "STANDARD_REPOSITORY"
    assert created.resource["unheard"] == {"of": [1]}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", created.resource["createTime"])
    with pytest.raises(AlreadyThere):
        store.create_repository({"name": NAME})


def test_repositories_are_listed_by_location_only(store: Store) -> None:
    for name in ("projects/p/locations/eu/repositories/b", "projects/p/locations/eu/repositories/a", NAME):
        store.create_repository({"name": name, "format": "PYTHON"})
    assert [each.repository_id for each in store.repositories("projects/p/locations/eu")] == ["a", "b"]
    assert len(store.repositories()) == 3


def test_a_deleted_repository_takes_its_files_and_grants_along(store: Store) -> None:
    store.create_repository({"name": NAME, "format": "PYTHON"})
    store.add_file(record(store, "pkg-1.0.tar.gz"))
    store.grant(NAME, "roles/x", "user:a@example.com")
    store.delete_repository(NAME)
    assert store.files(NAME) == []
    assert store.policy(NAME).bindings == ()


def test_a_policy_is_only_written_with_the_etag_that_was_read(store: Store) -> None:
    before = store.policy(NAME)
    written = store.set_policy(NAME, [{"role": "r", "members": ["a"]}], before.etag)
    assert written.etag != before.etag
    with pytest.raises(EtagMismatch):
        store.set_policy(NAME, [], before.etag)
    assert store.policy(NAME).bindings == ({"role": "r", "members": ["a"]},)


def test_grant_and_revoke_change_one_member(store: Store) -> None:
    for member in ("a", "b", "a"):
        store.grant(NAME, "r", member)
    assert store.policy(NAME).bindings == ({"role": "r", "members": ["a", "b"]},)
    store.revoke(NAME, "r", "a")
    store.revoke(NAME, "r", "b")
    assert store.policy(NAME).bindings == ()


def test_a_file_name_is_taken_once(store: Store) -> None:
    store.add_file(record(store, "pkg-1.0.tar.gz"))
    with pytest.raises(AlreadyThere):
        store.add_file(record(store, "pkg-1.0.tar.gz", b"other"))
    assert store.packages(NAME) == ["pkg"]
    assert store.size(NAME) == 1
    assert store.delete_files(NAME, "pkg", "1.0") == 1
    assert store.packages(NAME) == []


def test_tokens_expire_and_are_not_on_disk(store: Store, tmp_path: Path) -> None:
    token = store.mint("user", 60)
    assert store.bearer(token) is not None
    assert store.bearer(token, kind="refresh") is None
    assert store.bearer(store.mint("user", 0)) is None
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_fault_is_spent(store: Store) -> None:
    store.set_fault(Fault("quota-429", 0, 2))
    assert [store.spend_fault("quota-429") is not None for _ in range(3)] == [True, True, False]


def test_any_process_sees_that_another_wrote(store: Store) -> None:
    before = store.version()
    assert store.version() == before
    with Store(store.state) as other:
        other.set_setting("a", 1)
    assert store.version() != before
    assert store.setting("a") == 1


def test_threads_and_processes_write_at_once(store: Store) -> None:
    others = [Store(store.state) for _ in range(3)]

    def grant(number: int) -> None:
        for turn in range(5):
            others[number % 3].grant(NAME, "r", f"{number}-{turn}")

    threads = [threading.Thread(target=grant, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert len(store.policy(NAME).bindings[0]["members"]) == 30


WRITER = """
import io, os, sys
from pathlib import Path
from garscaffold.sandbox.state import StateDirectory
from garscaffold.sandbox.store import FileRecord, Store
store = Store(StateDirectory(Path(sys.argv[1])))
for number in range(100000):
    content = os.urandom(20000)
    blob = store.keep_blob(io.BytesIO(content))
    name = f"pkg-{sys.argv[2]}.{number}.tar.gz"
    store.add_file(FileRecord("r", "pkg", "1", name, blob.sha256, blob.size, "", {}, 0.0))
    print(name, blob.sha256, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    for turn in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(turn)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.03 * turn)
        os.kill(process.pid, signal.SIGKILL)
        lines = process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        acknowledged |= dict(line.split() for line in lines if len(line.split()) == 2)
    assert len(acknowledged) > 4
    import hashlib

    with Store(StateDirectory(tmp_path)) as store:
        for name, sha256 in acknowledged.items():
            found = store.file("r", name)
            assert found is not None
            assert hashlib.sha256(store.blob_path(found.sha256).read_bytes()).hexdigest() == sha256


def test_the_first_secret_stays(tmp_path: Path) -> None:
    with Store(StateDirectory(tmp_path)) as first, Store(StateDirectory(tmp_path)) as second:
        assert first.secret("a") == second.secret("a")
        assert first.secret("a") != first.secret("b")


def test_the_state_is_the_owners_only(own_sandbox: Sandbox) -> None:
    state = own_sandbox.state
    for private in (state.database, state.running, state.server_certificate, own_sandbox.adc_file("reader")):
        assert private.stat().st_mode & 0o077 == 0, private
    assert state.path.stat().st_mode & 0o077 == 0
