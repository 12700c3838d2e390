"""A study that is killed or signalled at any moment, again and again, ends with the same files."""

import importlib.util
import os
from pathlib import Path

import pytest


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


signals = load("soak_signals")
soak, users = signals.soak, signals.users
reason = users.why_not()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that a group shares, where there is one."""
    if os.geteuid() != 0:
        yield tmp_path_factory.mktemp("soak")
        return
    with users.shared_folder() as shared:
        yield shared


@pytest.fixture(scope="module")
def undisturbed(folder):
    return soak.undisturbed(folder, print)


def test_a_study_that_is_killed_five_times_leaves_the_same_bytes(folder, undisturbed):
    found = soak.soak(folder, 5, 1, print, undisturbed)
    assert found.different == []
    assert found.kills == 5
    assert found.studies >= 1
    assert len(found.during) >= 2


def test_a_study_that_gets_signals_of_all_kinds_ends_as_documented(folder, undisturbed):
    found = signals.soak_signals(folder, 3, 2, print, undisturbed)
    assert found.wrong == []
    assert sum(found.endings.values()) >= 3


@pytest.mark.skipif(bool(reason), reason=reason or "is not used")
def test_a_study_of_two_users_that_get_signals_ends_as_documented(folder, undisturbed):
    found = signals.soak_signals(folder, 2, 6, print, undisturbed, as_users=True)
    assert found.wrong == []
    assert sum(found.endings.values()) >= 2
