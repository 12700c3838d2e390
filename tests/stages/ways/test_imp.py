import itertools

import chex
import jax
import numpy as np
import optax
import pytest

from rtickets import masks, models
from rtickets.config import AttackConfig, ImpConfig, ObjectiveConfig, OptimizerConfig
from rtickets.draw import Ticket, draw_omp, survivors
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.stages.train import prepare, train_network
from rtickets.tickets import provenance
from rtickets.training.loop import Loop

# One step of a random start, as A-IMP trains (Fu et al. 2023); a large radius for a small network.
ADVERSARIAL = ObjectiveConfig(name="pgd", attack=AttackConfig(name="fgsm_rs", eps=0.3))


def trained_weights(run):
    return run.outcome.params


def test_states_are_nested_exact_and_rewound_bit_for_bit(bench):
    last = bench.draw(method="imp", sparsity=0.5)
    dense, states = bench.dense, bench.states()
    assert list(states) == [0.2, 0.36, 0.488, 0.5]
    total = masks.summary(dense.mask, dense.params).prunable.total
    before = dense.mask
    for sparsity, ticket in states.items():
        kept = masks.summary(ticket.mask, dense.params).prunable.survivors
        assert kept == survivors(total, sparsity)
        revived = jax.tree.map(lambda new, old: bool((new & ~old).any()), ticket.mask, before)
        assert not any(jax.tree.leaves(revived))
        chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, dense.params))
        chex.assert_trees_all_equal(ticket.batch_stats, dense.batch_stats)
        before = ticket.mask
    assert last.result()["survivors"] == survivors(total, 0.5)
    for run, mask in zip(
        bench.runs, [dense.mask, *(t.mask for t in states.values())], strict=False
    ):
        start, ended = run.weights[0], trained_weights(run)
        chex.assert_trees_all_equal(start, masks.apply(mask, dense.params))
        chex.assert_trees_all_equal(ended, masks.apply(mask, ended))


def test_the_smallest_of_the_trained_weights_die(bench):
    bench.draw(method="imp", sparsity=0.2)
    (run,) = bench.runs
    mask = bench.states()[0.2].mask
    chex.assert_trees_all_equal(mask, draw_omp(trained_weights(run), 0.2))
    assert masks.overlap(mask, draw_omp(bench.dense.params, 0.2))[""] < 0.99


@pytest.mark.parametrize("kept", [{"head"}, {"statistics"}, {"head", "statistics"}])
def test_head_and_statistics_are_kept_separately_when_asked(bench, kept):
    bench.draw(method=ImpConfig(**dict.fromkeys(kept, "keep")), sparsity=0.3)
    dense = bench.dense
    for ticket, run in zip(bench.states().values(), bench.runs, strict=True):
        trained = {"head": trained_weights(run)["head"], "statistics": run.outcome.batch_stats}
        own = {"head": dense.params["head"], "statistics": dense.batch_stats}
        found = {"head": ticket.params["head"], "statistics": ticket.batch_stats}
        for name in own:
            chex.assert_trees_all_equal(found[name], (trained if name in kept else own)[name])
            changed = jax.tree.map(lambda a, b: bool((a != b).any()), trained[name], own[name])
            assert all(jax.tree.leaves(changed))
        rewound = masks.apply(ticket.mask, dense.params)
        chex.assert_trees_all_equal({**ticket.params, "head": rewound["head"]}, rewound)


def test_weights_go_back_to_an_early_step_of_training(bench):
    bench.draw(method=ImpConfig(rewind="2it"), sparsity=0.3)
    (rewound,) = (Ticket.load(path / "ticket") for path in bench.workdir.glob("rewind-*"))
    dense, short = bench.dense, bench.train(duration="2it")
    ready = prepare(dense, bench.tasks["up"], short.seed, keep_head=True)
    folder = bench.workdir / "two-steps-digest"
    folder.mkdir()
    run = ready.run(
        short,
        folder,
        parallel.local_devices(1),
    )
    expected = train_network(run, (dense.params, dense.batch_stats), dense.mask)
    chex.assert_trees_all_equal(rewound.params, expected.params)
    chex.assert_trees_all_equal(rewound.batch_stats, expected.batch_stats)
    assert (rewound.params["head"]["kernel"] != dense.params["head"]["kernel"]).any()
    for ticket in bench.states().values():
        chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, rewound.params))
        chex.assert_trees_all_equal(ticket.batch_stats, rewound.batch_stats)
    assert [run.options["steps"] for run in bench.runs] == [(0, 2), (2, 4), (2, 4)]


