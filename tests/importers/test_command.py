import argparse
import json
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from rtickets import cli
from rtickets.cli import importing
from rtickets.importers.state_dicts import Weights
from rtickets.models.settings import Activation, Variant


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=1 / 64, stem="small")


def run(*words):
    return cli.main(["import", *map(str, words)])


def test_a_checkpoint_becomes_a_ticket_and_is_described(torch_file, tmp_path, capsys, state):
    file, out = torch_file({"state_dict": state, "epoch": 3}), tmp_path / "out"
    options = ("--mean=127/255", "--std=0.5,128/255,0.5", "--classes=a,b,c,d,e")
    assert run(file, "--arch=resnet18", f"--out={out}", *options) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("resnet18 of width 0.015625, ")
    assert printed[0].endswith("layout torchvision (torch zip)")
    assert printed[1].startswith("read as resnet18: nothing in the file tells it from others")
    assert printed[2] == "tensors: 102 used; 20 never read, 1 names outside"
    assert printed[3] == "pixels: mean 0.498, 0.498, 0.498, std 0.5, 0.502, 0.5 (--mean, --std)"
    assert printed[4] == "classes: 5 (--classes)"
    assert printed[5] == "parity: not compared with the original; --reference=FILE.npz does"
    assert printed[6] == f"done: {out}"
    meta = json.loads((out / "ticket.json").read_text())["meta"]
    assert meta["class_names"] == list("abcde")
    assert meta["std"] == [0.5, 128 / 255, 0.5]
    assert len(json.loads((out / "import.json").read_text())["tensors"]["used"]) == 102
    assert cli.main(["ticket", "show", str(out)]) == 0
    assert "import  model.arch=resnet18" in capsys.readouterr().out


def test_class_names_may_lie_in_a_file(torch_file, tmp_path, state):
    (tmp_path / "names.txt").write_text("one\ntwo words\nthree\nfour\nfive\n")
    out = tmp_path / "out"
    options = (f"--out={out}", f"--classes={tmp_path / 'names.txt'}")
    assert run(torch_file(state), "--arch=resnet18", *options) == 0
    meta = json.loads((out / "ticket.json").read_text())["meta"]
    assert meta["class_names"] == ["one", "two words", "three", "four", "five"]


@pytest.mark.parametrize(
    ("option", "contents"),
    [
        ("classes", b"\xff\xfea\x00"),
        ("reference", b"\xff\xfea\x00"),
        ("reference", b"PK\x03\x04 cut off"),
        ("reference", b"\x93NUMPY\x01"),
    ],
)
def test_a_file_of_an_option_that_cannot_be_read_is_named(
    torch_file, tmp_path, capsys, state, option, contents
):
    (tmp_path / "file").write_bytes(contents)
    words = (f"--{option}={tmp_path / 'file'}", f"--out={tmp_path / 'out'}")
    assert run(torch_file(state), "--arch=resnet18", *words) == 2
    errors = capsys.readouterr().err.strip()
    assert f"--{option}={tmp_path / 'file'}: " in errors
    assert len(errors.splitlines()) == 1


