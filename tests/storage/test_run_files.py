"""Which files of a run go to a bucket, in which order, and which of them come back."""

import pytest

from rtickets.storage import run_files


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("run/.result.json.123", True),
        ("run/.ticket.5.old/ticket.json", True),
        ("run/.lock", True),
        ("run/checkpoints/4.orbax-checkpoint-tmp-7/tree/d/x", True),
        ("run/checkpoints/4.removed/SEAL", True),
        ("run/checkpoints/4/SEAL", False),
        ("run/checkpoints/4.damaged/SEAL", False),
        ("run/checkpoints/4/tree/.zarray", False),
        ("draw-omp0.9-s0-0123456789/ticket/mask.safetensors", False),
    ],
)
def test_what_is_being_written_stays_here(key, expected):
    assert run_files.is_temporary(key) == expected


def test_marks_come_after_what_they_stand_for():
    keys = [
        "run/COMPLETE",
        "run/result.json",
        "run/rungs/a/rung.json",
        "run/ticket/ticket.json",
        "run/ticket/mask.safetensors",
        "run/checkpoints/4/SEAL",
        "run/checkpoints/4/meta/x",
    ]
    ordered = sorted(keys, key=run_files.rank)
    assert ordered[-2:] == ["run/result.json", "run/COMPLETE"]
    assert ordered.index("run/ticket/mask.safetensors") < ordered.index("run/ticket/ticket.json")
    assert ordered.index("run/checkpoints/4/meta/x") < ordered.index("run/checkpoints/4/SEAL")


def test_a_checkpoint_without_its_seal_is_not_there():
    half = ["run/checkpoints/8/tree/x", "run/checkpoints/8/meta/y"]
    whole = ["run/checkpoints/4/tree/x", "run/checkpoints/4/SEAL", "run/checkpoints/BEST",
             "run/rungs/a/checkpoints/2/SEAL", "run/rungs/a/checkpoints/2/tree/x",
             "run/checkpoints/cell-7/3/SEAL", "run/metrics.jsonl"]  # fmt: skip
    assert run_files.whole([*half, *whole]) == whole
    assert run_files.whole(["run/rungs/a/checkpoints/2/tree/x"]) == []
    assert run_files.whole(["run/checkpoints/cell-7/3/tree/d/9"]) == []


def test_a_complete_run_is_looked_at_whole_but_for_checkpoints():
    keys = ["run/COMPLETE", "run/ticket/ticket.json", "run/checkpoints/4/SEAL"]
    assert run_files.to_look_at(keys) == keys[:2]
    assert run_files.to_look_at(keys[1:]) == []
    of_study = ["s/config.json", "s/done/00001", "s/failed/00002"]
    assert run_files.to_look_at([*of_study, "s/profile/x"]) == of_study


def test_a_ticket_is_not_complete_because_it_has_a_folder_of_that_name():
    assert run_files.to_look_at(["run/sub/COMPLETE", "run/sub/other"]) == []


def test_what_tells_how_far_a_run_is():
    told = ["s/config.json", "s/COMPLETE", "s/FAILED", "s/units.json", "s/done/00001",
            "s/failed/00001", "s/throughput.jsonl", "s/rungs/a/throughput.jsonl"]  # fmt: skip
    assert [key for key in told if not run_files.tells(key)] == []
    assert not run_files.tells("s/result.json")
    assert not run_files.tells("s/rungs/a/rung.json")
    assert not run_files.tells("s/ticket/config.json")


@pytest.mark.parametrize(
    "keys",
    [
        ["study-x/config.json", "study-x/units.json", "study-x/done/00001", "study-x/failed/00002"],
        ["pipelines-x/config.json", "pipelines-x/cells/a-s0.json"],
        ["restoration-x/config.json", "restoration-x/a-s0.json"],
    ],
)
def test_of_a_study_of_any_kind_the_cells_are_seen_that_are_done(keys):
    assert run_files.to_look_at(keys) == keys


def test_folders_in_a_checkpoint_whose_names_are_numbers_are_no_checkpoints():
    whole = ["run/checkpoints/4/SEAL", "run/checkpoints/4/tree/0/a",
             "run/checkpoints/cell-7/2/100/SEAL", "run/checkpoints/cell-7/2/100/tree/a",
             "run/checkpoints/4.damaged/tree/0/a", "run/checkpoints/4.damaged/SEAL",
             "run/checkpoints/4.score"]  # fmt: skip
    half = ["run/checkpoints/8/tree/0/SEAL_"]
    assert run_files.whole([*whole, *half]) == whole


def test_marks_are_outdated_where_anything_that_they_stand_for_is_written_anew():
    anew = ["t/weights", "t/ticket.json", "run/result.json", "run/a/b", "run/z/ticket.json"]
    assert run_files.outdated(anew) == ["t/ticket.json", "run/result.json"]
    assert run_files.outdated(["t/ticket.json", "other/weights"]) == []
