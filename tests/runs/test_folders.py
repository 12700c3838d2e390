import json

import numpy as np
import pytest

from rtickets.config import DrawConfig, EvaluateConfig, PretrainConfig
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.runs.folders import StartingTicket, begin_run, find_ticket, folder_of, run_once
from rtickets.storage import locks

CONFIG = DrawConfig(sparsity=0.5)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def save_ticket(path, weight=1.0, **meta):
    mask = {"kernel": np.array([True, False])}
    Ticket(mask, {"kernel": np.array([weight, 2], np.float32)}, meta=meta).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path, "draw", "omp", CONFIG, StartingTicket(tmp_path, "abc"))


@pytest.fixture
def complete(folder):
    def body(path):
        save_ticket(path / "ticket")
        return {"kept": 3}

    return run_once(folder, body)


def never(_):
    raise AssertionError("the body ran again")


def test_a_folder_is_named_after_stage_name_and_digest(folder, tmp_path):
    assert folder.path == tmp_path / f"draw-omp-{folder.digest}"
    assert len(folder.digest) == 10
    assert folder.source == (folder.path / "ticket", folder.digest)


def test_naming_a_folder_makes_nothing(folder, tmp_path):
    assert not folder.complete
    assert names(tmp_path) == []
    assert folder_of(tmp_path / "no" / "where", "draw", "x", CONFIG).path.name.startswith("draw-x-")


def test_configurations_and_inputs_have_folders_of_their_own(tmp_path):
    sources = [StartingTicket(tmp_path, "abc"), StartingTicket(tmp_path, "abd")]
    digests = [
        folder_of(tmp_path, "draw", "omp", *rest).digest
        for rest in [
            (CONFIG,),
            (DrawConfig(sparsity=0.6),),
            (CONFIG, sources[0]),
            (CONFIG, sources[1]),
            (CONFIG, *sources),
            (PretrainConfig(),),
            (EvaluateConfig(),),
        ]
    ]
    assert len(set(digests)) == len(digests)


def test_where_an_input_lies_and_what_a_run_is_called_do_not_count(tmp_path):
    here = folder_of(
        tmp_path, "draw", "a", DrawConfig(ticket="/a"), StartingTicket(tmp_path / "a", "x")
    )
    there = folder_of(
        tmp_path, "draw", "b", DrawConfig(ticket="/b"), StartingTicket(tmp_path / "b", "x")
    )
    assert here.digest == there.digest


def test_a_folder_that_exists_under_another_name_is_found(complete, tmp_path):
    again = folder_of(tmp_path, "draw", "other", CONFIG, StartingTicket(tmp_path, "abc"))
    assert again == complete
    assert again.complete


def test_stages_do_not_find_each_others_folders(complete, tmp_path):
    other = folder_of(tmp_path, "transfer", "omp", CONFIG, StartingTicket(tmp_path, "abc"))
    assert other.path != complete.path


def test_a_run_leaves_configuration_result_and_the_mark(complete):
    assert complete.complete
    assert complete.result() == {"kept": 3}
    assert json.loads((complete.path / "config.json").read_text())["sparsity"] == 0.5
    assert (complete.path / "COMPLETE").read_text() == f"{complete.digest}\n"
    assert names(complete.path) == [
        "COMPLETE",
        "config.json",
        "environment.json",
        "result.json",
        "ticket",
    ]


def test_a_result_that_is_gone_is_named_with_what_to_do(complete):
    (complete.path / "result.json").unlink()
    with pytest.raises(InputError, match=r"result\.json is missing.*run the stage again"):
        complete.result()


@pytest.mark.parametrize("target", ["ticket of another", "nothing"])
def test_no_ticket_is_written_behind_a_link(folder, tmp_path, target):
    if target == "ticket of another":
        save_ticket(tmp_path / target)
    folder.path.mkdir()
    (folder.path / "ticket").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match="ticket is a symbolic link"):
        run_once(folder, lambda path: {"path": str(save_ticket(path / "ticket"))})
    assert (folder.path / "ticket").is_symlink()


def test_a_lock_that_was_left_in_a_complete_run_goes_and_one_that_is_held_stays(complete):
    left = complete.path / locks.FILE
    left.write_text("process 1 on nowhere")
    assert run_once(complete, never) == complete
    assert not left.exists()
    with locks.locked(complete.path):
        assert run_once(complete, never) == complete
        assert left.exists()
    left.mkdir()
    assert begin_run(complete)
    assert left.is_dir()


