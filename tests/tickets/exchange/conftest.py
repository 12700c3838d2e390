"""A ticket, and a hub on loopback."""

import numpy as np
import pytest

from rtickets import Ticket
from tests.hub import serving

HOME = "hf://me/my-ticket"


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    with serving(monkeypatch, tmp_path / "cache") as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    params = {"body": {"kernel": np.arange(1.0, 7).reshape(2, 3)}}
    mask = {"body": {"kernel": np.arange(6).reshape(2, 3) % 2 == 0}}
    meta = {"history": [{"stage": "import", "source": {"file": "/home/me/```x.pth"}}]}
    Ticket(mask, params, {}, meta).save(tmp_path / "mine")
    return tmp_path / "mine"


def described(folder, meta):
    Ticket({"w": np.array([True])}, {"w": np.array([1.0])}, {}, meta).save(folder)
    return folder
