"""Compiled programs and jobs lie where nobody else can replace them."""

import os
import stat

import pytest

from rtickets.data.sources.prepared_sets import data_root
from rtickets.errors import InputError
from rtickets.platform import private
from rtickets.platform.private import private_folder


@pytest.fixture(autouse=True, name="home")
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_folders_are_where_the_system_has_them_and_for_this_user_alone(home):
    before = os.umask(0o002)
    try:
        assert private_folder("cache", "compiled") == home / ".cache/rtickets/compiled"
        assert private_folder("state", "jobs") == home / ".local/state/rtickets/jobs"
    finally:
        os.umask(before)
    for path in (".cache", ".cache/rtickets", ".cache/rtickets/compiled", ".local/state/rtickets"):
        assert stat.S_IMODE((home / path).stat().st_mode) == 0o700
    assert private_folder("cache", "compiled").is_dir()


def test_another_place_can_be_named(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "a"))
    assert private_folder("cache", "x") == home / "a/rtickets/x"
    monkeypatch.setenv("XDG_CACHE_HOME", "a")  # is to be ignored
    assert private_folder("cache", "x") == home / ".cache/rtickets/x"


@pytest.mark.parametrize("mode", [0o770, 0o702])
@pytest.mark.parametrize("part", [".cache/rtickets", ".cache/rtickets/x"])
def test_a_folder_that_others_may_write_to_is_refused(home, part, mode):
    private_folder("cache", "x")
    (home / part).chmod(mode)
    with pytest.raises(InputError, match=f"chmod go-w {home / part}"):
        private_folder("cache", "x")


@pytest.mark.parametrize("part", [".cache", "."])
def test_a_folder_that_anybody_may_put_another_in_the_place_of_is_refused(home, part):
    private_folder("cache", "x")
    (home / part).chmod(0o707)
    with pytest.raises(InputError, match=f"chmod o-w {home / part}"):
        private_folder("cache", "x")
    (home / part).chmod(0o1777)  # sticky: only who made a folder may rename it
    assert private_folder("cache", "x").is_dir()


@pytest.mark.parametrize("part", ["rtickets", "rtickets/x"])
def test_a_link_is_refused(home, part):
    path = home / ".cache" / part
    path.parent.mkdir(parents=True)
    (home / "elsewhere" / "x").mkdir(parents=True)
    path.symlink_to(home / "elsewhere")
    with pytest.raises(InputError, match=f"{path} .*user"):
        private_folder("cache", "x")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_folder_of_another_user_is_refused(home):
    folder = private_folder("cache", "x")
    os.chown(folder, 12345, 12345)
    with pytest.raises(InputError, match="of this user"):
        private_folder("cache", "x")


def test_a_home_folder_is_put_for_its_sign(home):
    assert private.expanded("~/runs") == home / "runs"
    assert str(private.expanded("a/~")) == "a/~"
    with pytest.raises(InputError, match="'~nobody-of-this-name/x'"):
        private.expanded("~nobody-of-this-name/x")


def test_an_account_without_a_home_folder_is_told_what_to_set(monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(private.Path, "home", none)
    with pytest.raises(InputError, match=r"no home folder .* set RTICKETS_DATA"):
        data_root()
    with pytest.raises(InputError, match=r"no home folder .* set XDG_CACHE_HOME"):
        private_folder("cache", "compiled")
