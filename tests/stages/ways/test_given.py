"""The mask of one pretraining on the weights of another."""

import chex
import jax
import pytest

from rtickets import masks, models
from rtickets.config import WayConfig
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.runs.folders import find_ticket
from rtickets.tickets import provenance


@pytest.fixture
def other(bench, tmp_path):
    """Another pretraining of the same network."""
    dense = bench.dense
    params, stats = models.initialise(
        provenance.build_model(dense.meta), jax.random.key(8), (8, 8, 1)
    )
    Ticket(masks.full(params), params, stats, dense.meta).save(tmp_path / "other")
    return find_ticket(str(tmp_path / "other"))


def given(run):
    return WayConfig(name="given", mask=str(run.path))


def test_the_mask_is_theirs_and_the_weights_are_ours(bench, other):
    drawn = bench.draw(sparsity=0.5)
    moved = bench.draw(source=other, method=given(drawn), sparsity=0.5, train=None)
    mask, ours = Ticket.load(drawn.source.ticket).mask, Ticket.load(other.ticket)
    ticket = Ticket.load(moved.source.ticket)
    chex.assert_trees_all_equal(ticket.mask, mask)
    chex.assert_trees_all_equal(ticket.params, masks.apply(mask, ours.params))
    chex.assert_trees_all_equal(ticket.batch_stats, ours.batch_stats)
    again = bench.draw(source=other, method=given(drawn), sparsity=0.5, train=None)
    assert again.path == moved.path


def test_where_the_mask_lies_does_not_make_another_run(bench, other, tmp_path):
    drawn = bench.draw(sparsity=0.5)
    moved = bench.draw(source=other, method=given(drawn), sparsity=0.5, train=None)
    (tmp_path / "elsewhere").symlink_to(drawn.path)
    there = WayConfig(name="given", mask=str(tmp_path / "elsewhere"))
    again = bench.draw(source=other, method=there, sparsity=0.5, train=None)
    assert again.path == moved.path


def test_another_mask_is_another_run(bench, other):
    runs = [
        bench.draw(source=other, method=given(drawn), sparsity=0.5, train=None)
        for drawn in (bench.draw(sparsity=0.5), bench.draw(sparsity=0.5, criterion="random"))
    ]
    assert runs[0].path != runs[1].path


def test_what_is_dead_stays_dead(bench):
    first = bench.draw(sparsity=0.2)
    drawn = bench.draw(sparsity=0.5, criterion="random")
    both = [Ticket.load(run.source.ticket).mask for run in (first, drawn)]
    common = jax.tree.map(lambda a, b: a & b, *both)
    reached = masks.sparsity(common)
    moved = bench.draw(source=first.source, method=given(drawn), sparsity=reached, train=None)
    chex.assert_trees_all_equal(Ticket.load(moved.source.ticket).mask, common)


def test_the_sparsity_must_be_that_of_the_mask(bench, other):
    drawn = bench.draw(sparsity=0.5)
    with pytest.raises(InputError, match=r"sparsity=0\.9.*0\.5"):
        bench.draw(source=other, method=given(drawn), sparsity=0.9, train=None)


def test_a_mask_of_another_network_or_none_is_refused(bench, tmp_path):
    params = {"conv": {"kernel": jax.numpy.ones((3, 3, 2, 2))}}
    Ticket(masks.full(params), params, {}, {}).save(tmp_path / "strange")
    method = WayConfig(name="given", mask=str(tmp_path / "strange"))
    with pytest.raises(InputError, match=r"another network.*conv/kernel.*\(3, 3, 2, 2\)"):
        bench.draw(method=method, sparsity=0.5, train=None)
    with pytest.raises(InputError, match=r"method\.mask"):
        bench.draw(method=WayConfig(name="given"), sparsity=0.5, train=None)


@pytest.mark.parametrize("join", ["union", "intersection"])
def test_masks_of_several_tickets_are_joined(bench, other, join):
    drawn = [bench.draw(sparsity=0.5), bench.draw(sparsity=0.5, criterion="random")]
    one, two = (Ticket.load(run.source.ticket).mask for run in drawn)
    expected = {"union": masks.union, "intersection": masks.intersection}[join](one, two)
    method = {"mask": str(drawn[0].path), "masks": (str(drawn[1].path),), "join": join}
    fields = {"source": other, "sparsity": masks.sparsity(expected), "train": None}
    moved = bench.draw(method=WayConfig(name="given", **method), **fields)
    chex.assert_trees_all_equal(Ticket.load(moved.source.ticket).mask, expected)
    swapped = {**method, "mask": method["masks"][0], "masks": (method["mask"],)}
    alone = bench.draw(method=given(drawn[0]), source=other, sparsity=0.5, train=None)
    assert len({run.path for run in (moved, alone)}) == 2
    again = bench.draw(method=WayConfig(name="given", **swapped), **fields)
    chex.assert_trees_all_equal(Ticket.load(again.source.ticket).mask, expected)


def test_masks_of_tickets_with_other_heads_are_joined(bench, other):
    """Tickets of several tasks have heads of several forms, which no mask is about."""
    drawn = bench.draw(sparsity=0.5)
    ticket = Ticket.load(drawn.source.ticket)
    heads = [{**each, "head": {"table": each["head"]["kernel"]}} for each in
             (ticket.mask, ticket.params)]  # fmt: skip
    Ticket(*heads, ticket.batch_stats, ticket.meta).save(bench.workdir / "task")
    method = WayConfig(name="given", mask=str(drawn.path), masks=(str(bench.workdir / "task"),))
    moved = bench.draw(source=other, method=method, sparsity=0.5, train=None)
    chex.assert_trees_all_equal(Ticket.load(moved.source.ticket).mask, ticket.mask)


def test_one_mask_joins_nothing(bench):
    with pytest.raises(InputError, match=r"join='intersection'.*method\.masks"):
        bench.draw(
            method=WayConfig(name="given", mask="x", join="intersection"), sparsity=0.5, train=None
        )
