"""A search: order of its events, what comes back, tickets, resuming, counts."""

import itertools

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks, models
from rtickets.config import (
    AveragingConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    SearchConfig,
    SearchingConfig,
    TrainConfig,
)
from rtickets.costs import Setting
from rtickets.costs.task_sizes import cost_of, sizes_of
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.errors import InputError, Preempted
from rtickets.models.supernet import Joined, Stage, Table, supernet
from rtickets.platform import parallel
from rtickets.runs.folders import StartingTicket
from rtickets.settings import config_files
from rtickets.stages import search as search_module
from rtickets.stages import search_checks, search_events
from rtickets.stages.search import search
from rtickets.stages.settings import TransferConfig
from rtickets.stages.transfer import Asked, begin
from rtickets.storage.event_lines import read_events
from rtickets.tasks import Keypoints
from rtickets.tickets import provenance
from rtickets.tickets.compaction import compact
from rtickets.training.loop import Loop

BLOCK, KERNEL = "stage1_branch1_block1", "path3_expand_conv"


@pytest.fixture(autouse=True)
def _mine(monkeypatch):
    table = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
    monkeypatch.setitem(models.ARCHITECTURES, "mine", supernet(table))


def config(**changes):
    found = SearchConfig(
        data=DataConfig(source="fashion_mini", image_size=8, train_examples=64, crop_padding=0),
        model=ModelConfig(arch="mine"),
        searching=SearchingConfig(
            search_every="2it", prune_every="3it", penalty_warmup="2it", penalty=0.3,
            least_freed=1, threshold=0.97, sparsity=0.5, sparsity_step=0.25, calibration_batches=2,
            masked="frozen",
        ),
        train=TrainConfig(
            duration="8it", batch_size=16, select="last", validate_every="4it",
            checkpoint_every="2it", averaging=AveragingConfig(decay=0.5),
            optimizer=OptimizerConfig(name="adamw", learning_rate=0.01, weight_decay=0.0),
        ),
    )  # fmt: skip
    return config_files.replace(found, **changes)


def run(path, **changes):
    return search(config(**changes), path, "mine", parallel.local_devices(1))


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


def test_the_last_event_meets_the_budget(tmp_path):
    folder = run(
        tmp_path, searching__budget=8000, searching__threshold=0.0, searching__prune_every="0ep",
        searching__search_every="4it", train__duration="4it",
    )  # fmt: skip
    found = folder.result()
    # channels of 17 multiply-adds at each of 16 places
    assert 8000 - 17 * 16 < found["multiply_adds"]["searched"] <= 8000
    # what was removed by force is said where the ticket is, and channels that go are no sign
    (note,) = found["notes"]
    assert "budget=8,000" in note
    assert Ticket.load(folder.path / "ticket").meta["notes"] == [note]
    assert "broken" not in found


def unread(*_):
    raise AssertionError("data were read before the configuration was refused")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # units of steps and epochs: 4 steps an epoch make 8 steps, of which one has an event
        ({"train__duration": "2ep", "searching__prune_every": "8it"}, r"1 events.*0\.25, not 0\.5"),
        ({"searching__budget": 100}, r"budget=100 multiply-adds cannot be met: [\d,]+ are of"),
        ({"searching__early": "2it"}, r"early='2it'.*step 2"),
        ({"model__arch": "resnet18"}, "supernet_small"),
        ({"searching__exclude": "nothing"}, "exclude='nothing' matches none"),
        ({"searching__prunable": "nothing"}, "prunable='nothing' matches none"),
        ({"searching__exclude": ".*"}, r"exclude='\.\*' leaves none"),
    ],
)
def test_what_cannot_be_reached_is_refused_before_data_are_read(
    tmp_path, monkeypatch, changes, said
):
    # the bundled set, whose sizes are known
    asked = config(**changes)
    monkeypatch.setattr(search_module.data, "load", unread)
    with pytest.raises(InputError, match=said):
        search(asked, tmp_path, "mine", parallel.local_devices(1))
    with pytest.raises(InputError, match=said):
        search_module.STAGE.estimate(asked, Setting())


@pytest.mark.parametrize("field", ["prunable", "exclude"])
def test_what_is_no_expression_is_refused_as_it_is_written(field):
    with pytest.raises(InputError, match=rf"searching: {field}='\(' is not a regular expression"):
        config_files.parse(SearchConfig, {"searching": {field: "("}, "train": {"select": "last"}})


def test_a_staircase_of_one_unit_is_refused_as_it_is_written():
    values = {"searching": {"prune_every": "25ep"}, "train": {"select": "last"}}
    config_files.parse(SearchConfig, {**values, "train": {"select": "last", "duration": "176ep"}})
    with pytest.raises(InputError, match=r"prune_every='25ep'.*'175ep'.*7 events.*0\.7, not 0\.8"):
        config_files.parse(
            SearchConfig, {**values, "train": {"select": "last", "duration": "175ep"}}
        )


