"""Every command of a shell on the site is executed, or a table says why it is not.

`make test-slow` executes them, page by page and in order, each page in a folder of its own: stages
small, studies as dry runs, scripts with tiny networks. To execute one page:

    pytest -m slow tests/pages -k docs/guides/ship.md
"""

import os
import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from rtickets import cli
from tests.pages import table
from tests.pages.blocks import COMMANDS, PAGES, ROOT, blocks_of
from tests.pages.made import MAKERS, Place, make_runs
from tests.pages.run import execute, filled, in_process, lacking, named, script_of, within

ALL = [command for page in COMMANDS.values() for command in page]
ASSIGNS = re.compile(r"\w+=")
LEFT = {**table.NOT_HERE, **table.ELSEWHERE}


def executed(page):
    """Return the commands of a page that are executed here, or a part of them."""
    return [one for one in COMMANDS[page] if within(one) or not named(one, LEFT)]


WITH_COMMANDS = [page for page in COMMANDS if executed(page)]


@pytest.mark.parametrize("page", COMMANDS)
def test_the_shell_can_read_the_commands_of_a_page(page):
    texts = [block.text for block in blocks_of(PAGES[page].read_text()) if block.is_shell]
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(texts), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_other_block_is_python_or_something_printed():
    strange = [
        f"{page}:{block.line}: {block.text[:50]}"
        for page, path in PAGES.items()
        for block in blocks_of(path.read_text())
        if block.kind not in ("python", "text") and not block.is_shell
        if not block.text.startswith(table.SHOWN.get(page, "\0"))
    ]
    assert strange == [], "fence them with their language, or name them in `table.SHOWN`"


def test_every_command_can_be_executed_or_is_named():
    known = ("rtickets ", "python tests/", "launch/", "taskset ", "umask ", "mkdir ")
    known += ("pip install ", "apt-get install ", "sudo apt-get install ")
    for page in COMMANDS:
        for command in executed(page):
            text = within(command) or filled(command)
            words = [one for one in shlex.split(text) if not ASSIGNS.match(one)]
            assert not words or f"{' '.join(words)} ".startswith(known), command.place
            assert "..." not in text, f"{command.place}: say in `table.FILLED_ON` what stands there"
            if words and words[0] == "rtickets":
                assert words[1] in cli.VERBS, command.place
            elif "python" in words:
                assert script_of(command) in table.SCRIPTS, command.place


def test_every_entry_of_the_tables_is_of_a_command():
    whole = "\n".join(command.text for command in ALL)
    done = "\n".join(within(one) or filled(one) for page in COMMANDS for one in executed(page))
    unused = [name for name in LEFT if not any(named(one, LEFT) == name for one in ALL)]
    unused += [name for name in (*table.FILLED, *table.NEEDS) if name not in whole]
    unused += [name for name in table.DRY_WORDS if name not in done.split()]
    unused += [name for name in table.SCRIPTS if not any(script_of(one) == name for one in ALL)]
    for page, words in table.FILLED_ON.items():
        own = " \n".join(one.text for one in COMMANDS.get(page, ()))
        for old, new in table.FILLED.items():
            own = own.replace(old, new)
        unused += [f"{page}: {word}" for word in words if word not in f"{own} "]
    unused += [page for page in (*table.GIVEN, *table.FILLED_ON) if page not in WITH_COMMANDS]
    assert unused == []


def test_tests_that_execute_the_others_are_there():
    assert [test for test in table.ELSEWHERE.values() if not (ROOT / test).exists()] == []


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """A folder with the runs that guides begin with."""
    folder = tmp_path_factory.mktemp("chain")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)

        def run(words):
            wrong = in_process(words)
            assert wrong is None, wrong

        make_runs(folder, run)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_run_in_order(page, request, tmp_path, monkeypatch):
    given = table.GIVEN.get(page, ())
    chain = request.getfixturevalue("chain") if "runs" in given else tmp_path
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        place = Place(tmp_path, chain, {}, monkeypatch, stack)
        for name in given:
            MAKERS[name](place)
        for name in ("configs", "launch", "tests"):
            Path(name).symlink_to(ROOT / name)
        before = os.umask(0o022)
        stack.callback(os.umask, before)
        left = {one.place: lacking(one) for one in executed(page)}
        wrong = {}
        for command in executed(page):
            if not left[command.place] and (found := execute(command, place)):
                wrong[command.place] = found
        assert wrong == {}, "\n\n".join(f"{name}\n{found}" for name, found in wrong.items())
    missing = sorted({name for names in left.values() for name in names})
    if missing:
        pytest.skip(f"all but {sum(map(bool, left.values()))} commands ran: without {missing}")
