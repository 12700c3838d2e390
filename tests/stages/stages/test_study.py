"""A study leaves complete folders, fair branches and gains, and a second run does nothing."""

import json

import chex
import jax
import numpy as np
import pytest

from rtickets import report, stages
from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.evaluation.outcomes import read_outcome
from rtickets.platform import parallel
from rtickets.report.over_seeds import rows
from rtickets.runs import folders
from rtickets.settings import config_files
from rtickets.stages.grid import grid
from rtickets.stages.study import run_study
from rtickets.training.loop import Loop


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretrain__train__batch_size": 15}, "pretrain: batch_size=15 does not divide"),
        ({"pretrain__train__batch_size": 128}, "pretrain: batch_size=128 exceeds the 81"),
        ({"pretrain__data__path": "nowhere.npz"}, r"pretrain: data\.path='.*nowhere\.npz'"),
        ({"draws": {"nm": DrawConfig(pattern="2:4")}}, "pattern='2:4' removes 0.5"),
        (
            {"transfers": {"few": TransferConfig(data=DataConfig(source="digitz"))}},
            "few: source='digitz' is unknown",
        ),
    ],
)
def test_what_would_fail_late_fails_before_anything_runs(config, tmp_path, change, message):
    bad = config_files.replace(config, **change)
    with pytest.raises(InputError, match=message):
        run_study(bad, tmp_path, parallel.local_devices(2))
    assert not list(tmp_path.glob("pretrain-*"))


def test_the_grid_has_every_cell_once(config):
    cells = list(grid(config))
    assert len(cells) == len(set(cells)) == 2 * 2 * 3 * 2


def test_a_study_leaves_complete_folders_and_a_result_per_cell(study, config):
    assert study.complete
    result = study.result()
    assert len(result["cells"]) == 24
    assert len(result["sources"]) == 4
    kinds = {}
    for path in study.path.parent.glob("*-*"):
        assert (path / "COMPLETE").is_file(), path
        assert not (path / "checkpoints").exists()
        kind = path.name.split("-")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    assert kinds == {"pretrain": 4, "draw": 8, "transfer": 24, "evaluate": 28, "study": 1}
    for name, stage, count in (("trained", "transfer", 24), ("evaluation", "evaluate", 24)):
        named = {cell[name] for cell in result["cells"]}
        assert len(named) == count
        assert all((study.path.parent / each).name.startswith(stage) for each in named)
        assert all((study.path.parent / each).is_dir() for each in named)


