"""Every block of README runs, in order."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rtickets import cli
from rtickets.cli.launch import check_launch_options
from rtickets.cli.verb import read_config

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCK.findall(README.read_text()) if name == language]


def commands():
    """Return the words of every command line, joined where a line goes on."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_every_block_says_its_language():
    assert {name for name, _ in BLOCK.findall(README.read_text())} == {"bash", "python"}


def test_the_python_blocks_run_in_order(tmp_path, monkeypatch):
    """They may use what those before them defined; budgets of attacks are cut for time."""
    monkeypatch.chdir(tmp_path)
    from rtickets import attacks

    whole = attacks.worst_case

    def short(*arguments, **options):
        return whole(*arguments, **{**options, "version": "fast"})

    monkeypatch.setattr(attacks, "worst_case", short)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "my-ticket" / "ticket.json").is_file()


def test_the_names_in_the_text_are_found_as_they_are_written():
    found = re.findall(r"`(from rtickets\S* import \w+|rtickets(?:\.\w+)+)", README.read_text())
    assert found
    code = "\n".join(["import rtickets", *found])
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_words_that_its_verb_knows(words):
    own = words[words.index("rtickets") + 1 :]
    assert words[0] in ("rtickets", "srun")
    ours, config_words = cli._split_config(own)
    options = cli._parsers()[0].parse_args(ours)
    verb = cli.VERBS[options.verb]
    if verb.config is not None and config_words:
        read_config(verb, config_words)
    if options.verb == "study":
        check_launch_options(options)


@pytest.mark.slow
def test_the_commands_run_in_order(tmp_path):
    """Those of several hosts are left out, and the import of a file that is not here."""
    for words in commands():
        several = {"srun", "--launcher=slurm", "--num-processes=2"} & {*words}
        if several or "import" in words or "--config.ticket=robust50" in words:
            continue
        line = " ".join(["exec", shlex.quote(sys.executable), "-m", *map(_quoted, words)])
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stderr[-2000:])


def _quoted(word):
    return word if "*" in word else shlex.quote(word)  # the shell matches patterns
