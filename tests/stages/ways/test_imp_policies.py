"""What the states of iterative pruning begin with, go back to, keep and begin anew."""

import itertools

import chex
import jax
import numpy as np
import optax
import pytest
from pydantic import ValidationError

from rtickets import masks, models
from rtickets.config import AttackConfig, DrawConfig, ImpConfig, ObjectiveConfig
from rtickets.draw import Ticket, draw_omp, survivors
from rtickets.draw.ladder import imp_ladder
from rtickets.errors import InputError
from rtickets.runs.folders import find_ticket
from rtickets.tickets import provenance
from rtickets.training.loop import Loop

RATE = 0.5
TWO = {"sparsity": 0.75}
FREE = ObjectiveConfig(name="free", attack=AttackConfig(name="fgsm", eps=0.1), replays=2)


def new_network(bench, seed=0):
    meta = bench.dense.meta
    return models.initialise(provenance.build_model(meta), jax.random.key(seed), (8, 8, 1))


def rewound(bench, workdir=""):
    (folder,) = (bench.workdir / workdir).glob("rewind-*")
    return Ticket.load(folder / "ticket")


def imp(**fields):
    return ImpConfig(rate=RATE, **fields)


def test_pruning_first_takes_the_mask_of_the_weights_it_starts_from(bench):
    bench.draw(method=imp(first="prune"), **TWO)
    states = bench.states()
    chex.assert_trees_all_equal(states[0.5].mask, draw_omp(bench.dense.params, 0.5))
    (run,) = bench.runs  # the second state alone is trained
    chex.assert_trees_all_equal(run.weights[0], masks.apply(states[0.5].mask, bench.dense.params))
    second = draw_omp(run.outcome.params, 0.75, start=states[0.5].mask)
    chex.assert_trees_all_equal(states[0.75].mask, second)
    for state in states.values():
        chex.assert_trees_all_equal(state.params, masks.apply(state.mask, bench.dense.params))


def test_the_published_ladder_is_exact_and_nested_whatever_comes_first(bench):
    """1 - 0.8^k after k states, of a network whose layers have other sizes than powers of 5."""
    total = masks.summary(bench.dense.mask, bench.dense.params).prunable.total
    train = bench.train(duration="1it")
    for first in ("train", "prune"):
        bench.draw(
            workdir=first, method=ImpConfig(first=first), sparsity=imp_ladder(6)[-1], train=train
        )
        states = bench.states(first)
        assert [round(s, 6) for s in states] == [0.2, 0.36, 0.488, 0.5904, 0.67232, 0.737856]
        before = bench.dense.mask
        for sparsity, ticket in states.items():
            kept = masks.summary(ticket.mask, ticket.params).prunable.survivors
            assert kept == survivors(total, sparsity)
            assert not any(jax.tree.leaves(jax.tree.map(
                lambda new, old: bool((new & ~old).any()), ticket.mask, before)))  # fmt: skip
            before = ticket.mask
    assert len(bench.runs) == 6 + 5


def test_random_weights_are_those_that_pretraining_begins_with(bench):
    bench.draw(method=imp(start="random"), train=bench.train(seed=4), **TWO)
    params, stats = new_network(bench, 4)
    for ticket in bench.states().values():
        chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, params))
        chex.assert_trees_all_equal(ticket.batch_stats, stats)
    chex.assert_trees_all_equal(bench.runs[0].weights, (params, stats))


def test_random_weights_under_the_mask_of_a_ticket(bench):
    pruned = bench.draw(sparsity=0.5)
    bench.draw(
        source=pruned.source, workdir="more", method=imp(start="random"), sparsity=0.75
    )  # fmt: skip
    (ticket,) = bench.states("more").values()
    start = Ticket.load(pruned.source.ticket).mask
    assert not any(jax.tree.leaves(jax.tree.map(
        lambda new, old: bool((new & ~old).any()), ticket.mask, start)))  # fmt: skip
    chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, new_network(bench)[0]))


def test_weights_go_back_to_an_early_step_of_training_from_random_ones(bench):
    bench.draw(method=imp(start="random", rewind="2it"), **TWO)
    early, *states = bench.runs
    chex.assert_trees_all_equal(early.weights, new_network(bench))
    assert [run.options["steps"] for run in bench.runs] == [(0, 2), (2, 4), (2, 4)]
    for run in states:
        chex.assert_trees_all_equal(run.weights[1], early.outcome.batch_stats)
    chex.assert_trees_all_equal(rewound(bench).params, early.outcome.params)


