"""What a comparison of pipelines refuses before anything is trained, and what it would take."""

import pytest

from rtickets.config import PipelineConfig, PipelineStudyConfig
from rtickets.costs import Setting
from rtickets.draw.searching.settings import idle_reactivation
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.pipelines.cells import cells_of, check_names
from rtickets.stages.pipelines.checks import check_study
from rtickets.stages.registry import estimate


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"criterion": "snip"}, "criterion='snip'.*two_in_one"),
        ({"search": "dense", "at_once": True}, "search='dense'.*at_once"),
        ({"search": "searched", "reactivation": "none"}, "search='searched'.*reactivation"),
        ({"search": "dense", "sparsities": (0.5,)}, "search='dense'.*no sparsity"),
        ({"survivors": "random"}, "survivors='random'.*weights"),
        ({"weights": "early"}, "weights='early'.*then"),
        ({"search": "none"}, "two_in_one"),
        ({"search": "pruned", "reactivation": "on_shrink"}, "reactivation='on_shrink'.*pruned"),
        ({"search": "searched", "criterion": "size"}, "magnitude"),
    ],
)
def test_pipelines_that_make_no_sense_are_refused(fields, named):
    with pytest.raises(InputError, match=named):
        config_files.parse(PipelineConfig, fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"seeds": (1, 1)}, "seeds has 1"),
        ({"sparsities": (0.5, 0.5)}, "sparsities has 0.5"),
        ({"pipelines": {"a": {"sparsities": (0.5, 0.5)}}}, "pipelines.a.sparsities has 0.5"),
        ({"pipelines": {}}, "pipelines need at least one"),
        ({"pipelines": {"a": {"then": "transfer"}}}, "pipelines.a.then='transfer'"),
        ({"pipelines": {"a": {"weights": "early", "then": "train"}}}, "pipelines.a.*early"),
        ({"pipelines": {"a": {"tasks": ("b",)}}}, "pipelines.a.tasks: b"),
        ({"compared": {"two_in_one": ("other",)}}, "compared.two_in_one: other"),
        ({"searching": {"floor": 0.3}}, "floor=0.3"),
        ({"searching": {"prune_every": "9ep"}}, "sparsity 0.4, not 0.5"),
    ],
)
def test_studies_that_make_no_sense_are_refused(fields, named):
    with pytest.raises(InputError, match=named):
        config_files.parse(PipelineStudyConfig, fields)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"searching__early": "2it"}, "early='2it'"),
        ({"train__batch_size": 15}, "batch_size=15"),
        ({"searching__calibration_batches": 9}, "9 batches of 16"),
    ],
)
def test_lengths_and_batches_are_looked_at_first(configure, tmp_path, changes, named):
    config = configure(tmp_path, **changes)
    with pytest.raises(InputError, match=named):
        check_study(config, parallel.local_devices(2))


def test_tasks_have_inputs_of_one_shape(configure, tmp_path):
    config = configure(tmp_path)
    tasks = dict(config.tasks)
    tasks["two"] = config_files.replace(tasks["two"], image_size=16)
    with pytest.raises(InputError, match=r"two.*16"):
        check_study(config_files.replace(config, tasks=tasks), parallel.local_devices(1))


def test_a_run_that_several_pipelines_begin_with_is_estimated_once(configure, tmp_path):
    config = configure(tmp_path, seeds=(0, 1), sparsities=(0.4, 0.5))
    found = {each.name: each.times for each in estimate(config, Setting(devices=1))}
    # two_in_one, its two other ways of coming back, at once and pruned, twice; searched and dense
    assert found["search, three"] == 2 * (2 * 5 + 2)
    assert found["retrain, three"] == 2 * 2 * 2  # of magnitude, and to the early step
    assert found["train, three"] == 2 * 2 * 2  # of initial weights, under both masks
    assert found["transfer, two"] == 2 * 2 * 2
    assert found["transfer_frozen, two"] == 2 * 2
    evaluated = [times for name, times in found.items() if name.startswith("evaluate")]
    assert evaluated == [2 * (2 * 14 + 2)] * 2


def test_what_follows_keeps_the_head_on_its_task_and_freezes_all_of_a_backbone(configure, tmp_path):
    config = configure(tmp_path)
    follows = {
        name: config.follows(PipelineConfig(then=name), "two", 7)
        for name in ("retrain", "train", "transfer", "transfer_frozen")
    }
    heads = {name: each.head for name, each in follows.items()}
    assert heads == {
        "retrain": "own", "train": "own", "transfer": "fresh", "transfer_frozen": "fresh",
    }  # fmt: skip
    assert {each.train.seed for each in follows.values()} == {7}
    frozen = follows.pop("transfer_frozen")
    assert (frozen.mode, frozen.train.statistics) == ("linear", "frozen")
    assert all((e.mode, e.train.statistics) == ("finetune", "batch") for e in follows.values())


def cells(config):
    return [cell.name for cell in cells_of(config)]


def test_cells_have_names_of_their_own(configure, tmp_path):
    config = configure(tmp_path, sparsities=(0.5, 0.6, 0.60001))
    names = cells(config)
    assert len(set(names)) == len(names)
    assert "two_in_one0.5-three-s0" in names  # as ever
    check_names(config)
    tasks = dict.fromkeys(("a", "a-to-b", "c", "b-to-c"), config.tasks["two"])
    moved = {"p": PipelineConfig(then="transfer")}
    with pytest.raises(InputError, match=r"2 cells.*'p0\.5-a-to-b-to-c-s0'"):
        check_study(
            configure(tmp_path, tasks=tasks, pipelines=moved, compared={}),
            parallel.local_devices(1),
        )


def test_a_budget_below_what_is_fixed_is_refused_before_a_study_begins(configure, tmp_path):
    config = configure(tmp_path, searching__budget=100)
    with pytest.raises(InputError, match="budget=100"):
        check_study(config, parallel.local_devices(1))
    with pytest.raises(InputError, match="budget=100"):
        estimate(config, Setting(devices=1))


def test_a_floor_that_a_draw_has_no_room_for_is_refused(configure, tmp_path):
    with pytest.raises(ValueError, match=r"pipelines\.magnitude.*floor=0\.5"):
        configure(tmp_path, searching__floor=0.5, searching__sparsity=0.5)


def test_the_default_periods_let_weights_come_back():
    own = PipelineStudyConfig().searching
    search, prune = (int(each[:-2]) for each in (own.search_every, own.prune_every))
    assert idle_reactivation(own, search, prune) is None
