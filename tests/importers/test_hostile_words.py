"""Words of a file are read, and cost time and memory in proportion to the file."""

import time

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers import Options, import_checkpoint
from rtickets.importers.hints import gather
from rtickets.importers.wrappers import common_prefix

SECONDS = 20  # of this process; unbounded, each of these takes hours


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=1 / 64, stem="small")


@pytest.fixture(autouse=True)
def _in_time():
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


def shared(leaf, width=300, depth=8):
    """A dictionary with width ** depth paths and few objects."""
    for _ in range(depth):
        leaf = {f"k{index}": leaf for index in range(width)}
    return leaf


def test_shared_parts_are_read_once(torch_file, state):
    tree = {"state_dict": state, "args": shared({"arch": "resnetblur18"})}
    assert import_checkpoint(torch_file(tree), "resnet18").report["source"]["from"] == "state_dict"
    near = {"state_dict": state, "args": shared({"arch": "resnetblur18"}, depth=2)}
    with pytest.raises(InputError, match=r"arch=resnetblur18 .*args\.k0\.k0"):
        import_checkpoint(torch_file(near), "resnet18")


def test_a_part_of_itself_ends(tmp_path):
    tree = {"arch": "resnet18"}
    tree["args"] = tree
    assert [str(hint) for hint in gather(tmp_path / "x", tree, {}).network[1:]] == [
        "arch=resnet18 in its arguments"
    ]


def test_one_state_dict_under_two_names_is_found_under_both(torch_file, state):
    file = torch_file({"state_dict": state, "best": state})
    for key in ("state_dict", "best"):
        report = import_checkpoint(file, "resnet18", Options(key=key)).report
        assert report["source"]["from"] == key


@pytest.mark.parametrize(
    "make",
    [
        lambda: 10**6000,
        lambda: -(10**6000),
        lambda: "x" * 10**6,
        lambda: ["y" * 10**6] * 8,
        lambda: [10**6000],
        lambda: float("nan"),
    ],
)
def test_values_of_any_size_are_shown_short_or_not_at_all(tmp_path, make):
    value = make()
    found = gather(tmp_path / "x", {"arch": value, "args": {"model": value}}, {})
    assert all(len(hint.text) < 300 and len(str(hint)) < 400 for hint in found.network)


def test_records_of_odd_states_are_read(torch_file, torch_like, state):
    space = torch_like.Global("argparse", "Namespace")
    for content in ({"arch": "resnet18"}, (None, {"arch": "resnet18"}), 3, [1], {1: 2}):
        record = torch_like.Call(space, state=content)
        file = torch_file({"state_dict": state, "args": record})
        assert import_checkpoint(file, "resnet18").report["classes"] == 5
    evil = torch_like.Call(space, state={"system": torch_like.Global("os", "system")})
    with pytest.raises(InputError, match="refused"):
        import_checkpoint(torch_file({"state_dict": state, "args": evil}), "resnet18")


def test_names_of_many_parts_have_their_prefix_found_at_once():
    deep = "a." * 2000
    assert common_prefix([f"{deep}x{index}" for index in range(3000)]) == deep
    assert common_prefix(["a.b.c"]) == "a.b."
    assert common_prefix(["a.b", "a.bc"]) == "a."
    assert (
        common_prefix(["ab.c", "abc.d"]) == common_prefix(["a", "a.b"]) == common_prefix([]) == ""
    )


def test_tensors_of_a_deep_file_are_refused_in_a_line(torch_file):
    names = {f"{'m.' * 500}w{index}": np.ones(2, np.float32) for index in range(200)}
    with pytest.raises(InputError, match="does not fit") as caught:
        import_checkpoint(torch_file(names), "resnet18")
    assert len(str(caught.value)) < 2000