def test_the_optimizer_is_fresh_or_keeps_the_momentum_of_the_survivors(bench):
    bench.draw(method=ImpConfig(optimizer="keep", head="keep"), sparsity=0.3)
    first, second = bench.runs
    assert first.options["opt_state"] is None
    carried = optax.tree_utils.tree_get(second.options["opt_state"], "trace")
    ended = optax.tree_utils.tree_get(first.outcome.opt_state, "trace")
    mask = bench.states()[0.2].mask
    chex.assert_trees_all_equal(carried, masks.apply(mask, ended))
    assert all(bool((leaf != 0).any()) for leaf in jax.tree.leaves(carried))
    bench.runs.clear()
    bench.draw(workdir="fresh", method=ImpConfig(head="keep"), sparsity=0.3)
    assert [run.options["opt_state"] for run in bench.runs] == [None, None]
    same, other = bench.runs
    chex.assert_trees_all_equal(trained_weights(same), trained_weights(first))
    heads = [trained_weights(run)["head"]["kernel"] for run in (second, other)]
    assert (heads[0] != heads[1]).any()


@pytest.mark.parametrize("name", ["adamw", "lars"])
def test_whatever_the_optimizer_remembers_of_the_survivors_is_kept(bench, name):
    train = bench.train(optimizer=OptimizerConfig(name=name, learning_rate=0.01))
    bench.draw(method=ImpConfig(optimizer="keep"), sparsity=0.3, train=train)
    first, second = bench.runs
    mask, ended = bench.states()[0.2].mask, first.outcome.opt_state
    expected = optax.tree_utils.tree_map_params(
        train.optimizer.transform(), lambda leaf, keep: np.where(keep, leaf, 0), ended, mask
    )
    chex.assert_trees_all_equal(second.options["opt_state"], expected)
    assert first.options["opt_state"] is None


def test_a_longer_chain_reuses_the_states_of_a_shorter_one(bench):
    bench.draw(method="imp", sparsity=0.36)
    assert len(bench.runs) == 2
    before = {path: path.stat().st_mtime_ns for path in bench.workdir.rglob("*")}
    bench.draw(method="imp", sparsity=0.488)
    assert len(bench.runs) == 3
    bench.draw(method="imp", sparsity=0.4)
    assert len(bench.runs) == 4
    bench.draw(method="imp", sparsity=0.488)
    assert len(bench.runs) == 4
    assert len(list(bench.workdir.glob("draw-*"))) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in before.items()
               if path != bench.workdir)  # fmt: skip


def test_a_killed_state_ends_bit_equal_to_one_that_was_not(bench, monkeypatch):
    fields = {"sparsity": 0.3}
    imp, train = ImpConfig(optimizer="keep"), bench.train(checkpoint_every="1it")
    bench.draw(workdir="whole", method=imp, train=train, **fields)
    dispatch, calls = Loop._dispatch, itertools.count(1)

    def killed(self, *arguments):
        if next(calls) == 6:  # in the second state
            raise KeyboardInterrupt
        return dispatch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_dispatch", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.draw(workdir="killed", method=imp, train=train, **fields)
    assert len(list(bench.workdir.glob("killed/*/COMPLETE"))) == 1
    whole = len(bench.runs)
    bench.draw(workdir="killed", method=imp, train=train, **fields)
    assert len(bench.runs) == whole + 1
    for one, two in zip(*(bench.states(w).values() for w in ("whole", "killed")), strict=True):
        chex.assert_trees_all_equal((one.mask, one.params), (two.mask, two.params))
    chex.assert_trees_all_equal(bench.runs[-1].outcome[:5], bench.runs[1].outcome[:5])


def test_upstream_keeps_the_head_and_downstream_gets_a_fresh_one(bench):
    up = Ticket.load(bench.draw(method="imp", sparsity=0.2).source.ticket)
    chex.assert_trees_all_equal(up.params["head"], bench.dense.params["head"])
    data, train = bench.tasks["down"], bench.train(seed=3)
    run = bench.draw(workdir="down", method="imp", sparsity=0.3, data=data, train=train)
    down = Ticket.load(run.source.ticket)
    assert down.meta["class_names"] == ["down0", "down1"]
    assert provenance.trained_on(down.meta) == (data, 3)
    fresh, _ = models.initialise(provenance.build_model(down.meta), jax.random.key(3), (8, 8, 1))
    for state in bench.states("down").values():
        chex.assert_trees_all_equal(state.params["head"], fresh["head"])
    np.testing.assert_array_equal(
        down.params["stem_conv"]["kernel"],
        np.where(down.mask["stem_conv"]["kernel"], bench.dense.params["stem_conv"]["kernel"], 0),
    )


def test_an_adversarial_objective_draws_another_mask_downstream_too(bench):
    data = bench.tasks["down"]
    natural = bench.draw(method="imp", sparsity=0.2, data=data)
    robust = bench.draw(
        method="imp", sparsity=0.2, data=data, train=bench.train(objective=ADVERSARIAL)
    )
    assert natural.path != robust.path
    drawn = [Ticket.load(run.source.ticket).mask for run in (natural, robust)]
    assert masks.overlap(*drawn)[""] < 0.99