def test_the_least_budget_is_what_is_not_searched():
    """Stem, shortcuts and head: of 4 features and 10 classes, see the table."""
    model = models.build("mine", 10, stem="small")
    inputs = models.as_inputs((8, 8, 1))
    stem = 9 * 4 * 64 + 9 * 4 * 4 * 16
    assert search_checks.costs_of(model, inputs).least == stem + 4 * 10


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


def test_objectives_that_end_a_run_before_its_last_event_are_refused():
    with pytest.raises(ValueError, match="'fast'"):
        config(train__objective=ObjectiveConfig(name="fast"))


def test_fewer_images_than_asked_for_and_weights_that_never_come_back_are_said(tmp_path):
    asked = config(searching__calibration_batches=9, searching__prune_every="2it")
    found = search_module.begin(asked, tmp_path, parallel.local_devices(1)).notes
    assert len(found) == 2
    assert "prune_every='2it'" in found[0]
    assert "calibration_batches=9 of 16" in found[1]
    assert not search_module.begin(config(), tmp_path, parallel.local_devices(1)).notes


def test_estimates_count_statistics_that_are_estimated_anew():
    """Three prune events and two validations, 32 images each."""
    few, many = (
        search_module.STAGE.estimate(config(searching__calibration_batches=n), Setting())[0]
        for n in (1, 3)
    )
    forward = (many.operations - few.operations) / (5 * 2 * 16)
    plain = cost_of(config().model, sizes_of(config().data)).forward
    assert forward == pytest.approx(plain)


@pytest.mark.parametrize("select", ["best"])
def test_other_selections_are_refused(select):
    with pytest.raises(InputError, match="select='best'"):
        config_files.parse(SearchConfig, {"train": {"select": select}})


def test_channels_die_before_weights_are_pruned_in_one_event(tmp_path, monkeypatch):
    order = []
    for name in ("_shrink", "_prune"):
        own = getattr(search_events.SearchEvents, name)

        def spy(self, *arguments, own=own, name=name, **options):
            order.append(name)
            return own(self, *arguments, **options)

        monkeypatch.setattr(search_events.SearchEvents, name, spy)
    run(tmp_path)
    assert order == ["_shrink", "_prune", "_shrink", "_shrink", "_prune", "_shrink", "_prune"]


@pytest.mark.parametrize("mode", ["explicit", "on_shrink", "none"])
def test_what_comes_back_between_prune_events(mode, tmp_path, monkeypatch):
    found, happen = [], search_events.SearchEvents.happen

    def spy(self, step, last, state, mask):
        after = happen(self, step, last, state, mask)
        found.append((step, state, mask, after))
        return after

    monkeypatch.setattr(search_events.SearchEvents, "happen", spy)
    folder = run(tmp_path, searching__reactivation=mode)
    for step, state, mask, (later, after) in found:
        living = search_events.channels.mask_of(later.params, later.search.alive, whole(later))
        before, now, most = (
            {path: np.asarray(leaf) for path, leaf in masks.leaf_paths(each).items()}
            for each in (mask, after, living)
        )
        died = any((state.search.alive[p] != each).any() for p, each in later.search.alive.items())
        if step == 8:  # the last event prunes, and nothing comes back after it
            continue
        if step % 3 == 0:
            full = all((now[path] == most[path]).all() for path in now)
            assert full == (mode == "explicit")
            continue
        for path, leaf in now.items():
            searchable = "block1" in path or "fusion" in path or "joined" in path
            if mode == "on_shrink" and died and searchable and "path3" in path:
                assert (leaf == most[path]).all()
            else:
                assert (leaf == (before[path] & most[path])).all()
    last = Ticket.load(folder.path / "ticket")
    result = folder.result()
    assert result["survivors"] == masks.summary(last.mask, last.params).prunable.survivors
    assert any(search_step % 3 for search_step, *_ in found)


def whole(state):
    return masks.full(state.params)


def test_the_network_of_an_early_step_is_kept_whole(tmp_path):
    folder = run(tmp_path, searching__early="1it")
    early, plain = Ticket.load(folder.path / "early"), run(tmp_path)
    assert masks.sparsity(early.mask) == 0
    assert early.meta["step"] == 1
    initial = Ticket.load(folder.path / "initial")
    moved = np.abs(early.params["stem_conv1"]["kernel"] - initial.params["stem_conv1"]["kernel"])
    assert 0 < moved.max() <= 0.011  # a step of AdamW
    own, other = (Ticket.load(each.path / "ticket") for each in (folder, plain))
    jax.tree.map(np.testing.assert_array_equal, own.params, other.params)  # and changes nothing


@pytest.mark.parametrize("early", ["2it", "5it"])
def test_an_early_step_with_or_after_the_first_event_is_refused(tmp_path, early):
    with pytest.raises(InputError, match=f"early='{early}'.*step 2"):
        run(tmp_path, searching__early=early)
