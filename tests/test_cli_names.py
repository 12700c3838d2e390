import argparse

import pytest

from rtickets.cli import stages
from rtickets.config import DrawConfig
from rtickets.runs import folder_of


def say_of(name, workdir, capsys):
    """Return the run's folder, and what a verb says when it was called with a --name."""
    folder = folder_of(workdir, "draw", name, DrawConfig())
    options = argparse.Namespace(name=name, retry_failed=False, accept_changes=False)
    stages._run(lambda: folder, options)
    return folder.path, capsys.readouterr().err


@pytest.mark.parametrize("name", ["mine", "two-words", "a/b c", "x" * 300])
def test_a_name_that_a_folder_cannot_have_as_it_is_was_not_given_before(name, tmp_path, capsys):
    path, said = say_of(name, tmp_path, capsys)
    assert said == ""
    path.mkdir()
    assert say_of(name, tmp_path, capsys) == (path, "")


@pytest.mark.parametrize("name", ["other", "a-mine", "mine-b", "in"])
def test_a_run_of_another_name_says_how_it_was_named(name, tmp_path, capsys):
    path, _ = say_of("a-mine-b", tmp_path, capsys)
    path.mkdir()
    found, said = say_of(name, tmp_path, capsys)
    assert found == path
    assert path.name in said
