import json

import numpy as np
import pytest

from rtickets import cli
from rtickets.config import DrawConfig
from rtickets.draw import Ticket, draw_omp
from rtickets.runs.folders import folder_of, run_once

HISTORY = [
    {"stage": "pretrain", "data": {"source": "blobs"}, "train": {"seed": 3}},
    {"stage": "draw", "method": "omp", "sparsity": 0.5, "pattern": "element"},
]


def save(path, seed=0, sparsity=0.5, pattern="element", shape=(3, 3, 1, 4), **meta):
    generator = np.random.default_rng(seed)
    params = {
        "stem": {"kernel": generator.standard_normal(shape).astype(np.float32)},
        "head": {"bias": np.ones(4, np.float32)},
    }
    mask = draw_omp(params, sparsity, pattern=pattern)
    Ticket(mask, params, {"mean": np.zeros(4, np.float32)}, meta).save(path)
    return path


@pytest.fixture
def ticket(tmp_path):
    return save(tmp_path / "one", history=HISTORY)


@pytest.fixture
def run(capsys):
    """Run `rtickets ticket` and return its status, output and errors."""

    def run_verb(*words):
        status = cli.main(["ticket", *map(str, words)])
        return status, *capsys.readouterr()

    return run_verb


def complete_run(tmp_path):
    folder = folder_of(tmp_path, "draw", "omp", DrawConfig())
    return run_once(folder, lambda path: {"saved": str(save(path / "ticket"))}).path


def test_show_prints_provenance_sparsity_and_layers(run, ticket):
    status, printed, errors = run("show", ticket)
    assert (status, errors) == (0, "")
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines == [
        "stage config",
        "pretrain data.source=blobs train.seed=3",
        "draw method=omp sparsity=0.5 pattern=element",
        "",
        "over weights survivors sparsity",
        "prunable weights 36 18 0.5",
        "all parameters 40 22 0.45",
        "",
        "path shape layout weights survivors sparsity zero kernels zero outputs zero inputs",
        "stem/kernel [3, 3, 1, 4] hwio 36 18 0.5 0 0 0",
    ]


def test_the_layout_of_a_kernel_can_be_named(run, tmp_path):
    keep = {"out": {"kernel": np.ones((2, 3, 4), bool)}}
    keep["out"]["kernel"][:, :, 1] = False
    params = {"out": {"kernel": np.where(keep["out"]["kernel"], np.float32(1), 0)}}
    Ticket(keep, params).save(tmp_path / "t")
    counted = "out/kernel [2, 3, 4] {} 24 18 0.25 {}"
    for options, layout, counts in (
        ((), "-", "- - -"),
        (("--layout", "out/.*=iio"), "iio", "- 1 0"),
        (("--layout=out/kernel=ioo",), "ioo", "- 3 0"),
    ):
        status, printed, _ = run("show", tmp_path / "t", *options)
        assert status == 0
        assert " ".join(printed.splitlines()[-1].split()) == counted.format(layout, counts)
    status, _, errors = run("show", tmp_path / "t", "--layout", "out/kernel=io")
    assert status == 2
    assert "'io' does not fit out/kernel of shape (2, 3, 4)" in errors


def test_show_takes_a_run_folder_and_prints_json(run, tmp_path):
    folder = complete_run(tmp_path)
    status, printed, _ = run("show", folder, "--json")
    assert status == 0
    assert printed == run("show", folder / "ticket", "--json")[1]
    table = json.loads(printed)
    assert list(table) == ["stages", "sparsity", "layers"]
    assert table["layers"][0]["survivors"] == 18


def test_a_layer_that_is_pruned_whole_is_shown(run, tmp_path):
    keep = {"a": np.zeros((3, 3, 2, 4), bool), "b": np.ones((2, 5), bool)}
    params = {path: np.ones(leaf.shape, np.float32) for path, leaf in keep.items()}
    Ticket(keep, params).save(tmp_path / "t")
    status, printed, _ = run("show", tmp_path / "t", f"--pictures={tmp_path / 'p'}")
    assert status == 0
    assert printed.startswith("stages: none\n")
    last = [line.split() for line in printed.splitlines()[-2:]]
    assert last[0][-6:] == ["72", "0", "1", "1", "4", "2"]
    assert last[1][-6:] == ["10", "10", "0", "-", "0", "0"]
    assert sorted(file.name for file in (tmp_path / "p").iterdir()) == [
        "kernels.png",
        "sparsity.png",
    ]


def test_diff_prints_overlap_and_the_fields_that_differ(run, ticket, tmp_path):
    other = save(tmp_path / "two", seed=1, history=[{**HISTORY[0], "train": {"seed": 4}}])
    status, printed, errors = run("diff", ticket, other, f"--pictures={tmp_path / 'p'}")
    assert (status, errors) == (0, "")
    assert "history.0.train.seed" in printed
    assert (tmp_path / "p" / "overlap.png").is_file()
    table = json.loads(run("diff", ticket, other, "--json")[1])
    alive = [Ticket.load(path).mask["stem"]["kernel"] for path in (ticket, other)]
    expected = (alive[0] & alive[1]).sum() / (alive[0] | alive[1]).sum()
    assert table["layers"][-1]["path"] == "all"
    assert table["layers"][-1]["overlap"] == pytest.approx(expected)
    assert table["layers"][-1]["overlap_by_chance"] == pytest.approx(1 / 3)
    assert [row["field"] for row in table["provenance_differences"]] == [
        "history.0.train.seed",
        "history.1",
    ]


