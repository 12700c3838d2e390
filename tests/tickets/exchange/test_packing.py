"""What is about to be published, and its card."""

import re

import pytest

from rtickets import cli
from rtickets.config import EvaluateConfig
from rtickets.errors import InputError
from rtickets.runs.folders import find_ticket, folder_of, run_once
from rtickets.storage.files import write_json
from rtickets.tickets import exchange
from tests.tickets.exchange.conftest import HOME, described

pytest.importorskip("huggingface_hub")


def test_the_card_says_how_it_came_about_and_nothing_of_it_is_markup(folder):
    parcel = exchange.pack(folder, HOME, "mit", {"evaluate-x": ["clean: 81.0 [79.0, 83.0]"]})
    text = parcel.files["README.md"].decode()
    assert text.startswith('---\nlibrary_name: rtickets\nlicense: "mit"\n')
    assert "3 of 6 live (sparsity 0.5)" in text
    assert "clean: 81.0 [79.0, 83.0]" in text
    assert parcel.digest in text
    assert text.count("```") % 2 == 0
    assert "'''x.pth" in text


PLACES = (
    "/home/eve/x", "~/x", "C:\\Users\\eve", "d:/data", "\\\\server\\share", "../eve/x", "a/../../x",
    "file:///home/eve", "s3://private/patients.npz", "https://host/x", "read from /home/eve/x",
    "--config.data.path=/home/eve/x", "data/patients.npz,/home/eve/y",
)  # fmt: skip


NO_PLACES = ("transfer/digits", "1/32", "a / b", "10:30", "resnet18", "3 of 4", "and/or")


@pytest.mark.parametrize("text", [*PLACES, *NO_PLACES])
def test_every_place_that_would_be_published_is_told(text, tmp_path):
    for number, meta in enumerate(({"a": [{"b": text}]}, {text: 1})):
        parcel = exchange.pack(described(tmp_path / str(number), meta), HOME, "mit")
        assert list(parcel.paths) == ([text] if text in PLACES else [])


@pytest.mark.parametrize(
    "text",
    ["https://eve:SECRET@host/x", "s3://SECRET@bucket", "https://host/x?b=1&X-Amz-Signature=SECRET",
     "see http://host/?token=SECRET"],
)  # fmt: skip
def test_what_holds_a_password_is_refused_and_not_repeated(text, tmp_path):
    folder = described(tmp_path / "mine", {"source": {"path": text}})
    with pytest.raises(InputError, match="password") as told:
        exchange.pack(folder, HOME, "mit")
    assert "SECRET" not in str(told.value)
    with pytest.raises(InputError, match="password"):
        exchange.pack(described(tmp_path / "sound", {}), HOME, "mit", {"evaluate-x": [text]})


def test_the_card_names_the_branch_that_it_goes_to(folder):
    text = exchange.pack(folder, f"{HOME}@second", "mit").files["README.md"].decode()
    assert f"rtickets pull {HOME}@second --sha256=" in text
    assert f'Ticket.load("{HOME}@COMMIT")' in text


@pytest.mark.parametrize(
    "name", ["no", "1.0", "null", "mit", "cc-by-4.0", "~", "ß", "a b", "x:y", ""]
)
def test_a_licence_stays_text_or_is_refused(name, folder):
    yaml = pytest.importorskip("yaml")
    if not re.fullmatch(r"[a-z0-9.-]+", name):
        with pytest.raises(InputError, match="licence"):
            exchange.pack(folder, HOME, name)
        return
    text = exchange.pack(folder, HOME, name).files["README.md"].decode()
    assert yaml.safe_load(text.split("---")[1])["license"] == name


def test_an_evaluation_of_another_network_is_refused(folder, tmp_path, capsys):
    run = tmp_path / "evaluate-x-0123456789"
    run.mkdir()
    (run / "config.json").write_text("{}")
    (run / "COMPLETE").write_text("0123456789\n")
    words = ["push", str(folder), HOME, "--license=mit", f"--evaluation={run}", "--dry-run"]
    assert cli.main(words) == 2
    assert "another network" in capsys.readouterr().err
    assert cli.main([*words[:4], "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out


def test_an_evaluation_of_this_ticket_stands_in_the_card(folder, tmp_path, capsys):
    run = folder_of(tmp_path, "evaluate", "mine", EvaluateConfig(), find_ticket(str(folder)))
    clean = {"correct": 81, "examples": 100, "value": 0.81, "low": 0.72, "high": 0.88}
    run = run_once(run, lambda _: {"clean": clean, "attacks": {}, "notes": ["**said**"]})
    write_json(run.path / "network.json", {"history": ["import: x.pth"], "sparsity": 0.5})
    words = ["push", str(folder), HOME, "--license=mit", f"--evaluation={run.path}", "--dry-run"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert run.path.name in said
    assert "81.0" in said
    assert said.index("```text\nimport: x.pth") < said.index("**said**")
