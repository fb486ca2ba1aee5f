"""Outputs that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msft.errors import ParameterError
from msft.output import check_own, check_writable, whole


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_changes_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), whole(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "stale").write_text("old")
    with whole(path) as temporary:
        temporary.mkdir()
        (temporary / "fresh").write_text("new")
    assert [file.name for file in path.iterdir()] == ["fresh"]
    with pytest.raises(RuntimeError), whole(path) as temporary:  # noqa: PT012
        temporary.mkdir()
        (temporary / "half").write_text("half")
        raise RuntimeError
    assert [file.name for file in path.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_relative_path_is_relative_to_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with whole(Path("a.txt")) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_file_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    check_writable(path, force=False)
    path.write_text("old")
    check_writable(path, force=True)
    with pytest.raises(ParameterError, match="--force") as caught:
        check_writable(path, force=False)
    assert caught.value.field == "out"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        check_writable(tmp_path / "no" / "a.txt")
    assert caught.value.field == "out"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ParameterError):
        check_writable(tmp_path / "a.txt")


def test_a_folder_is_not_taken_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="a folder"):
        check_writable(tmp_path, force=True)
    check_writable(tmp_path, force=True, folder=True)


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (Path(os.devnull), tmp_path / "pipe"):
        with pytest.raises(ParameterError, match="not a pipe or a device"):
            check_writable(place)


@pytest.mark.parametrize("folder", [False, True])
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path, folder: bool) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(ParameterError, match="a link that leads nowhere") as caught:
        check_writable(tmp_path / "dangling", folder=folder)
    assert caught.value.field == "out"
    (tmp_path / "nowhere").mkdir() if folder else (tmp_path / "nowhere").write_text("")
    check_writable(tmp_path / "dangling", folder=folder)


def test_what_a_command_did_not_write_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    check_own(path, lambda _: False)
    path.write_text("")
    check_own(path, lambda _: False)
    path.write_text("somebody's")
    check_own(path, lambda _: True)
    with pytest.raises(ParameterError, match="it holds something else") as caught:
        check_own(path, lambda _: False)
    assert caught.value.field == "out"


@pytest.mark.parametrize("name", ["n" * 251 + ".h5", "ö" * 120 + ".h5", "n." + "h" * 150])
def test_a_name_too_long_for_what_is_unfinished_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match="bytes"):
        check_writable(tmp_path / name)


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * (255 - 24 - 3 - 3) + ".h5")
    check_writable(path)
    with whole(path) as temporary:
        temporary.write_text("new")
    working = path.with_name(path.name + ".partial.journal.new")
    working.write_text("")
    with whole(path.with_name("m" + path.name[1:])) as temporary:
        temporary.mkdir()
    with pytest.raises(ParameterError, match="bytes"):
        check_writable(path.with_name("n" + path.name))