def test_weights_go_back_to_the_best_of_a_dense_run(bench, monkeypatch):
    train = bench.train(validate_every="1it", select="last")
    values = iter([0.2, 0.9, 0.1, 0.3])
    real = Loop.__init__

    def scripted(self, *arguments, **options):
        real(self, *arguments, **options)
        self.validate = lambda *_: next(values, 0.5)

    monkeypatch.setattr(Loop, "__init__", scripted)
    bench.draw(method=imp(rewind="best"), train=train, sparsity=0.5)
    dense, state = bench.runs
    assert (dense.outcome.step, dense.outcome.validation) == (2, pytest.approx(0.9))
    assert [run.options["steps"] for run in bench.runs] == [None, (0, 4)]
    chex.assert_trees_all_equal(state.weights[0], dense.outcome.params)
    (ticket,) = bench.states().values()
    chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, dense.outcome.params))
    chex.assert_trees_all_equal(ticket.batch_stats, dense.outcome.batch_stats)


def test_without_rewinding_every_state_trains_on(bench):
    method = imp(rewind="none", head="keep", statistics="keep", optimizer="keep")
    bench.draw(method=method, **TWO)
    first, second = bench.runs
    states = bench.states()
    for run, ticket in zip(bench.runs, states.values(), strict=True):
        chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, run.outcome.params))
        chex.assert_trees_all_equal(ticket.batch_stats, run.outcome.batch_stats)
    chex.assert_trees_all_equal(second.weights[0], states[0.5].params)
    carried = optax.tree_utils.tree_get(second.options["opt_state"], "trace")
    ended = optax.tree_utils.tree_get(first.outcome.opt_state, "trace")
    chex.assert_trees_all_equal(carried, masks.apply(states[0.5].mask, ended))


@pytest.mark.parametrize("parts", [{"head"}, {"statistics"}, {"head", "statistics"}])
@pytest.mark.parametrize("rewind", ["0it", "none"])
def test_head_and_statistics_begin_anew_in_every_state(bench, parts, rewind):
    other = "keep" if rewind == "none" else "rewind"
    policies = {p: "reset" if p in parts else other for p in ("head", "statistics")}
    bench.draw(method=imp(rewind=rewind, **policies), train=bench.train(seed=4), **TWO)
    params, stats = new_network(bench, 4)
    for run, ticket in zip(bench.runs, bench.states().values(), strict=True):
        if "head" in parts:
            chex.assert_trees_all_equal(run.weights[0]["head"], params["head"])
            chex.assert_trees_all_equal(ticket.params["head"], params["head"])
        if "statistics" in parts:
            chex.assert_trees_all_equal(run.weights[1], stats)
            chex.assert_trees_all_equal(ticket.batch_stats, stats)
    kept = bench.runs[-1].outcome if rewind == "none" else bench.dense
    if "head" not in parts:
        chex.assert_trees_all_equal(ticket.params["head"], kept.params["head"])
    if "statistics" not in parts:
        chex.assert_trees_all_equal(ticket.batch_stats, kept.batch_stats)


def test_momentum_goes_back_with_the_weights_to_the_early_step(bench):
    bench.draw(method=imp(rewind="2it", optimizer="rewind"), sparsity=0.875)
    early, *states = bench.runs
    trace = optax.tree_utils.tree_get(early.outcome.opt_state, "trace")
    masks_before = [bench.dense.mask, *(t.mask for t in bench.states().values())]
    for run, mask in zip(states, masks_before, strict=False):
        begun = optax.tree_utils.tree_get(run.options["opt_state"], "trace")
        chex.assert_trees_all_equal(begun, masks.apply(mask, trace))


@pytest.mark.parametrize("policy", ["keep", "rewind", "reset"])
def test_what_the_objective_takes_along_is_kept_rewound_or_fresh(bench, policy):
    train = bench.train(objective=FREE)
    bench.draw(method=imp(rewind="2it", carry=policy), train=train, **TWO)
    early, first, second = bench.runs
    given = [run.options.get("carry") for run in (first, second)]
    if policy == "reset":
        assert given == [None, None]
        return
    from_where = (early, early) if policy == "rewind" else (None, first)
    for stored, run in zip(given, from_where, strict=True):
        if run is None:
            assert stored is None
        else:
            np.testing.assert_array_equal(stored.like(run.outcome.carry), run.outcome.carry)
            assert np.any(run.outcome.carry)


def test_states_stop_before_the_end_of_the_schedule(bench):
    bench.draw(method=imp(stop="3it", rewind="1it"), **TWO)
    assert [run.options["steps"] for run in bench.runs] == [(0, 1), (1, 3), (1, 3)]
    assert [run.outcome.step for run in bench.runs] == [1, 3, 3]


