"""Nothing is written behind a link, and nothing that is no file is waited for."""

import os
import stat

import pytest

from rtickets.errors import InputError
from rtickets.storage import guarded


@pytest.fixture(params=["link", "dangling link", "pipe", "folder", "device", "socket"])
def no_file(request, tmp_path):
    """Something that is no regular file; and, where it is a link, the file it leads to."""
    path, target = tmp_path / "name", tmp_path / "target"
    if request.param == "link":
        target.write_text("mine")
        path.symlink_to(target)
    elif request.param == "dangling link":
        path.symlink_to(target)
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    return path


def test_nothing_is_written_to_what_is_no_file_of_this_folder(no_file):
    before = no_file.lstat()
    with pytest.raises(InputError, match=str(no_file)):
        guarded.open_to_append(no_file)
    with pytest.raises(InputError, match=str(no_file)):
        guarded.open_own(no_file, os.O_RDWR)
    target = no_file.parent / "target"
    assert not target.exists() or target.read_text() == "mine"
    assert no_file.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_not_read_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "name"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=f"{path} .*regular file"):
        guarded.read_bytes(path)


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert guarded.read_bytes(tmp_path / "link") == b"text"


def test_a_text_that_is_shown_to_others_is_not_read_behind_a_link(tmp_path):
    (tmp_path / "secret").write_text("mine alone")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(InputError, match="link is a symbolic link") as caught:
        guarded.read_text_of_ours(tmp_path / "link")
    assert "mine alone" not in str(caught.value)
    assert guarded.read_text_of_ours(tmp_path / "secret", most=4) == "mine"
    with pytest.raises(FileNotFoundError):
        guarded.read_text_of_ours(tmp_path / "nothing")


def test_links_that_lead_to_each_other_are_named(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="a is a symbolic link"):
        guarded.read_bytes(tmp_path / "a")


def test_a_huge_file_is_not_read_into_memory(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(2**40)  # takes no room
    with pytest.raises(InputError, match="268,435,456 bytes"):
        guarded.read_bytes(tmp_path / "file")


def test_what_is_not_there_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        guarded.read_bytes(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        guarded.open_to_append(tmp_path / "no" / "file")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_new_files_have_the_mode_that_the_umask_says(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with guarded.open_to_append(tmp_path / "file") as file:
            file.write(b"a")
        with guarded.open_to_append(tmp_path / "file") as file:
            file.write(b"b")
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"ab"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_link_is_removed_and_what_it_leads_to_is_not(tmp_path):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("link", "dangling", "nothing"):
        guarded.remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "deep").is_dir()
    guarded.remove(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_once_and_never_behind_a_link(tmp_path):
    for _ in range(2):
        assert guarded.own_folder(tmp_path / "own").is_dir()
    (tmp_path / "link").symlink_to("own")
    with pytest.raises(InputError, match=r"link .*symbolic link"):
        guarded.own_folder(tmp_path / "link")
