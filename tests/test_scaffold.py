from pathlib import Path

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.scaffold import move_into_place, refuse_occupied, staging


def make(staged: Path) -> None:
    staged.mkdir()
    (staged / "a.txt").write_text("a")
    (staged / "sub").mkdir()
    (staged / "sub" / "b.txt").write_text("b")


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_missing_destination_appears_whole_with_its_parents(tmp_path: Path) -> None:
    destination = tmp_path / "deep er" / "orders"
    with staging(destination) as staged:
        make(staged)
        move_into_place(staged, destination)
    assert listing(tmp_path) == [
        "deep er",
        "deep er/orders",
        *[f"deep er/orders/{n}" for n in ("a.txt", "sub", "sub/b.txt")],
    ]


def test_an_empty_destination_stays_the_folder_it_is(tmp_path: Path) -> None:
    destination = tmp_path / "orders"
    destination.mkdir()
    before = destination.stat().st_ino
    with staging(destination) as staged:
        make(staged)
        move_into_place(staged, destination)
    assert destination.stat().st_ino == before
    assert listing(destination) == ["a.txt", "sub", "sub/b.txt"]


@pytest.mark.parametrize("exists", [True, False])
def test_an_error_while_staging_leaves_nothing(tmp_path: Path, exists: bool) -> None:
    destination = tmp_path / "orders"
    if exists:
        destination.mkdir()
    with pytest.raises(KeyboardInterrupt), staging(destination) as staged:
        make(staged)
        raise KeyboardInterrupt
    assert listing(tmp_path) == (["orders"] if exists else [])


def test_a_file_that_appears_meanwhile_is_kept_and_the_move_taken_back(tmp_path: Path) -> None:
    destination = tmp_path / "orders"
    destination.mkdir()
    with pytest.raises(GarscaffoldError, match="appeared meanwhile"), staging(destination) as staged:
        make(staged)
        (destination / "sub").write_text("mine")
        move_into_place(staged, destination)
    assert listing(destination) == ["sub"]
    assert (destination / "sub").read_text() == "mine"


def test_an_occupied_destination_is_refused_with_a_free_name(tmp_path: Path) -> None:
    destination = tmp_path / "orders"
    destination.mkdir()
    (destination / "mine.txt").write_text("mine")
    (tmp_path / "orders-2").mkdir()
    with pytest.raises(GarscaffoldError, match=r"not empty: it holds mine\.txt") as caught:
        refuse_occupied(destination)
    assert "orders-3" in caught.value.mend


def test_a_file_is_no_destination(tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("")
    with pytest.raises(GarscaffoldError, match="is a file"):
        refuse_occupied(tmp_path / "orders")


def test_an_empty_clone_is_no_occupied_destination(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    refuse_occupied(tmp_path)
