"""Whatever happens to the files of checkpoints in between."""

import errno
import hashlib
import json
import os
import shutil

import pytest

from rtickets.storage import checksums
from tests.storage.checkpoints.conftest import names, restore, save, step_of, truncate


def delete(path):
    path.unlink()


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
