import chex
import jax
import numpy as np
import pytest

from rtickets import masks, models, stages
from rtickets.config import DrawConfig, EncoderConfig, ImpConfig, ModelConfig
from rtickets.draw import Ticket, draw_omp, noisy_weights, permuted_layers
from rtickets.errors import InputError
from rtickets.masks.gates import SCORES
from rtickets.models.inputs import Input
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.stages.draw import _name_of_base
from rtickets.tickets import provenance


def ticket_of(run):
    return Ticket.load(run.source.ticket)


def counts(mask):
    return {path: int(leaf.sum()) for path, leaf in masks.leaf_paths(mask).items()}


@pytest.mark.parametrize("control", ["random", "shuffled", "flipped", "mask_noise"])
def test_a_control_has_the_weights_of_the_dense_network_under_another_mask(bench, control):
    drawn = ticket_of(bench.draw(sparsity=0.6))
    run = bench.draw(sparsity=0.6, control=control)
    made, dense = ticket_of(run), bench.dense
    assert counts(made.mask) == counts(drawn.mask)
    assert masks.overlap(made.mask, drawn.mask)[""] < 0.9
    chex.assert_trees_all_equal(made.params, masks.apply(made.mask, dense.params))
    chex.assert_trees_all_equal(made.batch_stats, dense.batch_stats)
    assert made.meta["history"][-1]["control"] == control
    assert run.result()["sparsity"] == pytest.approx(0.6, abs=1e-3)


def test_the_flipped_fraction_is_that_of_the_configuration(bench):
    drawn = ticket_of(bench.draw(sparsity=0.6)).mask
    made = ticket_of(bench.draw(sparsity=0.6, control="flipped", flip_fraction=0.5)).mask
    for path, keep in masks.leaf_paths(drawn).items():
        if np.ndim(keep):
            lost = int((keep & ~masks.leaf_paths(made)[path]).sum())
            assert lost == min(round(keep.sum() * 0.5), (~keep).sum())


def test_the_complement_keeps_the_smallest_weights(bench):
    made = ticket_of(bench.draw(sparsity=0.8, control="complement"))
    dense = bench.dense
    others = draw_omp(dense.params, 0.2)
    for path, keep in masks.leaf_paths(made.mask).items():
        if np.ndim(keep):
            np.testing.assert_array_equal(keep, ~masks.leaf_paths(others)[path])
    assert masks.sparsity(made.mask) == pytest.approx(0.8, abs=1e-3)
    chex.assert_trees_all_equal(made.params, masks.apply(made.mask, dense.params))


@pytest.mark.parametrize("seed", [0, 7])
def test_reinitialised_weights_are_those_of_no_pretraining(bench, seed):
    """The initialisation that pretraining started from, under the same seed, is no control."""
    drawn = ticket_of(bench.draw(sparsity=0.6))
    made = ticket_of(bench.draw(sparsity=0.6, control="reinitialised", seed=seed))
    chex.assert_trees_all_equal(made.mask, drawn.mask)
    model = provenance.build_model(made.meta)
    start, _ = models.initialise(model, jax.random.key(seed), (8, 8, 1))
    for other in (bench.dense.params, start):
        kernels = [p["stage1_block1"]["conv1"]["kernel"] for p in (made.params, other)]
        alive = made.mask["stage1_block1"]["conv1"]["kernel"]
        assert (kernels[0][alive] != np.asarray(kernels[1])[alive]).mean() > 0.99


@pytest.mark.parametrize("method", ["omp", "imp"])
def test_noise_is_added_to_the_weights_of_the_ticket(bench, method):
    fields = {"method": method, "sparsity": 0.2}
    drawn = ticket_of(bench.draw(**fields))
    made = ticket_of(bench.draw(**fields, control="weight_noise", noise_std=0.3, seed=4))
    chex.assert_trees_all_equal(made.mask, drawn.mask)
    chex.assert_trees_all_equal(made.batch_stats, drawn.batch_stats)
    chex.assert_trees_all_equal(made.params, noisy_weights(drawn.params, drawn.mask, 0.3, 4))


def test_noise_goes_on_tickets_without_rewinding_and_on_pruned_networks(bench):
    """It gives no weight back, so that it needs none that is gone."""
    imp = ImpConfig(rewind="none", head="keep", statistics="keep")
    drawn = ticket_of(bench.draw(method=imp, sparsity=0.2))
    made = ticket_of(bench.draw(method=imp, sparsity=0.2, control="weight_noise"))
    chex.assert_trees_all_equal(made.params, noisy_weights(drawn.params, drawn.mask, 0.01, 0))
    pruned = bench.draw(sparsity=0.3)
    again = ticket_of(bench.draw(source=pruned.source, sparsity=0.6, control="weight_noise"))
    assert masks.sparsity(again.mask) == pytest.approx(0.6, abs=1e-3)


def test_layers_that_are_not_there_are_not_permuted_whatever_their_mask_would_take(bench):
    with pytest.raises(InputError, match="0 layers"):
        bench.draw(method="imp", sparsity=0.2, control="permuted_layers")
    assert not bench.runs


SIZES = EncoderConfig(layers=3, hidden=8, heads=2, vocabulary=12, positions=6)


