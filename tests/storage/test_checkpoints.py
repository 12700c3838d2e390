"""Checkpoints: what is read is what was written, whatever happens to the files in between."""

import errno
import hashlib
import json
import logging
import os
import shutil
import time
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError, explain
from rtickets.storage import checksums, orbax_files
from rtickets.storage import guarded as rtickets_files
from rtickets.storage.checkpoints import Retention, discard_checkpoints, open_checkpoints


class State(NamedTuple):
    step: Any
    params: Any
    nothing: Any = None


def tree(step):
    return State(
        jnp.int32(step),
        {
            "kernel": np.random.default_rng(step).normal(size=(40, 40)).astype(np.float32),
            "odd": np.array([0.0, -0.0, np.nan, np.inf, 1e-45], np.float32),
            "mask": [np.arange(6).reshape(2, 3) % 2 == 0, np.ones((), bool)],
            "half": jnp.arange(3, dtype=jnp.bfloat16),
            "a.b": {},
        },
    )


def like():
    return jax.tree.map(jnp.zeros_like, tree(0))


def save(folder, *steps, retention=Retention(), scores=None):  # noqa: B008
    with open_checkpoints(folder, retention) as checkpoints:
        for step in steps:
            score = None if scores is None else scores[step]
            checkpoints.save(step, tree(step), {"step": step, "loss": step / 3}, score)


def restore(folder, template=None):
    with open_checkpoints(folder, Retention()) as checkpoints:
        return checkpoints.restore(like() if template is None else template)


def step_of(restored):
    """Check that a whole checkpoint was read and return its step."""
    step = restored.meta["step"]
    assert restored.meta == {"step": step, "loss": step / 3}
    assert jax.tree.structure(restored.tree) == jax.tree.structure(tree(step))
    for found, expected in zip(
        jax.tree.leaves(restored.tree), jax.tree.leaves(tree(step)), strict=True
    ):
        expected = np.asarray(expected)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    return step


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- writing and reading --------------------------------------------------------------------------


def test_what_is_saved_is_read_bit_for_bit(tmp_path):
    save(tmp_path / "here", 7)
    assert step_of(restore(tmp_path / "here")) == 7


def test_nothing_saved_is_nothing_read_and_nothing_made(tmp_path):
    assert restore(tmp_path / "here") is None
    assert names(tmp_path) == []


def test_keys_are_kept_as_keys(tmp_path):
    keys = jax.random.split(jax.random.key(3), 4)
    with open_checkpoints(tmp_path, Retention()) as checkpoints:
        checkpoints.save(1, {"keys": keys}, {})
    found = restore(tmp_path, {"keys": jax.random.split(jax.random.key(0), 4)}).tree["keys"]
    assert found.dtype == keys.dtype
    assert jax.random.uniform(found[2]) == jax.random.uniform(keys[2])


def test_buffers_may_be_reused_as_soon_as_save_returns(tmp_path):
    own = tree(5)
    with open_checkpoints(tmp_path, Retention()) as checkpoints:
        checkpoints.save(5, own, {"step": 5, "loss": 5 / 3})
        own.params["kernel"][:] = 0
    assert step_of(restore(tmp_path)) == 5


def test_the_caller_goes_on_while_a_checkpoint_is_written(tmp_path):
    large = {"x": np.random.default_rng(0).normal(size=2**22)}  # 32 MB
    with open_checkpoints(tmp_path, Retention()) as checkpoints:
        checkpoints.save(1, large, {})
        unfinished = checkpoints.steps() == []
        checkpoints.wait()
        assert checkpoints.steps() == [1]
    assert unfinished


def test_a_step_that_is_there_is_not_written_again(tmp_path):
    save(tmp_path, 4)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    save(tmp_path, 4)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_checkpoint_of_another_structure_is_refused_and_kept(tmp_path):
    save(tmp_path, 1, 2)
    larger = like()._replace(nothing=jnp.zeros(3))
    with pytest.raises(InputError, match=r"another version .*0\.nothing|nothing"):
        restore(tmp_path, larger)
    assert names(tmp_path) == ["1", "2"]


# --- retention ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("latest", "kept"), [(1, ["5"]), (2, ["4", "5"]), (9, list("12345"))])
def test_the_newest_are_kept(tmp_path, latest, kept):
    save(tmp_path, 1, 2, 3, 4, 5, retention=Retention(latest))
    assert names(tmp_path) == kept


SCORES = {1: 0.2, 2: 0.9, 3: None, 4: 0.9, 5: 0.5, 6: 0.1}


@pytest.mark.parametrize(
    ("best", "kept"), [(0, ["5", "6"]), (1, ["2", "5", "6"]), (2, ["2", "4", "5", "6"])]
)
def test_the_best_are_kept_besides_the_earlier_of_equals(tmp_path, best, kept):
    save(tmp_path, 1, 2, 3, 4, 5, 6, retention=Retention(2, best), scores=SCORES)
    assert [name for name in names(tmp_path) if name.isdecimal()] == kept