def test_a_second_run_does_nothing(study, config, folder, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a complete stage ran again")

    before = {path: path.stat().st_mtime_ns for path in study.path.parent.rglob("*")}
    monkeypatch.setattr(Loop, "fit", refuse)
    monkeypatch.setattr(Ticket, "load", refuse)
    assert run_study(config, folder / "runs", parallel.local_devices(2)) == study
    assert {path: path.stat().st_mtime_ns for path in study.path.parent.rglob("*")} == before


def test_the_transferred_networks_keep_their_tickets_mask(study):
    checked = 0
    for path in study.path.parent.glob("transfer-*omp0.9*"):
        ticket = Ticket.load(path / "ticket")
        draw = next(s for s in ticket.meta["history"] if s["stage"] == "draw")
        assert draw["sparsity"] == 0.9
        kernel, mask = ticket.params["stage4_block2"]["conv2"]["kernel"], ticket.mask
        keep = mask["stage4_block2"]["conv2"]["kernel"]
        assert 0 < keep.mean() < 0.5
        np.testing.assert_array_equal(kernel[~keep], 0)
        assert ticket.params["head"]["kernel"].shape[1] == 2
        checked += 1
    assert checked == 8


def pair_of(name):
    """Return what a run's name says but for the objective."""
    return name.rsplit("-", 1)[0].replace("robust", "*").replace("natural", "*")


def test_branches_share_head_few_shot_images_and_order_and_seeds_do_not(study, trained):
    pairs = {}
    for run in trained:
        pairs.setdefault(pair_of(run.folder), []).append(run)
    assert len(trained) == 4 + 24
    assert {len(pair) for pair in pairs.values()} == {2}
    for natural, robust in pairs.values():
        chex.assert_trees_all_equal(natural[1:], robust[1:])
    transfers = {name: pair[0] for name, pair in pairs.items() if name.startswith("transfer")}
    assert len(transfers) == 12
    for name, first in transfers.items():
        if "-s0" in name:
            other = transfers[name.replace("-s0", "-s1")]
            assert (first.order != other.order).any()
            assert (first.head["kernel"] != other.head["kernel"]).any()
            assert (first.examples["image"] != other.examples["image"]).any()


def test_a_study_has_gains_of_pairs_with_intervals_over_seeds_and_examples(study):
    result = study.result()
    clean = {(c["seed"], c["objective"]): c for c in result["cells"] if c["draw"] == "dense"}
    gains = {(g["metric"], g["transfer"], g["draw"], g["sparsity"]): g for g in result["gains"]}
    assert len(gains) == len(result["gains"]) == 12
    assert {g["objective"] for g in result["gains"]} == {"robust"}
    gain = gains["clean", "linear", "dense", 0.0]
    values = [
        clean[seed, "robust"]["clean"]["value"] - clean[seed, "natural"]["clean"]["value"]
        for seed in (0, 1)
    ]
    assert gain["gain"] == pytest.approx(np.mean(values))
    assert gain["gain_seeds"] == 2
    assert gain["gain_error_examples"] > 0
    assert gain["gain_over"].endswith("examples")
    assert gain["gain_low"] < gain["gain"] < gain["gain_high"]
    for cell in result["cells"]:
        kept = read_outcome(study.path.parent / cell["evaluation"], "clean")
        assert (int(kept.right.sum()), len(kept.right)) == (cell["clean"]["correct"], 30)
        assert len(read_outcome(study.path.parent / cell["evaluation"], "pgd").right) == 10


def test_linear_evaluation_keeps_the_backbone(study):
    root = study.path.parent
    drawn = Ticket.load(next(root.glob("draw-omp0.9-natural-s0-*")) / "ticket")
    linear = Ticket.load(next(root.glob("transfer-linear-omp0.9-natural-s0-*")) / "ticket")
    np.testing.assert_array_equal(
        linear.params["stage1_block1"]["conv1"]["kernel"],
        drawn.params["stage1_block1"]["conv1"]["kernel"],
    )


def test_the_sparsity_is_reported_over_both_counts(study):
    result = json.loads((next(study.path.parent.glob("draw-omp0.9-*")) / "result.json").read_text())
    prunable = result["prunable"]
    assert result["survivors"] == prunable - round(prunable * 0.9)
    assert 0 < result["sparsity_of_all_parameters"] < result["sparsity"]


def test_the_report_is_written_and_says_the_same_twice(study, capsys):
    page = report.write_report(study)
    report.show_report(study)
    first = page.read_bytes(), capsys.readouterr().out
    report.write_report(study)
    report.show_report(study)
    assert (page.read_bytes(), capsys.readouterr().out) == first
    names = {path.name for path in study.path.iterdir()}
    assert {"curves_clean.png", "curves_pgd.png", "results.csv", "table.json"} <= names
    assert {"radii_pgd.png", "radii_certified.png"} <= names
    assert rows(study.result()["cells"], "natural")[0]["objective"] == "natural"


def test_evaluation_on_the_validation_split_is_another_run(study, config, folder):
    source = folders.find_ticket(str(next(study.path.parent.glob("transfer-linear-dense-*"))))
    chosen = EvaluateConfig(split="validation", batch_size=16)
    devices = parallel.local_devices(2)
    result = stages.evaluate(chosen, source, folder / "runs", "val", devices).result()
    assert result["clean"]["examples"] == 6
    assert result["attacks"] == {}


def test_networks_are_judged_on_their_own_classes_and_splits(study, config, folder):
    source = folders.find_ticket(str(next(study.path.parent.glob("pretrain-natural-s0-*"))))
    own, other = config.pretrain.data, config.transfers["finetune"].data
    devices = parallel.local_devices(2)
    with pytest.raises(InputError, match="3 classes"):
        stages.evaluate(EvaluateConfig(data=other), source, folder / "runs", "x", devices)
    resplit = config_files.replace(own, validation_fraction=0.5)
    with pytest.raises(InputError, match=r"validation_fraction=0\.5 differs"):
        stages.evaluate(EvaluateConfig(data=resplit), source, folder / "runs", "x", devices)


def test_linear_evaluation_moves_the_head_and_the_statistics_and_the_result_says_so(folder, study):
    root = study.path.parent
    source = folders.find_ticket(str(next(root.glob("draw-omp0.5-natural-s0-*"))))
    run = next(root.glob("transfer-linear-omp0.5-natural-s0-*"))
    before, after = Ticket.load(source.ticket), Ticket.load(run / "ticket")
    for name in before.params.keys() - {"head"}:
        chex.assert_trees_all_equal(before.params[name], after.params[name])
    moved = jax.tree.map(lambda a, b: bool((a != b).all()), before.batch_stats, after.batch_stats)
    assert jax.tree.leaves(moved) == [True] * 40
    told = json.loads((run / "result.json").read_text())["moves"]
    assert "head alone of all weights" in told
    assert "re-estimated on the target" in told
    frozen = TransferConfig(mode="linear", train=TrainConfig(statistics="frozen"))
    assert "stay the ticket's" in frozen.moves


def test_a_ticket_drawn_from_a_ticket_folder_alone(folder, study):
    source = folders.find_ticket(
        str(next(study.path.parent.glob("pretrain-natural-s0-*")) / "ticket")
    )
    run = stages.draw(
        DrawConfig(sparsity=0.75), source, folder / "elsewhere", "alone", parallel.local_devices(1)
    )
    assert run.result()["sparsity"] == pytest.approx(0.75, abs=1e-4)


def test_pixel_statistics_follow_the_target_when_asked(study, folder, config):
    root = folder / "runs"
    source = folders.find_ticket(str(next(root.glob("draw-omp0.5-natural-s0-*"))))
    downstream = config_files.replace(config.transfers["linear"], normalization="target")
    run = stages.transfer(downstream, source, root, "target", parallel.local_devices(2))
    before, after = Ticket.load(source.ticket).meta, Ticket.load(run.source.ticket).meta
    assert before["mean"] != after["mean"]