def test_a_complete_run_is_not_run_again(complete):
    times = {path: path.stat().st_mtime_ns for path in complete.path.rglob("*")}
    assert run_once(complete, never) == complete
    assert times == {path: path.stat().st_mtime_ns for path in complete.path.rglob("*")}


def test_checkpoints_go_when_a_run_is_complete(folder):
    def body(path):
        (path / "checkpoints" / "3").mkdir(parents=True)
        (path / "metrics.jsonl").write_text("{}\n")
        return {}

    run_once(folder, body)
    assert not (folder.path / "checkpoints").exists()
    assert (folder.path / "metrics.jsonl").exists()


def test_a_run_that_raises_is_not_complete_and_keeps_its_checkpoints(folder):
    def body(path):
        (path / "checkpoints").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_once(folder, body)
    assert not folder.complete
    assert (folder.path / "checkpoints").is_dir()
    with pytest.raises(InputError, match=f"{folder.path} .*not complete"):
        folder.result()


def test_a_run_that_was_interrupted_finds_what_it_left(folder):
    def body(path):
        found = (path / "left").exists()
        (path / "left").touch()
        if not found:
            raise KeyboardInterrupt
        return {"found": found}

    with pytest.raises(KeyboardInterrupt):
        run_once(folder, body)
    assert run_once(folder, body).result() == {"found": True}


def test_a_result_that_json_cannot_hold_is_not_complete(folder):
    with pytest.raises(TypeError, match="not JSON serializable"):
        run_once(folder, lambda _: {"x": object()})
    assert not folder.complete


def test_the_mark_is_written_after_the_result(folder, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rtickets.runs.folders.write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        run_once(folder, lambda _: {})
    assert (folder.path / "result.json").exists()
    assert not folder.complete


def test_a_run_folder_leads_to_its_ticket(complete):
    found = find_ticket(str(complete.path))
    assert found == complete.source
    assert find_ticket(str(complete.path / "ticket")) == found


def test_a_ticket_that_someone_puts_into_a_run_folder_is_not_the_run_s(complete):
    mine = save_ticket(complete.path / "mine", 3)
    assert find_ticket(str(mine)).digest != find_ticket(str(complete.path)).digest


def test_a_ticket_of_its_own_is_known_by_its_contents(tmp_path):
    paths = [
        save_ticket(tmp_path / "a"),
        save_ticket(tmp_path / "b"),
        save_ticket(tmp_path / "c", 3),
    ]
    first, copy, other = (find_ticket(str(path)) for path in paths)
    assert first.ticket == tmp_path / "a"
    assert len(first.digest) == 10
    assert first.digest == copy.digest != other.digest


def test_tickets_that_differ_in_provenance_alone_are_told_apart(tmp_path):
    paths = [save_ticket(tmp_path / name, mean=mean) for name, mean in (("a", [0]), ("b", [1]))]
    assert len({find_ticket(str(path)).digest for path in paths}) == 2


def test_the_ticket_of_an_incomplete_run_is_refused(complete):
    (complete.path / "COMPLETE").unlink()
    for path in (complete.path, complete.path / "ticket"):
        with pytest.raises(InputError, match=f"{complete.path} .*not complete"):
            find_ticket(str(path))


def test_no_ticket_is_named():
    with pytest.raises(InputError, match=r"config\.ticket"):
        find_ticket(None)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "place does not exist"),
        (lambda path: path.mkdir(), r"place is not a ticket: it has no ticket\.json"),
    ],
)
def test_a_place_without_a_ticket_is_named(tmp_path, make, said):
    make(tmp_path / "place")
    with pytest.raises(InputError, match=said):
        find_ticket(str(tmp_path / "place"))


def test_a_result_made_with_other_defaults_is_not_passed_off(tmp_path):
    config = DrawConfig(sparsity=0.5)
    folder = folder_of(tmp_path, "draw", "x", config)
    run_once(folder, lambda path: {})
    stored = json.loads((folder.path / "config.json").read_text())
    stored["scope"] = "uniform"
    (folder.path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="scope='global', then 'uniform'"):
        run_once(folder, lambda path: {})


def test_a_field_that_is_new_since_does_not_matter(tmp_path):
    config = DrawConfig(sparsity=0.5)
    folder = folder_of(tmp_path, "draw", "x", config)
    run_once(folder, lambda path: {"value": 1})
    stored = json.loads((folder.path / "config.json").read_text())
    del stored["group_norm"]
    (folder.path / "config.json").write_text(json.dumps(stored))
    assert run_once(folder, lambda path: {"value": 2}).result() == {"value": 1}