def test_a_mask_never_depends_on_the_test_images(bench, tmp_path):
    arrays = dict(np.load(tmp_path / "up.npz"))
    one = bench.draw(workdir="one", method="imp", sparsity=0.2)
    np.savez(tmp_path / "up.npz", **{**arrays, "x_test": 255 - arrays["x_test"]})
    two = bench.draw(workdir="two", method="imp", sparsity=0.2)
    chex.assert_trees_all_equal(
        Ticket.load(one.source.ticket).mask, Ticket.load(two.source.ticket).mask
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sparsity": 0.0}, "sparsity=0 prunes nothing"),
        ({"prunable": "nothing"}, "prunable='nothing' matches none"),
        ({"method": ImpConfig(rewind="4it")}, r"method\.rewind='4it' .*'4it'"),
        ({"method": ImpConfig(rewind="9ep")}, r"method\.rewind='9ep' .*'4it'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_training(bench, fields, message):
    with pytest.raises(InputError, match=message):
        bench.draw(**{"method": "imp", "sparsity": 0.2, **fields})
    assert not bench.runs


def test_iterating_goes_on_from_a_ticket_that_was_drawn_in_one_shot(bench):
    """The ladder counts from the dense network, and weights go back to those of the ticket."""
    pruned = bench.draw(sparsity=0.5)
    bench.draw(source=pruned.source, workdir="more", method=ImpConfig(rate=0.5), sparsity=0.8)
    before, states = Ticket.load(pruned.source.ticket), bench.states("more")
    assert list(states) == [0.75, 0.8]
    total = masks.summary(before.mask, before.params).prunable.total
    for sparsity, ticket in states.items():
        counts = masks.summary(ticket.mask, ticket.params).prunable
        assert counts == (survivors(total, sparsity), total)
        revived = jax.tree.map(lambda new, old: bool((new & ~old).any()), ticket.mask, before.mask)
        assert not any(jax.tree.leaves(revived))
        chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, before.params))


def test_who_goes_on_from_a_state_ends_bit_equal_to_a_chain_that_was_not_interrupted(bench):
    imp = ImpConfig(rate=0.5, rewind="1it", optimizer="keep", head="keep", statistics="keep")
    whole = Ticket.load(bench.draw(workdir="whole", method=imp, sparsity=0.75).source.ticket)
    first = bench.draw(workdir="parts", method=imp, sparsity=0.5)
    done = len(bench.runs)
    fields = {"source": first.source, "method": imp, "sparsity": 0.75}
    parts = Ticket.load(bench.draw(workdir="parts", **fields).source.ticket)
    assert [run.options["steps"] for run in bench.runs[done:]] == [
        (1, 4)
    ]  # nothing is set back twice
    chex.assert_trees_all_equal(
        (parts.mask, parts.params, parts.batch_stats), (whole.mask, whole.params, whole.batch_stats)
    )
    bench.draw(workdir="parts", method=imp, sparsity=0.75)
    assert len(bench.runs) == done + 1  # the chain from the dense network is the same


def test_another_chain_goes_on_without_the_momentum_of_the_first(bench):
    keep = ImpConfig(optimizer="keep")
    first = bench.draw(method=keep, sparsity=0.2)
    train = bench.train(seed=5)
    bench.draw(source=first.source, method=keep, sparsity=0.3, train=train)
    assert [run.options["opt_state"] for run in bench.runs] == [None, None]


@pytest.mark.parametrize("sparsity", [0.3, 0.5])
def test_a_sparsity_that_the_ticket_has_is_refused_before_training(bench, sparsity):
    pruned = bench.draw(sparsity=0.5).source
    message = f"sparsity={sparsity} is reached already: the network to prune has lost 0.5"
    with pytest.raises(InputError, match=message):
        bench.draw(source=pruned, method="imp", sparsity=sparsity)
    assert not bench.runs


def test_a_ticket_that_does_not_fit_the_pattern_is_refused_before_training(bench):
    pruned = bench.draw(sparsity=0.5).source
    with pytest.raises(InputError, match="alive in part"):
        bench.draw(source=pruned, method="imp", sparsity=0.8, pattern="kernel")
    assert not bench.runs


def test_weight_decay_and_patterns_take_part(bench):
    optimizer = OptimizerConfig(learning_rate=0.1, momentum=0.9, weight_decay=0.1)
    train = bench.train(optimizer=optimizer)
    run = bench.draw(method="imp", sparsity=0.3, pattern="kernel", scope="uniform", train=train)
    mask = Ticket.load(run.source.ticket).mask["stage1_block1"]["conv1"]["kernel"]
    alive = mask.sum((0, 1))
    assert set(np.unique(alive)) == {0, 9}
    assert int((alive > 0).sum()) == survivors(alive.size, 0.3)
    for run, ticket in zip(bench.runs[1:], list(bench.states().values())[:1], strict=True):
        chex.assert_trees_all_equal(
            trained_weights(run), masks.apply(ticket.mask, trained_weights(run))
        )
