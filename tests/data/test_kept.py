"""Texts are read once while their files stay as they are."""

import os

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig, TextConfig
from rtickets.data import kept
from rtickets.errors import InputError
from rtickets.tasks import MaskedTokens

pytest.importorskip("tokenizers")


@pytest.fixture
def config(tmp_path):
    (tmp_path / "texts.txt").write_text("".join(f"word {n}\n" for n in range(40)))
    return DataConfig(
        "lines", path=str(tmp_path / "texts.txt"), text=TextConfig(length=8), task=MaskedTokens()
    )


def test_what_was_read_is_kept_until_its_files_change(config, tmp_path):
    first = data.load(config)
    assert data.load(config) is first
    assert data.load(config, 1) is not first
    with pytest.raises(ValueError, match="read-only"):
        first.train.arrays["tokens"][0] = 0
    file = tmp_path / "texts.txt"
    about = file.stat()
    file.write_text(file.read_text().replace("word", "term"))  # as many bytes
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    other = data.load(config)
    assert (other.train.arrays["tokens"] != first.train.arrays["tokens"]).any()


def test_large_sets_are_not_kept(config, monkeypatch):
    monkeypatch.setattr(kept, "_MOST", 10)
    first, again = data.load(config), data.load(config)
    assert again is not first
    np.testing.assert_array_equal(first.train.arrays["tokens"], again.train.arrays["tokens"])


def test_a_file_that_is_gone_is_missed(config, tmp_path):
    data.load(config)
    (tmp_path / "texts.txt").unlink()
    with pytest.raises(InputError, match=r"texts\.txt"):
        data.load(config)