def test_what_was_best_before_a_restart_stays(tmp_path):
    retention = Retention(1, 1)
    for step in SCORES:
        save(tmp_path, step, retention=retention, scores=SCORES)
    assert names(tmp_path) == ["2", "6", "BEST"]


def test_a_score_that_comes_after_its_checkpoint_counts(tmp_path):
    """As after a stop while the step was being validated."""
    retention = Retention(1, 1)
    save(tmp_path, 1, retention=retention, scores=SCORES)
    save(tmp_path, 2, retention=retention)
    save(tmp_path, 2, 3, 5, retention=retention, scores=SCORES)
    assert names(tmp_path) == ["2", "2.score", "5", "BEST"]
    save(tmp_path, 7, 8, retention=retention, scores={7: 0.95, 8: None})
    assert names(tmp_path) == ["7", "8", "BEST"]


def test_a_score_goes_with_its_checkpoint(tmp_path):
    for scores in (None, SCORES):
        save(tmp_path, 1, 2, scores=scores)
    truncate(tmp_path / "2" / "meta" / "metadata")
    assert names(tmp_path) == ["1", "1.score", "2", "2.score"]
    assert step_of(restore(tmp_path)) == 1
    assert names(tmp_path) == ["1", "1.score", "2.damaged"]


def test_of_a_complete_run_the_best_stay(tmp_path):
    save(tmp_path / "plain", 1, 2, 3)
    save(tmp_path / "best", 1, 2, 3, retention=Retention(2, 1), scores=SCORES)
    (tmp_path / "best" / "3.damaged").mkdir()
    (tmp_path / "best" / "2.score").write_text("{}")
    for name in ("plain", "best", "missing"):
        discard_checkpoints(tmp_path / name)
    assert names(tmp_path) == ["best"]
    assert names(tmp_path / "best") == ["2", "BEST"]


# --- damage ---------------------------------------------------------------------------------------


