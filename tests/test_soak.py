"""A study that is killed at any moment, again and again, ends with the same files."""

import importlib.util
from pathlib import Path


def test_a_study_that_is_killed_ten_times_leaves_the_same_bytes(tmp_path):
    spec = importlib.util.spec_from_file_location("soak", Path(__file__).parent / "soak.py")
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    found = soak.soak(tmp_path, kills=10, seed=1, say=print)
    assert found.different == []
    assert found.kills == 10
    assert found.studies >= 1
    assert len(found.during) >= 3
