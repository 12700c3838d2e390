"""An ensemble whose state is kept goes on where it was killed, and refuses other work."""

import jax
import numpy as np
import pytest

from rtickets.attacks import (
    worst_case,
)
from rtickets.attacks.ensemble import legs
from rtickets.attacks.ensemble.saved_state import FILE
from rtickets.errors import InputError
from rtickets.platform import parallel
from tests.attacks.ensemble.autoattack.conftest import (
    APGD,
    EPS,
    KEYS,
    PGD,
    SQUARE,
    TARGETED,
    attack,
    network,
    of_member,
    subject,
)
from tests.attacks.ensemble.killed import Killed, killed_after

RESUMED = (PGD, APGD, TARGETED)


def without_seconds(found):
    return [row._replace(seconds=0.0) for row in found.rows]


def assert_same(found, expected):
    np.testing.assert_array_equal(found.x_adv, expected.x_adv)
    np.testing.assert_array_equal(found.fooled_by, expected.fooled_by)
    np.testing.assert_array_equal(found.recomputed, expected.recomputed)
    assert without_seconds(found) == without_seconds(expected)


def die(monkeypatch, folder, saves):
    """Attack with the state written at every step, and be killed after so many times."""
    with killed_after(monkeypatch, saves) as done:
        try:
            return attack(RESUMED, batch_size=8, folder=folder), len(done)
        except Killed:
            return None, len(done)


def test_killed_at_any_moment_it_ends_bit_equal(tmp_path, monkeypatch):
    folders = [tmp_path / str(number) for number in range(8)]
    for folder in folders:
        folder.mkdir()
    expected, total = die(monkeypatch, folders[0], None)
    assert total > 30
    for folder, saves in zip(folders[1:], [1, 2, *range(8, total, total // 4)], strict=False):
        assert die(monkeypatch, folder, saves) == (None, saves)
        assert_same(attack(RESUMED, batch_size=8, folder=folder), expected)
    found, kills = None, -1
    while found is None and kills < total:
        found, kills = die(monkeypatch, folders[-1], 7)[0], kills + 1
    assert kills >= total // 7
    assert_same(found, expected)


@pytest.mark.parametrize(("devices", "mapping"), [(1, "shard_map"), (2, "pmap"), (2, "shard_map")])
def test_killed_within_an_attack_its_state_is_found_again(tmp_path, monkeypatch, devices, mapping):
    options = {"devices": devices, "batch_size": 8, "mapping": mapping}
    lines = []
    with monkeypatch.context() as patch:
        patch.setattr(legs, "_SAVE_SECONDS", -1.0)
        patch.setattr(legs, "work", fails_at(legs.work, 5))
        with pytest.raises(Killed):
            attack((PGD, TARGETED), folder=tmp_path, **options)
    found = attack((PGD, TARGETED), folder=tmp_path, say=lines.append, **options)
    assert [line for line in lines if "anew" in line] == []
    assert_same(found, attack((PGD, TARGETED), **options))


def fails_at(function, call):
    counted = iter(range(1, 10**6))

    def failing(*args, **options):
        if next(counted) == call:
            raise Killed
        return function(*args, **options)

    return failing


def test_killed_between_writes_it_goes_on_from_the_last(tmp_path, monkeypatch):
    expected = attack(RESUMED, batch_size=8)
    monkeypatch.setattr(legs, "_SAY_SECONDS", -1.0)
    lines = []

    def say(line):
        lines.append(line)
        if line.startswith("apgd_ce"):
            raise Killed

    with pytest.raises(Killed):
        attack(RESUMED, batch_size=8, folder=tmp_path, say=say)
    assert lines[0].startswith("pgd: robust accuracy at most 87.5%, ")
    assert "of 22 runs begun" in lines[0]
    assert_same(attack(RESUMED, batch_size=8, folder=tmp_path), expected)


def test_a_finished_folder_is_not_worked_on_again(tmp_path, monkeypatch):
    expected = attack((PGD, TARGETED), folder=tmp_path)
    monkeypatch.setattr(legs, "work", None)
    found = attack((PGD, TARGETED), folder=tmp_path)
    assert_same(found, expected)
    assert found.rows == expected.rows  # the seconds, too


def test_a_damaged_file_begins_anew(tmp_path):
    expected = attack((PGD, TARGETED), folder=tmp_path)
    content = (tmp_path / FILE).read_bytes()
    for damaged in (content[: len(content) // 2], b"", content[:60] + b"\xff" + content[61:]):
        (tmp_path / FILE).write_bytes(damaged)
        lines = []
        assert_same(attack((PGD, TARGETED), folder=tmp_path, say=lines.append), expected)
        assert "begin anew" in lines[0]


def test_a_folder_of_other_work_is_refused(tmp_path):
    attack((PGD,), folder=tmp_path)
    x, y = subject()
    options = {"eps": EPS, "members": (PGD,), "batch_size": 32, "folder": tmp_path}
    options["devices"] = parallel.local_devices(1)
    for change, (model, images, labels, keys) in {
        "none": (network(), x, y, KEYS),
        "eps": (network(), x, y, KEYS),
        "norm": (network(), x, y, KEYS),
        "members": (network(), x, y, KEYS),
        "batch_size": (network(), x, y, KEYS),
        "images": (network(), 1 - x, y, KEYS),
        "labels": (network(), x, (y + 1) % 5, KEYS),
        "keys": (network(), x, y, of_member(3)),
        "weights": (network(1), x, y, KEYS),
        "function": (jax.jit(network()), x, y, KEYS),
    }.items():
        changed = options | {
            "eps": {"eps": 0.07}, "norm": {"norm": "l2"}, "members": {"members": (SQUARE,)},
            "batch_size": {"batch_size": 16},
        }.get(change, {})  # fmt: skip
        if change == "none":
            worst_case(model, images, labels, keys, **changed)
            continue
        with pytest.raises(InputError, match="another model, other images"):
            worst_case(model, images, labels, keys, **changed)


def test_clean_logits_stand_for_a_model_without_visible_weights(tmp_path):
    x, y = subject()
    options = {"eps": EPS, "members": (PGD,), "folder": tmp_path}
    one, two = (jax.jit(network(seed)) for seed in (0, 1))  # functions that hide their weights
    first = worst_case(one, x, y, KEYS, **options)
    assert_same(worst_case(one, x, y, KEYS, **options), first)
    with pytest.raises(InputError, match="another model"):
        worst_case(two, x, y, KEYS, **options)
