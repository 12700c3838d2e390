"""A saved ticket that is damaged."""

import hashlib
import json

import numpy as np
import pytest

from rtickets.tickets.ticket import Ticket, read_description

ONE = np.ones(1)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ticket"
    mask = {"conv": {"kernel": np.arange(30).reshape(5, 6) % 3 == 0, "bias": np.ones((), bool)}}
    params = {"conv": {"kernel": np.ones((5, 6), np.float32), "bias": np.ones(6, np.float32)}}
    Ticket(mask, params, {"mean": np.zeros(6, np.float32)}).save(path)
    return path


def edit(path, **changes):
    """Change fields of the description; ... removes one."""
    description = json.loads((path / "ticket.json").read_text()) | changes
    kept = {name: value for name, value in description.items() if value is not ...}
    (path / "ticket.json").write_text(json.dumps(kept))


def forge(path, name, data):
    """Replace a file and its checksum."""
    (path / name).write_bytes(data)
    checksums = read_description(path)["sha256"]
    edit(path, sha256={**checksums, name: hashlib.sha256(data).hexdigest()})
