"""What a search leaves: tickets, channels, statistics, the same where it was stopped."""

import itertools

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks, models
from rtickets.config import (
    DataConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.errors import InputError, Preempted
from rtickets.models.supernet import Joined, Stage, Table, supernet
from rtickets.platform import parallel
from rtickets.runs.folders import StartingTicket
from rtickets.settings import config_files
from rtickets.stages import search as search_module
from rtickets.stages import search_events
from rtickets.stages.search import search
from rtickets.stages.settings import TransferConfig
from rtickets.stages.transfer import Asked, begin
from rtickets.storage.event_lines import read_events
from rtickets.tasks import Keypoints
from rtickets.tickets import provenance
from rtickets.tickets.compaction import compact
from rtickets.training.loop import Loop
from tests.stages.search.conftest import config, run


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Return a search and, event by event, (step, state, mask) before and after."""
    found, happen = [], search_events.SearchEvents.happen

    def spy(self, step, last, state, mask):
        after = happen(self, step, last, state, mask)
        found.append((step, (state, mask), after))
        return after

    with pytest.MonkeyPatch.context() as patch:
        table = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
        patch.setitem(models.ARCHITECTURES, "mine", supernet(table))
        patch.setattr(search_events.SearchEvents, "happen", spy)
        yield run(tmp_path_factory.mktemp("whole")), found


def test_events_happen_in_order_and_each_prune_event_leaves_a_ticket(seen):
    folder, events = seen
    assert [step for step, *_ in events] == [2, 3, 4, 6, 8]
    tickets = sorted(each.name for each in (folder.path / "tickets").iterdir())
    assert tickets == ["step00000003", "step00000006", "step00000008"]
    last = Ticket.load(folder.path / "ticket")
    assert last.meta["step"] == 8
    counted = folder.result()
    dense, searched, sparse = (counted["multiply_adds"][k] for k in ("dense", "searched", "sparse"))
    assert dense > searched > sparse > 0
    assert counted["channels"][0] < counted["channels"][1] == 24
    alive = events[-1][2][0].search.alive
    assert counted["channels"][0] == sum(int(each.sum()) for each in alive.values())
    initial = Ticket.load(folder.path / "initial")
    assert masks.sparsity(initial.mask) == 0


def test_density_is_that_of_living_channels_within_one_weight(seen):
    _, events = seen
    for step, _, (state, mask) in events:
        if step % 3 and step != 8:
            continue
        sparsity = 0.25 if step == 3 else 0.5
        shapes = masks.full(state.params)
        living = search_events.channels.mask_of(state.params, state.search.alive, shapes)
        total = masks.summary(living, state.params).prunable.survivors
        kept = masks.summary(mask, state.params).prunable.survivors
        assert kept == total - int(sparsity * total)


def test_dead_channels_stay_zero_and_masked_weights_keep_their_values(seen):
    _, events = seen
    for (_, _, (state, mask)), (_, (later, _), _) in itertools.pairwise(events):
        before, after = (jax.tree.leaves(each.params) for each in (state, later))
        kept = jax.tree.leaves(mask)
        assert all(
            (a[~np.asarray(k)] == b[~np.asarray(k)]).all()
            for a, b, k in zip(before, after, kept, strict=True)
            if np.ndim(k)
        )
        without = search_events.channels.without_dead(later.params, state.search.alive)
        jax.tree.map(np.testing.assert_array_equal, without, later.params)


def test_the_compacted_network_is_smaller_and_answers_the_same(seen):
    folder, _ = seen
    ticket = Ticket.load(folder.path / "ticket")
    found = compact(ticket)
    assert found.report["parameters"][1] < found.report["parameters"][0]
    x = jax.random.uniform(jax.random.key(3), (2, 8, 8, 1))
    whole, small = (
        models.logits(provenance.build_model(each.meta), each.params, each.batch_stats, x)
        for each in (ticket, found.ticket)
    )
    np.testing.assert_allclose(small, whole, atol=1e-4)


def test_tickets_have_statistics_estimated_anew_on_inputs_of_training(seen, tmp_path):
    """Those of the masked average, pooled over two batches of 16 that are changed at random."""
    folder, events = seen
    plain, flipped, upright = (
        search_module.begin(config(**changes), tmp_path, parallel.local_devices(1))
        for changes in ({}, {"data__flip": True}, {"data__flip": False})
    )
    for name, step in (("step00000003", 3), ("step00000008", 8)):
        state = next(after[0] for at, _, after in events if at == step)
        ticket = Ticket.load(folder.path / "tickets" / name)
        average = masks.apply(ticket.mask, state.average.params)
        jax.tree.map(np.testing.assert_array_equal, ticket.params, average)
        expected = plain.statistics(average, state.average.batch_stats)
        jax.tree.map(np.testing.assert_array_equal, ticket.batch_stats, expected)
        running = jax.tree.leaves(state.average.batch_stats)
        assert any((a != b).any() for a, b in zip(running, jax.tree.leaves(expected), strict=True))
    # changes of training count
    either = (each.statistics(average, state.average.batch_stats) for each in (flipped, upright))
    same = jax.tree.map(lambda a, b: bool((a == b).all()), *either)
    assert not all(jax.tree.leaves(same))


@pytest.mark.parametrize("kind", ["ticket", "initial"])
def test_a_ticket_goes_on_under_its_own_head_on_its_task_alone(seen, tmp_path, kind):
    source = StartingTicket(seen[0].path / kind, "0123456789")
    asked = TransferConfig(data=config().data, head="own", train=config().train)
    devices = parallel.local_devices(1)
    begun = begin(Asked(asked, source, "own"), tmp_path, devices)
    ticket = Ticket.load(source.ticket)
    jax.tree.map(np.testing.assert_array_equal, begun.ready.params, ticket.params)
    jax.tree.map(np.testing.assert_array_equal, begun.ready.mask, ticket.mask)
    other = config_files.replace(asked, data=DataConfig(source="mnist5k", image_size=8))
    with pytest.raises(InputError, match=r"head='own'.*mnist5k"):
        begin(Asked(other, source, "own"), tmp_path, devices)


@pytest.mark.parametrize(
    "saves", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_search_that_was_stopped_ends_bit_equal(seen, tmp_path, monkeypatch, saves):
    calls, save = [], Loop._save

    def stop(self, *arguments):
        save(self, *arguments)
        calls.append(1)
        if len(calls) == saves:
            raise Preempted("asked to stop")

    monkeypatch.setattr(Loop, "_save", stop)
    with pytest.raises(Preempted):
        run(tmp_path)
    monkeypatch.undo()
    monkeypatch.setitem(
        models.ARCHITECTURES, "mine", supernet(Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2))
    )
    whole, again = Ticket.load(seen[0].path / "ticket"), Ticket.load(run(tmp_path).path / "ticket")
    for one, other in ((whole.params, again.params), (whole.batch_stats, again.batch_stats)):
        jax.tree.map(np.testing.assert_array_equal, one, other)
    jax.tree.map(np.testing.assert_array_equal, whole.mask, again.mask)
    lines = (seen[0].path / "events.jsonl").read_text()
    assert lines == (tmp_path / seen[0].path.name / "events.jsonl").read_text()
    found = read_events(tmp_path / seen[0].path.name)
    assert [(each["step"], each["events"]) for each in found] == [
        (0, []), (2, ["search"]), (3, ["prune"]), (4, ["search"]), (6, ["search", "prune"]),
        (8, ["search", "prune"]),
    ]  # fmt: skip
    assert [each.get("sparsity") for each in found] == [None, None, 0.25, None, 0.5, 0.5]
    assert found[-1]["channels"] == seen[0].result()["channels"]
    assert found[-1]["multiply_adds"] == seen[0].result()["multiply_adds"]["searched"]


@pytest.mark.slow
def test_keypoints_are_searched_for_and_compacted(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    points = np.full((80, 2, 3), 2, np.float32)
    points[..., :2] = rng.uniform(2, 14, (80, 2, 2))
    images = rng.integers(0, 255, (80, 16, 16, 1)).astype(np.uint8)
    arrays = {"image": images, "keypoints": points, "area": np.full(80, 64, np.float32)}
    source = Source(lambda config, view: Raw(Split(arrays), None), "points", "")
    monkeypatch.setitem(SOURCES, "points", source)
    found = run(
        tmp_path, data__source="points", data__image_size=None, data__train_examples=None,
        data__task=Keypoints(decoder="none", sigma=1.0), data__flip=True,
        searching__search_every="1it", searching__prune_every="1it", train__duration="2it",
        train__validate_every="2it", searching__penalty=0.0, searching__threshold=1.0,
    )  # fmt: skip
    result = found.result()
    assert result["channels"][0] < result["channels"][1]
    ticket = Ticket.load(found.path / "ticket")
    assert ticket.params["head"]["places"]["kernel"].shape == (1, 1, 4, 2)
    smaller = compact(ticket)
    assert smaller.report["parameters"][1] < result["parameters"]["dense"]


@pytest.mark.slow
def test_two_devices_search_as_one(seen, tmp_path):
    one = seen[0]
    two = search(config(), tmp_path, "mine", parallel.local_devices(2))
    assert two.result()["channels"] == one.result()["channels"]
    ours, theirs = (Ticket.load(each.path / "ticket") for each in (one, two))
    jax.tree.map(np.testing.assert_array_equal, ours.mask, theirs.mask)
    for a, b in zip(jax.tree.leaves(ours.params), jax.tree.leaves(theirs.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)
