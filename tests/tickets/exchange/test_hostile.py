"""Repositories that hold, or say, what no ticket has."""

import hashlib
import json
import re

import pytest

from rtickets.errors import InputError
from rtickets.runs.folders import find_ticket
from rtickets.tickets import exchange, hub
from tests.tickets.exchange.conftest import HOME

pytest.importorskip("huggingface_hub")


def test_weights_that_are_in_no_file_and_fill_the_memory_are_refused(folder, loopback, tmp_path):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    described = json.loads(files["ticket.json"])
    described["shapes"]["body/kernel"] = [10**5, 10**5]
    files["ticket.json"] = json.dumps(described).encode()
    loopback.commit("me/my-ticket", files)
    loopback.sizes = {"mask.safetensors": 10**10 // 8 + 100}
    with pytest.raises(InputError, match=r"10,000,000,000 weights.*RTICKETS_HUB_GB=40"):
        exchange.pull(HOME, tmp_path / "theirs")
    assert not [path for path in loopback.asked if "safetensors" in path]


@pytest.mark.parametrize("case", ["limit", "mask too large", "mask too small", "description"])
def test_what_is_larger_than_it_may_be_is_refused_before_it_is_fetched(
    case, folder, loopback, tmp_path, monkeypatch
):
    loopback.commit("me/my-ticket", {each: (folder / each).read_bytes() for each in hub.FILES})
    loopback.sizes, named = {
        "limit": ({"weights.safetensors": 9 * 10**9}, "RTICKETS_HUB_GB"),
        "mask too large": ({"mask.safetensors": 10**8}, "mask.safetensors"),
        "mask too small": ({"mask.safetensors": 0}, "mask.safetensors"),
        "description": ({"ticket.json": 10**9}, "ticket.json"),
    }[case]
    with pytest.raises(InputError, match=re.escape(named)):
        exchange.pull(HOME, tmp_path / "theirs")
    assert not [path for path in loopback.asked if "safetensors" in path]
    if case == "limit":
        monkeypatch.setenv("RTICKETS_HUB_GB", "10")
        exchange.pull(HOME, tmp_path / "theirs")
        for wrong in ("x", "0", "-1", "nan", "inf"):
            monkeypatch.setenv("RTICKETS_HUB_GB", wrong)
            with pytest.raises(InputError, match=f"RTICKETS_HUB_GB.*{wrong}"):
                hub.fetch(HOME)


def test_a_repository_does_not_choose_what_its_ticket_is_taken_for(folder, loopback):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    loopback.commit("me/my-ticket", files)
    snapshot = hub.fetch(HOME)
    honest = find_ticket(str(folder)).digest
    (snapshot / "ticket").mkdir()  # as of somebody who fetched all of the repository before
    for name, data in files.items():
        (snapshot / "ticket" / name).write_bytes(data)
    (snapshot / "COMPLETE").write_text("0123456789\n")
    found = find_ticket(HOME)
    assert found.digest == honest
    assert found.ticket == snapshot


@pytest.mark.parametrize("name", hub.FILES)
def test_what_was_changed_on_the_way_is_refused(name, folder, loopback, tmp_path):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    digest = hashlib.sha256(files["ticket.json"]).hexdigest()
    place = len(files[name]) // 2
    files[name] = files[name][:place] + bytes([files[name][place] ^ 1]) + files[name][place + 1 :]
    loopback.commit("me/my-ticket", files)
    with pytest.raises(InputError, match="digest" if name == "ticket.json" else "damaged"):
        exchange.pull(HOME, tmp_path / "theirs", digest)
    assert not (tmp_path / "theirs").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