def test_a_reference_of_words_is_named(torch_file, tmp_path, capsys, state):
    np.savez(tmp_path / "words.npz", images=np.array(["a"]), logits=np.array(["b"]))
    words = (f"--reference={tmp_path / 'words.npz'}", f"--out={tmp_path / 'out'}")
    assert run(torch_file(state), "--arch=resnet18", *words) == 2
    assert "expected an .npz file with images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--arch=resnet34",), "does not fit --arch=resnet34"),
        (("--arch=resnet18", "--mean=0.5"), "--mean and --std go together"),
        (("--arch=resnet18", "--classes=nowhere"), "--classes=nowhere: no such file"),
        (("--arch=resnet18", "--classes=a,b,a,c,d"), "names two classes alike"),
        (("--arch=resnet18", "--reference=nowhere.npz"), "--reference=nowhere.npz"),
        (("--arch=resnet18", "--key=ema"), "--key=ema"),
        (("--arch=resnet18", "--key=a", "--weights=ema"), "leave it or --weights"),
        (("--arch=resnet18", "--prefix=encoder"), "--prefix=encoder: no name begins so"),
        (("--arch=resnet18", "--ignore=loss"), "--ignore=loss: matches no whole name"),
        (("--arch=resnet18", "--variant=caffe"), "variant='caffe'"),
        (("--arch=resnet18", "--mean=124,116,104", "--std=58,57,57"), "in [0, 255] by 255"),
        (("--arch=resnet18", "--config.seed=3"), "import takes no configuration"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    torch_file, tmp_path, capsys, state, options, message
):
    assert run(torch_file(state), f"--out={tmp_path / 'out'}", *options) == 2
    errors = capsys.readouterr().err.strip()
    assert errors.startswith("rtickets: ")
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_an_existing_folder_are_named(torch_file, tmp_path, capsys, state):
    assert run(tmp_path / "no.pt", "--arch=resnet18", f"--out={tmp_path / 'out'}") == 2
    assert "no.pt: no such file" in capsys.readouterr().err
    assert run(torch_file(state), "--arch=resnet18", f"--out={tmp_path}") == 2
    assert "exists; choose another --out" in capsys.readouterr().err


def test_a_dry_run_says_the_same_and_writes_nothing(torch_file, tmp_path, capsys, state):
    file, out = torch_file(state), tmp_path / "out"
    assert run(file, "--arch=resnet18", f"--out={out}", "--dry-run") == 0
    dry = capsys.readouterr().out.splitlines()
    assert not out.exists()
    assert run(file, "--arch=resnet18", f"--out={out}") == 0
    assert capsys.readouterr().out.splitlines()[:-1] == dry[:-1]
    assert dry[-1] == "nothing was written"


def test_options_reach_the_import(torch_file, tmp_path, state):
    """A student beside its teacher in one state dict, pruned, with a loss of its own."""
    masks = {
        f"student.{name}_mask": np.ones_like(tensor)
        * (np.arange(tensor.size) % 2).reshape(tensor.shape)
        for name, tensor in state.items()
        if tensor.ndim == 4
    }
    whole = {
        f"{who}.{name}": part for who in ("student", "teacher") for name, part in state.items()
    }
    file = torch_file({**whole, **masks, "criterion.weight": np.ones(5, np.float32)})
    out = tmp_path / "out"
    options = ("--weights=raw", "--ignore=criterion.*", "--activation=silu", "--epsilon=1e-3")
    assert run(file, "--arch=resnet18", f"--out={out}", *options) == 0
    meta = json.loads((out / "ticket.json").read_text())["meta"]
    assert meta["model"]["activation"] == "silu"
    entry = meta["history"][0]
    assert entry["epsilon"] == 1e-3
    assert entry["source"]["prefix"] == "student."
    assert entry["pruned"]["sparsity"] == pytest.approx(0.5, abs=0.01)


def test_the_choices_of_options_are_those_of_the_configuration():
    """They are written out in the command, whose help must not load the configuration."""
    parser = argparse.ArgumentParser()
    importing.IMPORT.add_options(parser)
    choices = {action.dest: action.choices for action in parser._actions}
    assert choices["variant"] == list(get_args(Variant))
    assert choices["activation"] == list(get_args(Activation))
    assert choices["weights"] == list(get_args(Weights))


@pytest.mark.parametrize(
    "option",
    [
        "--mean=a,b", "--std=1/0", "--std=1/2/3", "--image-size=0", "--epsilon=0", "--epsilon=1",
        "--scores-keep=0", "--scores-keep=1.1", "--scores-keep=1,1", "--weights=best",
    ],
)  # fmt: skip
def test_numbers_that_are_none_exit_with_2(tmp_path, option):
    with pytest.raises(SystemExit) as stop:
        run("x.pt", "--arch=resnet18", f"--out={tmp_path / 'out'}", option)
    assert stop.value.code == 2


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import sys, rtickets.cli; print([m for m in ('jax', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