def test_diff_of_a_ticket_with_itself_finds_nothing(run, ticket, tmp_path):
    status, printed, _ = run("diff", ticket, ticket, f"--pictures={tmp_path / 'p'}")
    assert status == 0
    assert printed.endswith("provenance differences: none\n")


def test_verify_prints_a_line_per_ticket(run, ticket, tmp_path):
    folder = complete_run(tmp_path)
    status, printed, errors = run("verify", ticket, folder)
    assert (status, errors) == (0, "")
    lines = printed.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"OK {ticket}", f"OK {folder}"]
    assert "18 of 36 prunable weights live" in lines[0]
    status, printed, _ = run("verify", f"{str(ticket)[:-1]}[{str(ticket)[-1]}]")
    assert printed.startswith(f"OK {ticket}: ")


def replace(path, old, new):
    text = (path / "ticket.json").read_text()
    assert old in text
    (path / "ticket.json").write_text(text.replace(old, new))


def truncate(path, name):
    (path / name).write_bytes((path / name).read_bytes()[:-3])


def make_infinite(path):
    ticket = Ticket.load(path)
    broken = {**ticket.params, "head": {"bias": np.full(4, np.inf, np.float32)}}
    Ticket(ticket.mask, broken).save(path, overwrite=True)


DAMAGES = {
    "truncated weights": (lambda path: truncate(path, "weights.safetensors"), "its checksum is"),
    "truncated mask": (lambda path: truncate(path, "mask.safetensors"), "its checksum is"),
    "truncated description": (lambda path: truncate(path, "ticket.json"), "ticket.json is damaged"),
    "missing": (lambda path: (path / "mask.safetensors").unlink(), "is missing"),
    "no ticket": (lambda path: (path / "ticket.json").unlink(), "it has no ticket.json"),
    "foreign": (lambda path: replace(path, "rtickets-ticket", "other"), "does not describe a"),
    "newer": (lambda path: replace(path, '"version": 1', '"version": 7'), "format version 7"),
    "shape": (lambda path: replace(path, "      4\n", "      9\n"), "does not fit"),
    "survivors": (lambda path: replace(path, '"prunable": 0.5', '"prunable": 0.75'), "is 0.75"),
    "infinite": (make_infinite, "4 of 4 values of params/head/bias are not finite"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("action", ["show", "diff", "verify"])
def test_a_ticket_that_is_not_sound_is_one_line_and_exit_status_2(
    run, ticket, tmp_path, damage, action
):
    spoil, message = DAMAGES[damage]
    broken = save(tmp_path / "broken")
    spoil(broken)
    words = {"show": [broken], "diff": [ticket, broken], "verify": [broken]}[action]
    status, printed, errors = run(action, *words)
    assert (status, printed) == (2, "")
    assert errors.startswith("rtickets: ")
    assert len(errors.splitlines()) == 1
    assert message in errors
    assert str(broken) in errors


def test_verify_goes_on_after_a_broken_ticket_and_names_all(run, ticket, tmp_path):
    truncate(save(tmp_path / "broken"), "mask.safetensors")
    status, printed, errors = run("verify", tmp_path / "broken", ticket, tmp_path / "nowhere")
    assert status == 2
    assert printed.startswith(f"OK {ticket}: ")
    assert len(errors.splitlines()) == 1
    assert "mask.safetensors is damaged" in errors
    assert "nowhere does not exist" in errors


def test_a_run_that_is_not_complete_is_named(run, tmp_path):
    folder = complete_run(tmp_path)
    (folder / "COMPLETE").unlink()
    status, _, errors = run("verify", folder)
    assert status == 2
    assert "is not complete" in errors


@pytest.mark.parametrize("shape", [(3, 3, 1, 8), (9, 4)])
def test_tickets_of_different_networks_are_one_line(run, ticket, tmp_path, shape):
    status, printed, errors = run("diff", ticket, save(tmp_path / "two", shape=shape))
    assert (status, printed) == (2, "")
    assert "different networks" in errors
    assert len(errors.splitlines()) == 1


def test_pictures_that_cannot_be_written_are_one_line(run, ticket, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, errors = run("show", ticket, f"--pictures={tmp_path / 'file'}")
    assert status == 2
    assert str(tmp_path / "file") in errors


def test_there_is_no_configuration(run, ticket):
    status, _, errors = run("show", ticket, "--config.sparsity=0.5")
    assert status == 2
    assert "--config.sparsity=0.5: the verb ticket takes no configuration" in errors


@pytest.mark.parametrize(
    "words", [(), ("dance",), ("show",), ("diff", "a"), ("show", "a", "b"), ("verify",)]
)
def test_bad_words_exit_with_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["ticket", *words])
    assert stop.value.code == 2


@pytest.mark.parametrize("action", ["show", "diff", "verify"])
def test_every_action_explains_itself(action, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["ticket", action, "--help"])
    assert stop.value.code == 0
    assert "PATH" in capsys.readouterr().out
