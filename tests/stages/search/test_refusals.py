"""What a search refuses or says before it begins."""

import pytest

from rtickets import models
from rtickets.config import (
    ObjectiveConfig,
    SearchConfig,
)
from rtickets.costs import Setting
from rtickets.costs.task_sizes import cost_of, sizes_of
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages import search as search_module
from rtickets.stages import search_checks
from rtickets.stages.search import search
from tests.stages.search.conftest import config, run


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


@pytest.mark.parametrize("early", ["2it", "5it"])
def test_an_early_step_with_or_after_the_first_event_is_refused(tmp_path, early):
    with pytest.raises(InputError, match=f"early='{early}'.*step 2"):
        run(tmp_path, searching__early=early)