@pytest.mark.parametrize(
    "policy",
    [
        {"first": "prune", "optimizer": "keep"},
        {"start": "random", "rewind": "1it", "optimizer": "rewind", "head": "keep"},
        {"rewind": "none", "head": "keep", "statistics": "reset", "optimizer": "keep"},
        {"rewind": "best", "statistics": "keep", "optimizer": "keep"},
        {"first": "prune", "rewind": "2it", "carry": "keep", "optimizer": "rewind"},
    ],
)
def test_a_chain_that_is_killed_anywhere_ends_bit_equal(bench, monkeypatch, policy):
    train = bench.train(checkpoint_every="1it", validate_every="1it", objective=FREE)
    fields = {"method": imp(**policy), "train": train, "sparsity": 0.875}
    bench.draw(workdir="whole", **fields)
    steps = itertools.count(1)
    dispatch = Loop._dispatch

    def killed(self, *arguments):
        if next(steps) % 3 == 0:  # so in every state, and also between two of them
            raise KeyboardInterrupt
        return dispatch(self, *arguments)

    monkeypatch.setattr(Loop, "_dispatch", killed)
    for _ in range(20):
        try:
            bench.draw(workdir="killed", **fields)
            break
        except KeyboardInterrupt:
            continue
    whole, parts = bench.states("whole"), bench.states("killed")
    assert list(whole) == list(parts) == [0.5, 0.75, 0.875]
    for one, two in zip(whole.values(), parts.values(), strict=True):
        chex.assert_trees_all_equal(
            (one.mask, one.params, one.batch_stats), (two.mask, two.params, two.batch_stats)
        )


def test_a_chain_goes_on_from_a_state_of_another_folder(bench):
    """From a state that was pruned first, with momentum to keep, as one that never stopped."""
    method = imp(first="prune", rewind="2it", optimizer="rewind", head="keep")
    whole = Ticket.load(bench.draw(workdir="whole", method=method, **TWO).source.ticket)
    first = bench.draw(workdir="parts", method=method, sparsity=0.5)
    done = len(bench.runs)
    on = bench.draw(workdir="parts", source=first.source, method=method, **TWO)
    assert [run.options["steps"] for run in bench.runs[done:]] == [(2, 4)]
    parts = Ticket.load(on.source.ticket)
    chex.assert_trees_all_equal((parts.mask, parts.params), (whole.mask, whole.params))


def test_momentum_that_is_missing_is_refused_not_begun_anew(bench, tmp_path):
    method = imp(optimizer="keep")
    first = bench.draw(method=method, sparsity=0.5)
    Ticket.load(first.source.ticket).save(tmp_path / "copy")
    done = len(bench.runs)
    with pytest.raises(InputError, match=r"method\.optimizer='keep'.*momentum.*'reset'"):
        bench.draw(source=find_ticket(str(tmp_path / "copy")), method=method, **TWO)
    assert len(bench.runs) == done


def test_a_carry_that_nothing_has_is_refused_before_training(bench):
    with pytest.raises(InputError, match=r"method\.carry='keep'.*'natural'.*'reset'"):
        bench.draw(method=imp(carry="keep"), **TWO)
    assert not bench.runs


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rewind": "none"}, [r"method\.rewind='none'", r"method\.head='rewind'"]),
        ({"optimizer": "rewind"}, [r"method\.optimizer='rewind'", r"method\.rewind='0it'"]),
        ({"carry": "rewind", "rewind": "best"}, [r"method\.carry='rewind'", r"'best'"]),
        ({"rewind": "best"}, [r"method\.rewind='best'", "validate_every"]),
        ({"rewind": "late"}, ["rewind", "late"]),
    ],
)
def test_policies_that_cannot_be_are_refused(bench, fields, named):
    with pytest.raises(ValidationError) as error:
        DrawConfig(method=imp(**fields), train=bench.train())
    for each in named:
        assert error.match(each)


def test_a_control_without_values_to_give_back_is_refused(bench):
    method = imp(rewind="none", head="keep", statistics="keep")
    with pytest.raises(ValidationError, match=r"control='random'.*'none'"):
        DrawConfig(method=method, train=bench.train(), control="random")
    DrawConfig(method=method, train=bench.train(), control="reinitialised")


@pytest.mark.parametrize(("stop", "named"), [("5it", "'4it'"), ("0it", "'1it'"), ("1it", "'1it'")])
def test_states_that_would_train_nothing_are_refused(bench, stop, named):
    rewind = "1it" if stop == "1it" else "0it"
    with pytest.raises(InputError, match=rf"method\.stop='{stop}'") as error:
        bench.draw(method=imp(stop=stop, rewind=rewind), **TWO)
    assert named in str(error.value)
    assert not bench.runs


def test_dry_runs_count_the_trainings(bench):
    ladder = imp_ladder(3, RATE)[-1]
    assert imp().states(ladder, 0) == 3
    assert imp(first="prune").states(ladder, 0) == 2
    assert imp(rewind="best").states(ladder, 0) == 4
    train = bench.train(duration="9it")
    assert imp(stop="3it").schedule(train).duration == "3it"
    assert imp().schedule(train) == train
