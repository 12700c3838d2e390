"""`rtickets compact` on the command line."""

import json

import numpy as np
import pytest

from rtickets import Ticket, cli, masks
from rtickets.costs.latency import by_turns
from tests.tickets.compaction.test_compact import random_ticket


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    path = tmp_path_factory.mktemp("compact") / "ticket"
    random_ticket("resnet18", 1 / 32, (16, 16, 3), 0.6, stem="small").save(path)
    return path


def test_a_ticket_becomes_a_smaller_one_and_the_numbers_are_told(ticket, tmp_path, capsys):
    out = tmp_path / "small"
    assert cli.main(["compact", str(ticket), f"--out={out}", "--batch-sizes=2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    small = Ticket.load(out)
    count = sum(np.size(leaf) for leaf in masks.leaf_paths(small.params).values())
    assert found["parameters"][1] == count < found["parameters"][0]
    assert found["bytes"][1] == sum(f.stat().st_size for f in out.glob("*.safetensors"))
    assert len(found["milliseconds"]["2"]) == 2
    assert min(found["milliseconds"]["2"]) > 0


def test_what_is_there_stays_and_other_words_are_refused(ticket, tmp_path, capsys):
    (tmp_path / "there").mkdir()
    assert cli.main(["compact", str(ticket), f"--out={tmp_path / 'there'}"]) == 2
    assert "there exists" in capsys.readouterr().err
    words = ["compact", str(ticket), f"--out={tmp_path / 'new'}"]
    assert cli.main([*words, "--config.sparsity=0.5"]) == 2
    with pytest.raises(SystemExit):
        cli.main([*words, "--batch-sizes=a"])


def test_latency_is_the_median_of_turns_that_go_round():
    now, order, slow = [0.0], [], iter([1.0] * 3 + [1.0, 9.0, 2.0])  # the first three do not count

    def call(name, seconds):
        order.append(name)
        now[0] += seconds

    found = by_turns(
        {"a": lambda: call("a", next(slow)), "b": lambda: call("b", 3.0)}, 3, lambda: now[0]
    )
    assert found == {"a": 2.0, "b": 3.0}
    assert "".join(order) == "aaabbb" + "abbaab"
