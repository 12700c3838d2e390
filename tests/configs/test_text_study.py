"""The study of tickets of language models: what it asks, its dry run, and the whole of it, tiny."""

from pathlib import Path

import pytest

from rtickets import cli
from rtickets.cli import overrides
from rtickets.config import EncoderConfig, StudyConfig
from rtickets.costs import network_costs
from rtickets.data.text import tokenizers
from rtickets.draw.ladder import states_to
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.matching import inherits
from rtickets.stages.results import read_study
from rtickets.stages.study import run_study

FILE = Path(__file__).parents[2] / "configs" / "studies" / "text.py"
MINILM = FILE.with_name("minilm.py")
TASKS = ("glosses", "parts", "fortunes")


def study(which, file=FILE):
    return overrides.from_command_line(StudyConfig, [f"--config={file}:{which}"])


@pytest.mark.parametrize("size", ["full", "small", "wordnet", "rungs"])
def test_tickets_are_drawn_on_masked_tokens_and_on_every_target(size):
    found = study(size)
    targets = {label: run.data for label, run in found.transfers.items()}
    own = {
        label.removeprefix("imp_"): draw.data for label, draw in found.draws.items() if draw.data
    }
    assert own == {label: data for label, data in targets.items() if label != "masked"}
    assert set(own) == set(TASKS)
    assert found.draws["imp_masked"].method.first == "prune"
    for label, draw in found.draws.items():
        if label.startswith("imp"):
            assert (draw.method.of, draw.method.rate, draw.method.head) == ("original", 0.1, "keep")
            assert inherits(draw)
        for sparsity in found.ladder(label):  # each is a state of one chain
            assert len(states_to(sparsity, 0.1, "original")) == round(sparsity * 10)
    assert set(found.objectives) == ({"natural"} if size == "rungs" else {"natural", "robust"})
    for robust in (each for label, each in found.objectives.items() if label == "robust"):
        encoder = found.pretrain.model.encoder or EncoderConfig()
        assert (robust.name, robust.features) == ("embeddings", encoder.hidden)
    assert found.seeds == (0, 1, 2)
    controls = {draw.control for draw in found.draws.values()} - {None}
    whole = {"random", "permuted_layers", "reinitialised"}
    assert controls == ({"random"} if size in ("small", "wordnet") else whole)
    assert "omp" in found.draws
    assert ("masked" in found.transfers) == (size in ("full", "wordnet"))


def test_studies_of_all_glosses_share_what_they_train():
    some, all_rungs = study("wordnet"), study("rungs")
    assert all_rungs.pretrain == some.pretrain
    assert all_rungs.transfers.items() <= some.transfers.items()
    assert all_rungs.evaluate == some.evaluate
    assert all_rungs.draws.items() >= some.draws.items()
    assert set(all_rungs.sparsities) > set(some.sparsities)
    assert all_rungs.ladder("permuted") == all_rungs.ladder("reinitialised") == (0.7,)


def test_the_published_settings():
    found = study("full")
    assert found.sparsities == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert found.pretrain.model.encoder is None
    masked, glosses = (found.transfers[label].train for label in ("masked", "glosses"))
    assert (masked.duration, masked.batch_size) == ("20000it", 16)
    assert (glosses.duration, glosses.batch_size) == ("3ep", 32)
    assert glosses.optimizer.learning_rate == 2e-5
    assert found.transfers["masked"].data == found.pretrain.data


