"""What a draw notices reaches whoever draws: on the console, and in the stage's result."""

import numpy as np
import pytest

from rtickets import masks
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.runs.folders import StartingTicket

LAYER = "stage1_block1"


def changed(bench, change, name="changed"):
    """Return the dense network with other weights, or another mask, in one layer."""
    dense = bench.dense
    params = {**dense.params, LAYER: {**dense.params[LAYER]}}
    mask = {**dense.mask, LAYER: {**dense.mask[LAYER]}}
    kernel = np.array(params[LAYER]["conv1"]["kernel"])
    params[LAYER]["conv1"], mask[LAYER]["conv1"] = ({"kernel": value} for value in change(kernel))
    Ticket(mask, params, dense.batch_stats, dense.meta).save(bench.workdir / name)
    return StartingTicket(bench.workdir / name, name)


def zero(kernel):
    return np.zeros_like(kernel), np.ones(kernel.shape, bool)


@pytest.mark.parametrize("fields", [{}, {"criterion": "snip", "examples": 8, "rounds": 2}])
def test_a_layer_of_zeros_is_told_with_every_criterion(bench, capfd, fields):
    run = bench.draw(source=changed(bench, zero), sparsity=0.5, **fields)
    notes, said = run.result()["notes"], capfd.readouterr().err
    assert any(f"living weights of {LAYER}/conv1/kernel score 0" in note for note in notes)
    assert all(f"{run.path.name}: {note}\n" in said for note in notes)
    assert "notes" not in bench.draw(sparsity=0.5).result()


def test_states_of_iterative_pruning_tell_it_once_they_are_trained(bench, capfd):
    run = bench.draw(
        source=changed(bench, zero), method="imp", sparsity=0.2, scope="uniform",
        train=bench.train(optimizer__learning_rate=0.0),
    )  # fmt: skip
    note, sign = run.result()["notes"]
    assert "score 0: " in note
    assert run.result()["broken"] == [sign]
    assert "all 0" in sign
    assert capfd.readouterr().err.count(note) == 1


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_learned_masks_tell_layers_that_learn_nothing(bench, scope):
    """The score of a group of zeros gets no gradient."""
    fields = {"method": "lmp", "sparsity": 0.5, "scope": scope}
    run = bench.draw(source=changed(bench, zero), **fields)
    assert any(f"of {LAYER}/conv1/kernel score 0" in note for note in run.result()["notes"])


def test_a_network_of_equal_weights_is_refused_before_anything_is_written(bench):
    dense = bench.dense
    params = {path: np.ones_like(leaf) for path, leaf in masks.leaf_paths(dense.params).items()}
    tree = {}
    for path, leaf in params.items():
        node = tree
        *parents, name = path.split("/")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf
    Ticket(dense.mask, tree, dense.batch_stats, dense.meta).save(bench.workdir / "ones")
    with pytest.raises(InputError, match="all score alike"):
        bench.draw(source=StartingTicket(bench.workdir / "ones", "ones"), sparsity=0.5)
    assert not list(bench.workdir.glob("draw-*/COMPLETE"))


def test_what_an_excluded_layer_has_lost_already_is_told(bench):
    start = bench.draw(sparsity=0.5).source
    run = bench.draw(source=start, sparsity=0.8, exclude=".*/conv1/kernel")
    assert any("conv1/kernel is not prunable here and keeps" in n for n in run.result()["notes"])
    dense = bench.draw(sparsity=0.75, exclude=".*/conv1/kernel")
    assert "notes" not in dense.result()
    assert dense.result()["sparsity"] == pytest.approx(0.75, abs=1e-3)
