"""A ticket, and a hub on loopback."""

import numpy as np
import pytest

from rtickets import Ticket
from tests.hub import Hub

HOME = "hf://me/my-ticket"


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    from huggingface_hub import constants

    server = Hub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield server
    server.server.shutdown()
    server.server.server_close()


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
