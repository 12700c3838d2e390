"""Configurations of the package, their fields, and completion, on the command line."""

import shutil
import subprocess

import pytest

from rtickets import cli
from rtickets.settings import shipped_configs


def run(*words):
    return cli.main([str(word) for word in words])


def test_every_configuration_is_listed_with_what_it_is(capsys):
    assert run("configs", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == shipped_configs.names()
    assert all(len(line.split()) > 3 for line in lines)


def test_a_configuration_is_shown_and_copied(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("configs", "show", "draw/omp") == 0
    shown = capsys.readouterr().out
    assert run("configs", "copy", "draw/omp") == 0
    assert (tmp_path / "omp.py").read_text() == shown
    assert run("configs", "copy", "draw/omp", tmp_path / "mine.py") == 0
    assert run("draw", f"--config={tmp_path / 'mine.py'}", "--config.help=sparsity") == 0


def test_a_copy_replaces_nothing(capsys, tmp_path):
    (tmp_path / "omp.py").write_text("mine")
    assert run("configs", "copy", "draw/omp", tmp_path) == 2
    assert (tmp_path / "omp.py").read_text() == "mine"
    assert str(tmp_path / "omp.py") in capsys.readouterr().err


def test_a_copy_that_a_full_disk_did_not_take_is_none(capsys, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free))
    assert run("configs", "copy", "draw/omp", small_disk) == 2
    assert capsys.readouterr().err.startswith("rtickets: the disk is full")
    ballast.unlink()
    assert run("configs", "copy", "draw/omp", small_disk) == 0


def test_an_unknown_name_is_named(capsys):
    assert run("configs", "show", "draw/opm") == 2
    assert "draw/omp" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [name for name, verb in cli.VERBS.items() if verb.config])
def test_config_help_lists_the_fields_of_a_verb(verb, capsys):
    words = ("data", "info") if verb == "data" else (verb,)
    assert run(*words, "--config.help") == 0
    out = capsys.readouterr().out
    assert out.startswith("--config.")
    assert "[" in out


def test_config_help_shows_the_values_of_the_file_and_one_part_alone(capsys):
    words = ("--config=draw/omp", "--config.sparsity=0.75", "--config.help=sparsity")
    assert run("draw", *words) == 0
    out = capsys.readouterr().out
    assert out.startswith("--config.sparsity=0.75  [float >= 0 and < 1]")
    assert out.count("--config.") == 1


@pytest.mark.parametrize(
    ("verb", "part", "field"),
    [
        ("evaluate", "attacks.mine", "attacks.mine.eps=0.03"),
        ("evaluate", "attacks.mine.norm", "attacks.mine.norm=linf"),
        ("study", "ladders.mine", "ladders.mine=None"),
        ("study", "objectives.natural", "objectives.natural.attack.name=pgd"),
        ("study", "draws.mine.train", "draws.mine.train.duration="),
    ],
)
def test_config_help_knows_the_fields_of_a_label(verb, part, field, capsys):
    assert run(verb, f"--config.help={part}") == 0
    out = capsys.readouterr().out
    assert f"--config.{field}" in out
    assert out.count(f"--config.{part}") == out.count("--config.")
    assert "\n\n" not in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("draw", "--config.help=sparsty"), "sparsity"),
        (("bench", "--config.help"), "no configuration"),
        (("configs", "list", "--config.x=1"), "no configuration"),
    ],
)
def test_help_on_what_is_not_there_is_one_line(words, named, capsys):
    assert run(*words) == 2
    assert named in capsys.readouterr().err


def completed(line, capsys):
    assert run("completion", "words", "--", line) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("rtickets pre", "pretrain"),
        ("rtickets draw --wor", "--workdir"),
        ("rtickets draw --config", "--config="),
        ("rtickets draw --config=draw/", "draw/omp"),
        ("rtickets draw --config.spar", "--config.sparsity="),
        ("rtickets draw --config.scope=", "uniform"),
        ("rtickets draw --config.scope=un", "uniform"),
        ("rtickets evaluate --config.att", "--config.attacks."),
        ("rtickets evaluate --config.attacks.mine.", "--config.attacks.mine.eps="),
        ("rtickets evaluate --config.attacks.mine.nor", "--config.attacks.mine.norm="),
        ("rtickets evaluate --config.attacks.mine.norm=", "linf"),
        ("rtickets study --config.evaluate.attacks.a.e", "--config.evaluate.attacks.a.eps="),
        (
            "rtickets study --config.draws.mine.train.obj",
            "--config.draws.mine.train.objective.name=",
        ),
        ("rtickets draw --config.ticket=N", "None"),
        ("rtickets transfer --config.data.flip=", "True"),
        ("rtickets draw --config ", "draw/omp"),
        ("rtickets configs ", "show"),
        ("rtickets configs show dra", "draw/omp"),
        ("rtickets configs copy ", "studies/demo"),
        ("rtickets ticket show ", "--layout"),
        ("rtickets ticket diff a b --p", "--pictures"),
        ("rtickets data pre", "prepare"),
        ("rtickets data prepare --da", "--data-dir"),
        ("rtickets data prepare cifar", "cifar10"),
        ("rtickets data info --config.sour", "--config.source="),
        ("rtickets data info --config=", "draw/omp"),
        ("rtickets pretrain --parallel=", "shard_map"),
        ("rtickets pretrain --parallel ", "pmap"),
        ("rtickets --ver", "--version"),
    ],
)
def test_a_word_is_completed(line, word, capsys):
    assert word in completed(line, capsys)


@pytest.mark.parametrize(
    "line",
    [
        "rtickets draw --nothing",
        "rtickets nothing --co",
        "rtickets evaluate --config.attacks.",
        "rtickets evaluate --config.attacks.mi",
        "rtickets ticket show --config.",
        "rtickets data list --con",
        "rtickets data prepare --config",
        "rtickets ticket verify --js",
        "rtickets draw --config.ticket=s",
        "rtickets configs list dra",
    ],
)
def test_what_nothing_begins_with_is_completed_by_nothing(line, capsys):
    assert completed(line, capsys) == []


def test_bash_completes(capsys, tmp_path):
    assert run("completion", "bash") == 0
    script = capsys.readouterr().out
    stub = 'rtickets() { echo "$4" >> asked; printf "%s\\n" --config.sparsity=; }\n'
    line = 'COMP_LINE="rtickets draw --config.spa and more"; COMP_POINT=26; _rtickets'
    check = f'{stub}compopt() {{ :; }}\n{script}\n{line}; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", check], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "--config.sparsity="
    assert (tmp_path / "asked").read_text() == "rtickets draw --config.spa\n"