def delete(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def garble(path):
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, len(data), max(len(data) // 7, 1)):
        data[place] ^= 0x55
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [delete, truncate, empty, garble])
def test_any_damage_to_any_file_leads_to_the_checkpoint_before_or_does_not_matter(
    tmp_path, capsys, damage
):
    save(tmp_path / "whole", 3, 6)
    files = [path for path in (tmp_path / "whole" / "6").rglob("*") if path.is_file()]
    assert len(files) > 5
    passed_over = 0
    for number, file in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        damage(folder / file.relative_to(tmp_path / "whole"))
        step = step_of(restore(folder))
        said = capsys.readouterr().err
        if step == 3:
            passed_over += 1
            assert "6 is damaged and passed over" in said
            assert len(said.splitlines()) == 1
            assert names(folder) == ["3", "6.damaged"]
            save(folder, 6)
            assert step_of(restore(folder)) == 6
        else:
            assert (step, said) == (6, "")
    unused = {"_CHECKPOINT_METADATA", "commit_success.txt"}  # at the top, of Orbax alone
    assert passed_over == len(files) - len(unused)


def test_damage_to_all_leads_to_the_beginning_and_removes_nothing(tmp_path, capsys):
    save(tmp_path, 3, 6)
    for file in tmp_path.glob("*/meta/metadata"):
        truncate(file)
    assert restore(tmp_path) is None
    assert names(tmp_path) == ["3.damaged", "6.damaged"]
    assert len(capsys.readouterr().err.splitlines()) == 2


def fail_with(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("error", [MemoryError("no room"), PermissionError(13, "not yours")])
@pytest.mark.parametrize(
    "where", ["hashlib.file_digest", "rtickets.storage.checkpoints.Checkpoints._restore"]
)
def test_what_is_no_fault_of_the_file_passes_nothing_over(tmp_path, monkeypatch, error, where):
    save(tmp_path, 3, 6)
    monkeypatch.setattr(where, fail_with(error))
    with pytest.raises(type(error)):
        restore(tmp_path)
    assert names(tmp_path) == ["3", "6"]


def test_a_file_that_the_disk_cannot_read_is_damaged(tmp_path, monkeypatch):
    digest = hashlib.file_digest
    fail = fail_with(OSError(errno.EIO, "Input/output error"))

    def read(file, name):
        return fail() if "/6/tree" in file.name else digest(file, name)

    save(tmp_path, 3, 6)
    monkeypatch.setattr(hashlib, "file_digest", read)
    assert step_of(restore(tmp_path)) == 3


def test_numbers_that_were_changed_are_noticed(tmp_path):
    save(tmp_path, 3, 6)
    file = tmp_path / "6" / "meta" / "metadata"
    file.write_text(file.read_text().replace('"loss": 2.0', '"loss": 2.5'))
    assert step_of(restore(tmp_path)) == 3


def test_arrays_of_another_checkpoint_are_noticed(tmp_path):
    save(tmp_path, 3, 6)
    shutil.rmtree(tmp_path / "6" / "tree")
    shutil.copytree(tmp_path / "3" / "tree", tmp_path / "6" / "tree")
    assert step_of(restore(tmp_path)) == 3


def test_what_a_killed_process_was_writing_or_deleting_is_cleared_away(tmp_path):
    save(tmp_path, 3)
    shutil.copytree(tmp_path / "3", tmp_path / "6.orbax-checkpoint-tmp")
    truncate(tmp_path / "6.orbax-checkpoint-tmp" / "meta" / "metadata")
    shutil.copytree(tmp_path / "3", tmp_path / "1.removed")
    assert step_of(restore(tmp_path)) == 3
    assert names(tmp_path) == ["3"]
    save(tmp_path, 6)
    assert step_of(restore(tmp_path)) == 6


def test_clocks_do_not_matter(tmp_path, monkeypatch):
    save(tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1000.0)
        patch.setattr(time, "time_ns", lambda: 1000 * 10**9)
        save(tmp_path, 6)
    for path in (tmp_path / "6").rglob("*"):
        os.utime(path, (0, 0))
    for path in (tmp_path / "3").rglob("*"):
        os.utime(path, (4e9, 4e9))
    assert step_of(restore(tmp_path)) == 6
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert step_of(restore(tmp_path.with_name("copy"))) == 6


# --- odd paths, links, and proof ------------------------------------------------------------------


@contextmanager
def as_it_is(folder):
    yield folder.resolve()


def test_what_cannot_be_read_back_is_never_there(tmp_path, monkeypatch):
    """Orbax takes the brackets for a pattern, finds no files to merge, and says nothing."""
    folder = tmp_path / "a[1]"
    folder.mkdir()
    save(folder / "checkpoints", 3)
    with monkeypatch.context() as patch:
        patch.setattr(rtickets_files, "plain_path", as_it_is)
        with pytest.raises(OSError, match="cannot be read") as caught:
            save(folder / "checkpoints", 6)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert step_of(restore(folder / "checkpoints")) == 3
    assert names(folder / "checkpoints") == ["3"]


@pytest.mark.parametrize("place", [0, -1])
def test_what_differs_from_what_was_to_be_written_is_never_there(tmp_path, monkeypatch, place):
    check = orbax_files.check_readable

    def differently(folder, arrays):
        name = list(arrays)[place]
        wrong = np.array(arrays[name])
        wrong.reshape(-1).view(np.uint8)[-1] ^= 1
        check(folder, {**arrays, name: wrong})

    monkeypatch.setattr(orbax_files, "_AT_ONCE", 1)  # each array in a part of its own
    save(tmp_path, 3)
    monkeypatch.setattr(orbax_files, "check_readable", differently)
    with pytest.raises(OSError, match="what was written"):
        save(tmp_path, 6)
    assert step_of(restore(tmp_path)) == 3


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


@pytest.mark.parametrize("listed", ["../../mine", "/dev/zero", "tree/pipe", "a\0b", "x" * 300])
def test_a_seal_that_lists_what_is_no_file_of_the_checkpoint_is_damage(tmp_path, listed):
    save(tmp_path, 3, 6)
    os.mkfifo(tmp_path / "6" / "tree" / "pipe")
    files = {listed: "0"}
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    (tmp_path / "6" / "SEAL").write_text(json.dumps({"files": files, "digest": digest}))
    assert step_of(restore(tmp_path)) == 3
    assert names(tmp_path) == ["3", "6.damaged"]


@pytest.mark.parametrize(
    "described",
    [
        [],
        {},
        {"meta": 5, "layout": {}},
        {"meta": {}, "layout": []},
        {"meta": {}, "layout": {"a": 1}},
    ],
)
def test_a_sealed_checkpoint_that_describes_nothing_is_damaged(tmp_path, described):
    save(tmp_path, 3, 6)
    (tmp_path / "6" / "meta" / "metadata").write_text(json.dumps(described))
    checksums.seal(tmp_path / "6", ("tree", "meta"))
    assert step_of(restore(tmp_path)) == 3


@pytest.mark.parametrize("score", ["high", None, [1], {}])
def test_a_score_that_is_no_number_is_none(tmp_path, score):
    save(tmp_path, 1, 2, retention=Retention(1, 1))
    (tmp_path / "1.score").write_text(json.dumps({"score": score}))
    save(tmp_path, 3, 4, retention=Retention(1, 1), scores={3: 0.5, 4: 0.1})
    assert "3" in names(tmp_path)


# --- full disks -----------------------------------------------------------------------------------


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