def test_permuted_layers_are_those_of_the_dense_network_under_the_mask(tmp_path):
    model = models.from_config(ModelConfig(arch="bert", encoder=SIZES), 2)
    inputs = tuple(Input(name, (6,), "int32") for name in ("tokens", "part", "segment"))
    params, stats = models.initialise(model, jax.random.key(0), inputs)
    Ticket(masks.full(params), params, stats, {}).save(tmp_path / "dense")
    source = find_ticket(str(tmp_path / "dense"))
    made, drawn = (
        ticket_of(
            stages.draw(
                DrawConfig(sparsity=0.5, control=control, seed=2 if control else 0), source,
                tmp_path, "x", parallel.local_devices(1),
            )
        )
        for control in ("permuted_layers", None)
    )  # fmt: skip
    chex.assert_trees_all_equal(made.mask, drawn.mask)
    moved = permuted_layers(params, 2)
    chex.assert_trees_all_equal(made.params, masks.apply(drawn.mask, moved))
    kernels = [each["layer1"]["output"]["kernel"] for each in (made.params, drawn.params)]
    assert (kernels[0] != kernels[1]).any()
    pruned = find_ticket(str(next(tmp_path.glob("draw-base*"))))
    with pytest.raises(InputError, match="is pruned already"):
        stages.draw(
            DrawConfig(sparsity=0.7, control="permuted_layers"), pruned, tmp_path, "y",
            parallel.local_devices(1),
        )  # fmt: skip


def test_controls_share_the_run_of_the_mask_whatever_their_seed(bench):
    drawn = bench.draw(method="imp", sparsity=0.2)
    for seed in (0, 3):
        bench.draw(method="imp", sparsity=0.2, control="shuffled", seed=seed)
    bench.draw(method="imp", sparsity=0.8, control="complement")
    assert len(bench.runs) == 1
    assert {path.name for path in bench.workdir.glob("draw-*")} > {drawn.path.name}
    assert len(list(bench.workdir.glob("draw-*"))) == 4


def test_a_criterion_with_a_seed_is_drawn_with_that_of_the_control(bench):
    for seed in (0, 3):
        fields = {"sparsity": 0.6, "criterion": "random", "seed": seed}
        drawn = bench.draw(**fields)
        bench.draw(**fields, control="reinitialised")
        assert ticket_of(drawn).meta["history"][-1]["seed"] == seed
    assert len(list(bench.workdir.glob("draw-*"))) == 4


def test_controls_of_iterative_pruning_have_its_rewound_weights(bench):
    imp = ImpConfig(rewind="2it", head="keep", statistics="keep")
    drawn = ticket_of(bench.draw(method=imp, sparsity=0.2))
    made = ticket_of(bench.draw(method=imp, sparsity=0.2, control="random"))
    assert [run.options["steps"] for run in bench.runs] == [(0, 2), (2, 4)]
    rewound = bench.runs[0].outcome.params
    expected = {**masks.apply(made.mask, rewound), "head": drawn.params["head"]}
    chex.assert_trees_all_equal(made.params, expected)
    chex.assert_trees_all_equal(made.batch_stats, drawn.batch_stats)


def test_controls_of_a_learned_mask_keep_its_head_and_the_dense_weights(bench):
    data = bench.tasks["down"]
    fields = {"method": "lmp", "sparsity": 0.6, "scope": "uniform", "data": data}
    made = ticket_of(bench.draw(**fields, control="shuffled"))
    (run,) = bench.runs
    dense = {**bench.dense.params, "head": run.outcome.params["head"]}
    chex.assert_trees_all_equal(made.params, masks.apply(made.mask, dense))
    assert SCORES not in made.params
    assert made.meta["class_names"] == ["down0", "down1"]
    again = ticket_of(bench.draw(**fields, control="reinitialised"))
    assert again.params["head"]["kernel"].shape[1] == 2
    assert len(bench.runs) == 1


def test_a_second_call_does_nothing(bench, monkeypatch):
    first = bench.draw(sparsity=0.6, control="shuffled")

    def refuse(*arguments):
        raise AssertionError("a complete stage ran again")

    monkeypatch.setattr(Ticket, "load", refuse)
    assert bench.draw(sparsity=0.6, control="shuffled") == first


@pytest.mark.parametrize("control", ["random", "shuffled", "complement", "flipped"])
def test_a_pruned_network_lacks_the_weights_that_a_control_needs(bench, control):
    pruned = bench.draw(sparsity=0.3).source
    message = r"is pruned already, by 0\.29.*gives weights back that it lacks"
    with pytest.raises(InputError, match=message):
        bench.draw(source=pruned, method="imp", sparsity=0.6, control=control)
    assert not bench.runs  # not even for the mask that the control is made of


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sparsity": 0.0}, r"sparsity=1\.0 is outside"),
        ({"sparsity": 0.75, "pattern": "1:4"}, r"pattern='1:4' removes 0\.75, not sparsity=0\.25"),
    ],
)
def test_a_complement_that_cannot_be_is_named(bench, fields, message):
    with pytest.raises(InputError, match=message):
        bench.draw(control="complement", **fields)


def test_the_sparsity_that_is_drawn_for_a_complement_is_a_plain_number():
    assert DrawConfig(sparsity=0.8, control="complement").drawn_sparsity == 0.2
    assert DrawConfig(sparsity=0.8, control="random").drawn_sparsity == 0.8


@pytest.mark.parametrize("name", ["mine", "random", "my-random-one", "base"])
def test_a_control_and_what_it_is_the_control_of_have_names_of_their_own(name):
    assert _name_of_base(name, "random") != name
    assert "base" in _name_of_base(name, "random")
