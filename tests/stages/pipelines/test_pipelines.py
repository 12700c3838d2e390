"""Pipelines are what they claim: whose mask, whose weights, how many; a study of them goes on."""

import math
import shutil

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks
from rtickets.draw.searching import channels
from rtickets.errors import NonFiniteLossError
from rtickets.runs.consent import Consent
from rtickets.runs.status import read_status
from rtickets.stages.pipelines import networks
from rtickets.stages.pipelines import study as runs
from rtickets.stages.pipelines.networks import Cell
from rtickets.stages.pipelines.study import cells_of, read_cells, run_pipelines
from rtickets.stages.search_accounts import living_channels

pytestmark = pytest.mark.slow  # a study of 32 cells, about a minute
LADDERLESS = ("dense", "searched")


def ticket(study, label, step=networks.trained, task="three"):
    moved = {"three": "two", "two": "three"}[task]
    target = moved if label.startswith("moved") else task
    cell = Cell(label, 0.0 if label in LADDERLESS else 0.5, task, target, 0)
    return Ticket.load(step(study.place, cell).path / "ticket")


def kept(found):
    return {path: np.asarray(leaf) for path, leaf in masks.prunable_leaves(found.mask).items()}


def count(found):
    return sum(int(leaf.sum()) for leaf in kept(found).values())


def by_layer(found):
    return {path: int(leaf.sum()) for path, leaf in kept(found).items()}


def backbone(tree):
    return {name: each for name, each in tree.items() if name != "head"}


def test_nothing_dies_in_the_dense_network(study):
    found = ticket(study, "dense")
    assert masks.sparsity(found.mask) == 0
    adds = study.cells["dense", "three"]["multiply_adds"]
    assert len(set(adds.values())) == 1


def test_channels_alone_die_in_a_search_and_weights_alone_without_one(study):
    adds = study.cells["searched", "three"]["multiply_adds"]
    assert adds["dense"] > adds["searched"] == adds["sparse"] == adds["sparse_even"]
    living, every = study.cells["searched", "three"]["channels"]
    assert 0 < living < every
    living, every = study.cells["pruned", "three"]["channels"]
    assert living == every
    total = sum(leaf.size for leaf in kept(ticket(study, "pruned")).values())
    assert count(ticket(study, "pruned")) == total - math.floor(0.5 * total)


@pytest.mark.parametrize("label", ["two_in_one", "explicit", "none", "at_once"])
def test_a_search_prunes_the_weights_of_living_channels_to_the_sparsity(study, label):
    found = ticket(study, label)
    assert count(found) == _open(found) - math.floor(0.5 * _open(found))


def _open(found):
    """Return the number of prunable weights of living channels."""
    whole, alive = masks.full(found.params), living_channels(found.params)
    living = channels.mask_of(found.params, alive, whole)
    return sum(int(leaf.sum()) for leaf in masks.prunable_leaves(living).values())


@pytest.mark.parametrize("label", ["magnitude", "snip"])
def test_what_is_pruned_afterwards_has_the_same_sparsity_inside_of_the_searched_network(
    study, label
):
    searched, found = ticket(study, "searched"), ticket(study, label)
    assert abs(count(found) - 0.5 * count(searched)) <= 1
    for path, keep in kept(found).items():
        assert not (keep & ~kept(searched)[path]).any()
        own, theirs = (masks.leaf_paths(each.params)[path] for each in (found, searched))
        np.testing.assert_array_equal(own, np.where(keep, theirs, 0))
    assert kept(found)["stem_conv1/kernel"].dtype == bool
    means = [np.asarray(leaf) for leaf in jax.tree.leaves(found.batch_stats)]
    before = [np.asarray(leaf) for leaf in jax.tree.leaves(searched.batch_stats)]
    assert any((a != b).any() for a, b in zip(means, before, strict=True))  # estimated anew


def test_all_of_the_sparsity_at_once_is_there_at_the_first_prune_event(study):
    for label, sparsity in (("at_once", 0.5), ("two_in_one", 0.25)):
        cell = Cell(label, 0.5, "three", "three", 0)
        first = Ticket.load(networks.found(study.place, cell).path / "tickets" / "step00000003")
        assert count(first) == _open(first) - math.floor(sparsity * _open(first))


@pytest.mark.parametrize(("label", "start"), [("rewound", "initial"), ("rewound_early", "early")])
def test_a_rewound_ticket_has_its_mask_and_the_weights_from_before(study, label, start):
    searched = networks.found(study.place, Cell("two_in_one", 0.5, "three", "three", 0))
    own, whole = ticket(study, "two_in_one"), Ticket.load(searched.path / start)
    before, after = ticket(study, label, networks.masked), ticket(study, label)
    assert masks.sparsity(whole.mask) == 0
    for found in (before, after):
        for path, keep in kept(found).items():
            np.testing.assert_array_equal(keep, kept(own)[path])
    jax.tree.map(np.testing.assert_array_equal, before.params, masks.apply(own.mask, whole.params))
    jax.tree.map(np.testing.assert_array_equal, before.batch_stats, whole.batch_stats)
    assert _dead_weights(after) == 0
    trained = any(
        (np.asarray(a) != np.asarray(b)).any()
        for a, b in zip(
            *map(jax.tree.leaves, map(backbone, (before.params, after.params))), strict=True
        )
    )
    assert trained


def _dead_weights(found):
    leaves = masks.leaf_paths(found.params)
    return sum(np.abs(leaves[path][~keep]).sum() for path, keep in kept(found).items())


