import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.errors import InputError, printable
from rtickets.platform import console

ANY_TEXT = st.text(st.characters(codec=None, categories=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dschungelkäfer 蚂蚁 ±", "Dschungelkäfer 蚂蚁 ±"),
        ("red\x1b[31m", r"red\x1b[31m"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("\x9b31m \x7f", r"\x9b31m \x7f"),
        ("txt.\u202egpj", r"txt.\u202egpj"),
        ("a\u2028b\u2029c\u0085d", r"a\u2028b\u2029c\x85d"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        (r"C:\new", r"C:\new"),
        (3, "3"),
    ],
)
def test_what_is_shown_of_a_name(text, shown):
    assert printable(text) == shown


@given(ANY_TEXT)
def test_any_text_becomes_one_line_without_controls_and_stays_it(text):
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(f"{shown}|".splitlines()) == 1
    assert printable(shown) == shown
    shown.encode("utf-8")


@given(ANY_TEXT, st.integers(20, 60))
def test_a_long_name_keeps_its_ends(text, longest):
    text = f"begin{text}end"
    shown = printable(text * 9, longest=longest)
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert len(shown) <= 10 * longest  # an escape is ten characters at most


def test_errors_and_lines_of_progress_are_printable(capsys):
    name = "x\x1b]0;owned\x07\nOK"
    assert str(InputError(f"{name}: is broken")) == r"x\x1b]0;owned\x07\nOK: is broken"
    assert len(str(InputError("x" * 10**6))) < 10**5
    console.say(f"{name}: 3 images")
    with console.task(name, 0):
        pass
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_command_prints_whatever_the_terminal_can_show(encoding, tmp_path):
    script = (
        "import sys; from rtickets import cli; from rtickets.cli.verb import Verb\n"
        "verb = Verb(lambda *_: print('蚂蚁 \\udce9'), 'x', lambda parser: None)\n"
        "cli.VERBS['data'] = verb\n"
        "sys.exit(cli.main(['data']))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    ants = "蚂蚁" if encoding == "utf-8" else r"\u8682\u8681"
    assert done.stdout.decode(encoding) == f"{ants} \\udce9\n"
