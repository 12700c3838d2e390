"""Compiled programs go before a process has mapped what it may, and not sooner."""

import jax
import jax.numpy as jnp
import pytest

from rtickets.config import DrawConfig
from rtickets.platform import compiled
from rtickets.runs import folders


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Return what sets the numbers of pieces that are mapped, and allowed."""

    def say(pieces, most):
        (tmp_path / "maps").write_text("a piece\n" * pieces)
        (tmp_path / "most").write_text(most)

    monkeypatch.setattr(compiled, "_PIECES", tmp_path / "maps")
    monkeypatch.setattr(compiled, "_MOST", tmp_path / "most")
    return say


def traced():
    """Return a function, and how often it was traced."""
    times = []

    def own(x):
        times.append(1)
        return x + 1

    function = jax.jit(own)
    function(jnp.ones(2))
    return function, times


@pytest.mark.parametrize(
    ("pieces", "most", "goes"), [(39, "100\n", False), (40, "100\n", True), (99, "100\n", True)]
)
def test_programs_go_at_a_part_of_what_is_allowed(system, pieces, most, goes):
    system(pieces, most)
    function, times = traced()
    assert compiled.make_room() == goes
    assert float(function(jnp.ones(2))[0]) == 2
    assert len(times) == 1 + goes


@pytest.mark.parametrize("most", [None, "", "many"])
def test_a_system_that_says_nothing_is_left_alone(system, tmp_path, most):
    if most is not None:
        system(1000, most)
    assert not compiled.make_room()


def test_every_stage_makes_room_before_it_works(system, tmp_path):
    system(99, "100")
    function, times = traced()
    folder = folders.folder_of(tmp_path, "draw", "mine", DrawConfig())
    folders.run_once(folder, lambda _: {"traced": len(times)})
    function(jnp.ones(2))
    assert len(times) == 2
    folders.run_once(folder, lambda _: pytest.fail("a stage that is done works again"))
    function(jnp.ones(2))
    assert len(times) == 2  # and one that is done does not
