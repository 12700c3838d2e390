"""Tickets through a hub on loopback that speaks what `huggingface_hub` asks."""

import hashlib
import re

import numpy as np
import pytest

from rtickets import Ticket, cli
from rtickets.errors import InputError
from rtickets.runs.folders import find_ticket
from rtickets.tickets import exchange, hub
from tests.tickets.exchange.conftest import HOME

pytest.importorskip("huggingface_hub")


def test_what_is_pushed_comes_back_bit_for_bit(folder, loopback, tmp_path, capsys):
    assert cli.main(["push", str(folder), HOME, "--license=apache-2.0"]) == 0
    said = capsys.readouterr()
    assert "/home/me" in said.err
    digest = hashlib.sha256((folder / "ticket.json").read_bytes()).hexdigest()
    assert f"sha256: {digest}" in said.out
    address = re.search(r"done: (hf://\S+)", said.out)[1]
    (sent,) = loopback.commits.values()
    assert set(sent) == {*hub.FILES, "README.md"}
    words = ["pull", address, f"--out={tmp_path / 'theirs'}", f"--sha256={digest}"]
    assert cli.main(words) == 0
    for name in hub.FILES:
        assert (tmp_path / "theirs" / name).read_bytes() == (folder / name).read_bytes()
    loaded = Ticket.load(address)
    np.testing.assert_array_equal(loaded.params["body"]["kernel"][0], [1, 0, 3])
    assert Ticket.load(HOME).meta == loaded.meta  # the main branch
    assert find_ticket(HOME).digest == find_ticket(str(folder)).digest


def test_what_was_fetched_is_there_without_a_network(folder, loopback):
    exchange.push(exchange.pack(folder, HOME, "mit"))
    loaded = Ticket.load(HOME)
    loopback.server.shutdown()
    loopback.server.server_close()
    assert repr(Ticket.load(HOME)) == repr(loaded)
    with pytest.raises(InputError, match="hf://me/other"):
        Ticket.load("hf://me/other")


def test_of_a_repository_three_files_are_taken(folder, loopback, tmp_path):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    loopback.commit("me/my-ticket", {**files, "setup.py": b"1/0", "../up": b"x"})
    exchange.pull(HOME, tmp_path / "theirs")
    assert {path.name for path in (tmp_path / "theirs").iterdir()} == set(hub.FILES)
    assert not [path for path in loopback.asked if "setup" in path or "up" in path]


def test_a_missing_file_and_a_missing_repository_are_named(folder, loopback, tmp_path, capsys):
    loopback.commit("me/half", {"ticket.json": (folder / "ticket.json").read_bytes()})
    with pytest.raises(InputError, match=r"mask\.safetensors"):
        exchange.pull("hf://me/half", tmp_path / "theirs")
    for words in (["pull", "hf://me/nothing", f"--out={tmp_path / 'x'}"],
                  ["ticket", "show", "hf://me/nothing"]):  # fmt: skip
        assert cli.main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "hf://me/nothing" in line


@pytest.mark.parametrize("text", ["hf://", "hf://me", "hf://me/../x", "hf://me/a@", "hf://m e/x"])
def test_what_is_no_address_is_refused_before_anybody_is_asked(text, folder, tmp_path):
    with pytest.raises(InputError, match="OWNER/NAME"):
        Ticket.load(text)
    with pytest.raises(InputError, match="OWNER/NAME"):
        exchange.pack(folder, text, "mit")


def test_an_existing_folder_and_another_digest_are_refused(folder, loopback, tmp_path):
    exchange.push(exchange.pack(folder, HOME, "mit"))
    with pytest.raises(InputError, match="exists"):
        exchange.pull(HOME, folder)
    with pytest.raises(InputError, match="f" * 64):
        exchange.pull(HOME, tmp_path / "theirs", "f" * 64)
