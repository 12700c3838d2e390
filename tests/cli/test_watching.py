"""Options of trackers: refused early, passed on to every training run of a configuration."""

import pytest

from rtickets import cli
from rtickets.cli.watching import publish, watched
from rtickets.config import StudyConfig
from rtickets.training.observe.trackers import TRACKERS, Kind


def options_of(*words):
    return cli._parsers()[0].parse_args(words)


@pytest.mark.parametrize("verb", ["pretrain", "draw", "transfer", "evaluate", "study"])
def test_an_unknown_tracker_is_refused_before_anything_runs(verb, tmp_path, capsys):
    config = {
        "pretrain": "pretrain/fashion_natural",
        "draw": "draw/omp",
        "transfer": "transfer/mnist5k",
        "evaluate": "evaluate/pgd",
        "study": "studies/tiny",
    }[verb]
    words = [verb, f"--config={config}", f"--workdir={tmp_path}", "--track=nobody"]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'nobody'" in line
    assert "mlflow" in line
    assert list(tmp_path.iterdir()) == []


def test_trackers_reach_every_training_run_once():
    pytest.importorskip("tensorboardX")
    options = options_of("study", "--track=tensorboard", "--tensorboard")
    config = watched(StudyConfig(name="x"), options)
    assert config.pretrain.train.observe.all_trackers == ("tensorboard",)
    assert all(one.train.observe.trackers for one in config.transfers.values())


def test_what_is_done_is_published_and_nothing_without_a_tracker(tmp_path, monkeypatch):
    told = []

    class Told:
        def __init__(self, opening):
            assert not opening.again
            self.write = self.flush = self.close = lambda *_: None
            self.finish = told.append

    monkeypatch.setitem(TRACKERS, "told", Kind("json", "", Told))
    (tmp_path / "result.json").write_text('{"clean": {"value": 0.5}}')
    publish(tmp_path, options_of("evaluate"))
    assert told == []
    publish(tmp_path, options_of("evaluate", "--track=told"))
    (outcome,) = told
    assert outcome.values == {"clean.value": 0.5}
    assert outcome.ticket is None
