"""What else may lie where checkpoints are kept: rubbish, links, a full disk."""

import errno
import logging
import shutil

import pytest

from rtickets.errors import InputError, explain
from rtickets.storage import orbax_files
from rtickets.storage.checkpoints import discard_checkpoints
from tests.storage.checkpoints.conftest import names, restore, save, step_of, truncate


def test_what_a_killed_process_was_writing_or_deleting_is_cleared_away(tmp_path):
    save(tmp_path, 3)
    shutil.copytree(tmp_path / "3", tmp_path / "6.orbax-checkpoint-tmp")
    truncate(tmp_path / "6.orbax-checkpoint-tmp" / "meta" / "metadata")
    shutil.copytree(tmp_path / "3", tmp_path / "1.removed")
    assert step_of(restore(tmp_path)) == 3
    assert names(tmp_path) == ["3"]
    save(tmp_path, 6)
    assert step_of(restore(tmp_path)) == 6


def test_behind_a_link_nothing_is_written_or_removed(tmp_path):
    foreign = tmp_path / "foreign"
    for name in ("1", "2", "3", "9.removed", "8.orbax-checkpoint-tmp"):
        (foreign / name).mkdir(parents=True)
    (foreign / "BEST").write_text("[1]")
    (tmp_path / "checkpoints").symlink_to(foreign)
    before = names(foreign)
    with pytest.raises(InputError, match=r"checkpoints .*link"):
        save(tmp_path / "checkpoints", 4, 5)
    discard_checkpoints(tmp_path / "checkpoints")
    assert names(foreign) == before


def test_links_among_checkpoints_are_removed_and_what_they_lead_to_is_not(tmp_path):
    foreign = tmp_path / "foreign" / "deep"
    foreign.mkdir(parents=True)
    folder = tmp_path / "checkpoints"
    save(folder, 3, 6)
    for name in ("1", "2.removed", "5.orbax-checkpoint-tmp"):
        (folder / name).symlink_to(foreign.parent)
    assert step_of(restore(folder)) == 6
    save(folder, 7, 8)
    assert names(folder) == ["7", "8"]
    assert foreign.is_dir()


@pytest.mark.parametrize("name", ["³", "٣", "007", "12"])
def test_what_is_no_checkpoint_is_no_checkpoint(tmp_path, name):
    save(tmp_path, 3)
    (tmp_path / name).write_text("")
    assert step_of(restore(tmp_path)) == 3


def test_a_full_disk_is_an_error_and_earlier_checkpoints_stay(small_disk, capsys):
    folder = small_disk / "checkpoints"
    save(folder, 3, 6)
    ballast = small_disk / "ballast"
    free = shutil.disk_usage(small_disk).free
    ballast.write_bytes(bytes(max(free - 8192, 0)))
    with pytest.raises(OSError, match="No space left") as caught:
        save(folder, 9)
    assert caught.value.errno == errno.ENOSPC
    line = explain(caught.value)
    assert line.startswith("the disk is full")
    assert "\n" not in line
    assert capsys.readouterr().err == ""
    assert step_of(restore(folder)) == 6
    ballast.unlink()
    save(folder, 9)
    assert step_of(restore(folder)) == 9


def test_what_orbax_did_not_ask_for_is_not_reported_and_all_else_is(caplog):
    with orbax_files.quiet():
        pass
    logger = logging.getLogger("asyncio")
    before = "Future exception was never retrieved\nfuture: <Future finished exception="
    logger.error("%sValueError('RESOURCE_EXHAUSTED: ... in OCDBT database at')>", before)
    logger.error("%sValueError('mine')>", before)
    logger.error("OCDBT")
    assert [record.getMessage()[-8:] for record in caplog.records] == ["'mine')>", "OCDBT"]
