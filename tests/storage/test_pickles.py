"""Pickles whose words make far more than they are."""

import io
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.storage import pickles


def read(data, **options):
    return pickles.read(io.BytesIO(data), {}, lambda pid: None, **options).value


# What a byte or two of each makes, from 56 to 1,500 bytes of memory.
AMPLIFIERS = {
    "sets": b"\x8f",
    "dictionaries": b"}",
    "lists": b"]",
    "marks": b"(",
    "memo": b"\x94",
    "memoised sets": b"\x8f\x94",
    "calls": b"h\x00)R",
    "objects": b"h\x00)\x81",
}


@pytest.mark.parametrize("words", AMPLIFIERS.values(), ids=AMPLIFIERS)
def test_memory_stays_in_proportion_to_the_pickle(words, monkeypatch):
    """What would take more is refused before anything is made of it."""
    monkeypatch.setattr(pickles, "_Reader", lambda *_: pytest.fail("it was read"))
    start = b"\x80\x04ccollections\nOrderedDict\nq\x00"
    with pytest.raises(InputError, match=r"refused: .* [\d,]+ bytes"):
        read(start + words * (2**21 // len(words)) + b".")


def test_every_name_that_is_mentioned_costs():
    words = b"".join(b"ca\nb%d\n0" % number for number in range(60_000))
    with pytest.raises(InputError, match=r"objects of [\d,]+ bytes"):
        read(b"\x80\x02" + words + b"N.")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_what_honest_pickles_hold_is_read(protocol):
    value = {
        "history": [{"epoch": n, "loss": n / 7, "name": f"run {n}"} for n in range(3000)],
        "labels": [n % 10 for n in range(100_000)],
        "files": [f"n0144_{n}.JPEG" for n in range(10_000)],
        "matrix": [[float(n)] * 10 for n in range(1000)],
    }
    assert read(pickle.dumps(value, protocol)) == value


def test_a_pickle_may_have_so_many_bytes():
    data = pickle.dumps(["x" * 1000, 1])
    assert read(data, most=len(data)) == ["x" * 1000, 1]
    with pytest.raises(InputError, match="500 bytes"):
        read(data, most=500)


def test_a_strict_reader_refuses_every_name():
    with pytest.raises(InputError, match=r"refused: .*collections\.Counter"):
        read(b"ccollections\nCounter\n.", strict=True)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"", b"\x80\x02", b"\x80\x05"]))
def test_whatever_is_read_is_a_value_or_one_line(words, start):
    try:
        read(start + words + b".")
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
