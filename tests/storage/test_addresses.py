"""Addresses of buckets, and what is refused before anything is asked of one."""

from pathlib import Path

import pytest

from rtickets.errors import InputError
from rtickets.storage import addresses


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket/runs", ("s3", "bucket", "runs")),
        ("gs://my-bucket.of/a/b/", ("gs", "my-bucket.of", "a/b")),
        ("s3://bucket", ("s3", "bucket", "")),
        ("s3://bucket/draw-x-0123456789/ticket", ("s3", "bucket", "draw-x-0123456789/ticket")),
    ],
)  # fmt: skip
def test_an_address_has_a_scheme_a_bucket_and_a_path(text, parts):
    found = addresses.read_address(text)
    assert tuple(found) == parts
    assert str(found) == text.removesuffix("/")
    assert addresses.is_address(text)


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3:///runs", "s3://B/x", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/a/./b",
     "s3://bucket/a\nb", "s3://bucket/a\\b", "az://bucket/x", "runs"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_named(text):
    with pytest.raises(InputError, match="s3://"):
        addresses.read_address(text)


def test_parent_and_name():
    found = addresses.read_address("s3://bucket/runs/draw-x")
    assert (str(found.parent), found.name) == ("s3://bucket/runs", "draw-x")
    assert (str(found.parent.parent), found.parent.name) == ("s3://bucket", "runs")


@pytest.mark.parametrize("word", [None, 3, "hf://me/x", "runs/s3", "./s3://bucket", "az://b/c"])
def test_other_words_are_no_addresses_of_buckets(word):
    assert not addresses.is_address(word)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(addresses.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"rtickets\[cloud\]"):
        addresses.connect(addresses.read_address("s3://bucket/runs"))


@pytest.mark.parametrize(
    "given",
    ["gcs://b/x", "s3a://b/x", "S3://b/x", "az://c/x", "hf://me/x", "file:///x", "s3:///x",
     Path("s3://b/x"), Path("gcs://b/x"), "s3:/b/x"],
)  # fmt: skip
def test_addresses_that_would_be_folders_are_refused(given):
    with pytest.raises(InputError, match="s3://"):
        addresses.check_no_other(given)


@pytest.mark.parametrize(
    "given", ["s3://bucket/x", "gs://bucket/x", "runs", Path("/a/b:/c"), "./s3:/b", "C:/x", "a:b"]
)
def test_paths_and_addresses_of_buckets_are_not(given):
    addresses.check_no_other(given)
