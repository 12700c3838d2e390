"""Every block of README runs, in order."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCK.findall(README.read_text()) if name == language]


def test_every_block_says_its_language():
    assert {name for name, _ in BLOCK.findall(README.read_text())} == {"bash", "python"}


@pytest.mark.filterwarnings("default")
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