def test_the_folder_of_debians_packages_may_be_named():
    found = study("wordnet,/opt/texts")
    paths = {label: run.data.path for label, run in found.transfers.items()}
    words = "/opt/texts/wordnet"
    assert paths == {
        "glosses": words, "parts": words, "masked": words,
        "fortunes": "/opt/texts/games/fortunes",
    }  # fmt: skip
    assert found.pretrain.data.path == words


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A working folder with what the study at the published scale reads, in small."""
    pytest.importorskip("tokenizers")
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 1e12)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "lines.txt").write_text("a line of words\n" * 60_000)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"word{number}" for number in range(30_522 - len(words))]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    for name, first, kind in (("noun", 3, "n"), ("verb", 29, "v")):
        (tmp_path / "share" / "wordnet").mkdir(parents=True, exist_ok=True)
        count = 26 if name == "noun" else 15
        lines = [
            f"{n:08} {first + n % count:02} {kind} 01 word 0 000 | {name} number {n}  \n"
            for n in range(count * 20)
        ]
        (tmp_path / "share" / "wordnet" / f"data.{name}").write_text("".join(lines))
    topics = tmp_path / "share" / "games" / "fortunes"
    topics.mkdir(parents=True)
    for name in ("art", "law"):
        (topics / name).write_text("%\n".join(f"{name} saying {n}\n" for n in range(210)))
    return tmp_path


def test_a_dry_run_estimates_published_tickets(published, capsys):
    line = [f"--config={FILE}:full,{published / 'share'}", "--dry-run", f"--workdir={published}"]
    assert cli.main(["study", *line]) == 0
    out = capsys.readouterr().out
    assert "nothing was trained" in out
    assert "85.52 M prunable" in out
    assert "imp_glosses: draw, imp" in out


@pytest.mark.parametrize("which", ["heads", "finetuned"])
def test_a_dry_run_estimates_tickets_of_a_network_that_is_there(published, which, capsys):
    (published / "minilm").mkdir()
    words = (published / "vocab.txt").read_text().split("\n")
    made = tokenizers.word_pieces(words, lowercase=True)
    made.save(str(published / "minilm" / "tokenizer.json"))
    line = [f"--config={MINILM}:{which},{published / 'share'}", f"--workdir={published}"]
    assert cli.main(["study", "--dry-run", *line]) == 0
    out = capsys.readouterr().out
    assert "10.76 M prunable" in out
    assert "imp_glosses: draw, imp" in out
    assert "pretrain" not in out
    with pytest.raises(InputError, match="minilm is not a ticket"):  # its weights are not there
        run_study(
            study(f"{which},{published / 'share'}", MINILM), published, parallel.local_devices(1)
        )


def test_what_is_asked_of_the_network_that_is_there():
    found = study("heads", MINILM)
    assert found.pretrain.network == "minilm"
    assert found.seeds == (0, 1, 2)
    assert min(found.sparsities) == 0.1
    assert max(found.sparsities) == 0.9
    assert set(found.transfers) == set(TASKS)
    assert {draw.exclude for draw in found.draws.values()} == {"pooler/.*"}
    assert {run.features for run in found.transfers.values()} == {"cached"}
    (whole,) = study("finetuned", MINILM).transfers.values()
    assert whole.mode == "finetune"
    assert whole.data == found.transfers["glosses"].data
    assert found.draws["imp_glosses"].data == whole.data


def test_folders_that_are_not_there_are_named(published):
    with pytest.raises(InputError, match="nowhere"):
        run_study(study("full,/nowhere"), published, parallel.local_devices(1))


def tiny(config):
    """Return the study of an encoder of 16 features that is trained for some steps, one task."""
    sizes = {"layers": 2, "hidden": 16, "heads": 2, "vocabulary": 4096, "positions": 64}
    glosses = config_files.replace(
        config.transfers["glosses"].data, test_fraction=0.5, train_examples=82
    )

    def shrunk(draw):
        if draw.train is None:
            return draw
        own = {"data": glosses} if draw.data else {}
        return config_files.replace(draw, method__stop="1it", train__duration="2it", **own)

    draws = {label: config.draws[label] for label in ("imp_masked", "imp_glosses", "omp")}
    draws["permuted"] = config_files.replace(draws["imp_masked"], control="permuted_layers")
    short = {"duration": "3it", "batch_size": 16}
    transfer = config_files.replace(config.transfers["glosses"], data=glosses)
    pretrain = config_files.replace(
        config.pretrain,
        model__encoder=EncoderConfig(**sizes),
        train__optimizer__warmup="1it",
        train__duration="3it",
        train__batch_size=16,
    )
    return config_files.replace(
        config,
        seeds=(0,),
        pretrain=pretrain,
        objectives={
            "natural": config.objectives["natural"],
            "robust": config_files.replace(config.objectives["robust"], features=16),
        },
        draws={label: shrunk(draw) for label, draw in draws.items()},
        sparsities=(0.2,),
        ladders={},
        transfers={
            "glosses": config_files.replace(
                transfer, **{f"train__{name}": value for name, value in short.items()}
            )
        },
    )


def test_the_study_runs_from_the_bundled_glosses_to_matching_tickets(tmp_path):
    pytest.importorskip("tokenizers")
    run = run_study(tiny(study("small")), tmp_path, parallel.local_devices(1))
    found = read_study(run)
    assert not found.get("failed")
    cells = {(cell["objective"], cell["draw"]) for cell in found["cells"]}
    draws = ("dense", "imp_masked", "imp_glosses", "omp", "permuted")
    assert cells == {(branch, draw) for branch in ("natural", "robust") for draw in draws}
    assert {cell["headline"]["name"] for cell in found["cells"]} == {"accuracy"}
    assert {source["headline"]["name"] for source in found["sources"]} == {"masked_accuracy"}
    own = {(line["draw"], line["own"]) for line in found["matching"]["tickets"]}
    assert own == {
        ("imp_masked", "imp_glosses"), ("imp_glosses", None), ("omp", "imp_glosses"),
        ("permuted", "imp_glosses"),
    }  # fmt: skip
    winning = {line["draw"] for line in found["matching"]["highest"] if line["winning"]}
    assert winning == {"imp_masked", "imp_glosses", "omp"}