def test_the_early_network_is_not_the_initial_one_and_no_average(study):
    folder = networks.found(study.place, Cell("two_in_one", 0.5, "three", "three", 0)).path
    early, initial = (Ticket.load(folder / name) for name in ("early", "initial"))
    assert early.meta["step"] == 1
    moved = np.abs(early.params["stem_conv1"]["kernel"] - initial.params["stem_conv1"]["kernel"])
    assert 0 < moved.max() < 0.02  # one step of AdamW at 0.01


@pytest.mark.parametrize("label", ["random_mask", "moved_random"])
def test_a_random_mask_has_as_many_weights_in_every_layer_at_other_places(study, label):
    own, found = ticket(study, "two_in_one"), ticket(study, label)
    assert by_layer(found) == by_layer(own)
    assert any((kept(found)[path] != keep).any() for path, keep in kept(own).items())
    assert _dead_weights(found) == 0
    adds = [study.cells[name, "three"]["multiply_adds"]["sparse"] for name in (label, "two_in_one")]
    if label == "random_mask":  # a head of another task has others
        assert adds[0] == adds[1]


def test_the_weights_under_a_moved_random_mask_are_those_of_the_dense_network(study):
    before = ticket(study, "moved_random", networks.masked)
    dense = ticket(study, "dense")
    theirs = masks.apply(before.mask, dense.params)
    jax.tree.map(np.testing.assert_array_equal, before.params, theirs)


@pytest.mark.parametrize("label", ["moved", "moved_frozen"])
def test_a_moved_ticket_keeps_its_mask_under_the_head_of_the_other_task(study, label):
    own, found = ticket(study, "two_in_one"), ticket(study, label)
    for path, keep in kept(own).items():
        np.testing.assert_array_equal(keep, kept(found)[path])
    assert found.params["head"]["kernel"].shape[-1] == 2
    assert own.params["head"]["kernel"].shape[-1] == 3
    assert _dead_weights(found) == 0
    same = jax.tree.map(
        lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()),
        backbone(own.params), backbone(found.params),
    )  # fmt: skip
    assert all(jax.tree.leaves(same)) == (label == "moved_frozen")
    stats = jax.tree.map(lambda a, b: bool((a == b).all()), own.batch_stats, found.batch_stats)
    assert all(jax.tree.leaves(stats)) == (label == "moved_frozen")


def test_retraining_keeps_the_mask(study):
    before, after = ticket(study, "magnitude"), ticket(study, "magnitude_retrained")
    for path, keep in kept(before).items():
        np.testing.assert_array_equal(keep, kept(after)[path])
    assert _dead_weights(after) == 0
    assert (
        study.cells["magnitude", "three"]["multiply_adds"]
        == (study.cells["magnitude_retrained", "three"]["multiply_adds"])
    )


def test_every_pipeline_has_a_cell_for_every_task_and_transfers_one_for_every_other(study):
    config = study.place.config
    assert len(study.cells) == 2 * len(config.pipelines) == len(list(cells_of(config)))
    for (label, task), cell in study.cells.items():
        assert (cell["target"] != task) == label.startswith("moved")
        assert cell["measure"] == "accuracy"
        assert cell["low"] <= cell["value"] <= cell["high"]


def test_layers_add_up_to_the_account(study):
    for cell in study.cells.values():
        for what in ("parameters", "multiply_adds"):
            columns = zip(*(layer[what] for layer in cell["layers"].values()), strict=True)
            kinds = [cell[what][kind] for kind in ("dense", "searched", "sparse")]
            assert [sum(column) for column in columns] == kinds
        even = sum(layer["even"] for layer in cell["layers"].values())
        assert round(even) == cell["multiply_adds"]["sparse_even"]


def test_a_study_that_was_stopped_goes_on_and_ends_with_the_same_numbers(study, tmp_path):
    shutil.copytree(study.place.workdir, tmp_path / "runs")
    folder = tmp_path / "runs" / study.folder.path.name
    for name in ("COMPLETE", "result.json", "cells/snip0.5-three-s0.json"):
        (folder / name).unlink()
    (transfer,) = folder.parent.glob("transfer-rewound0.5-three-s0-*")
    (folder / "cells" / "rewound0.5-three-s0.json").unlink()
    shutil.rmtree(transfer)
    again = run_pipelines(study.place.config, tmp_path / "runs", study.place.devices)
    assert again.result() == study.folder.result()


def test_a_cell_that_fails_is_noted_and_tried_again_when_asked_to(study, tmp_path, monkeypatch):
    shutil.copytree(study.place.workdir, tmp_path / "runs")
    folder = tmp_path / "runs" / study.folder.path.name
    for name in ("COMPLETE", "result.json", "cells/snip0.5-three-s0.json"):
        (folder / name).unlink()

    def diverge(place, cell):
        raise NonFiniteLossError(f"{cell.name} diverged")

    arguments = study.place.config, tmp_path / "runs", study.place.devices
    with monkeypatch.context() as patch:
        patch.setattr(runs, "trained", diverge)
        failed = run_pipelines(*arguments).result()["cells"]
    (noted,) = [cell for cell in failed if "failed" in cell]
    assert (noted["pipeline"], noted["task"]) == ("snip", "three")
    assert "diverged" in noted["failed"]
    every = len(study.cells)
    assert counted(tmp_path / "runs") == (every - 1, every, 1)
    (folder / "COMPLETE").unlink()
    run_pipelines(*arguments)
    assert any("failed" in cell for cell in read_cells(study.place.config, folder))
    (folder / "COMPLETE").unlink()
    again = run_pipelines(*arguments, consent=Consent(retry_failed=True))
    assert again.result() == study.folder.result()
    assert counted(tmp_path / "runs") == (every, every, 0)


def counted(workdir):
    """Return what `rtickets status` says of a comparison: cells done, all, failed."""
    (found,) = (each for each in read_status(workdir) if each.folder.startswith("pipelines-"))
    return found.done, found.total, found.failed
