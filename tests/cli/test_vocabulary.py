"""The verb that counts word pieces."""

import gzip

import pytest

from rtickets import cli
from rtickets.config import TextConfig

pytest.importorskip("tokenizers")
from rtickets.data.text import tokenizers as ours

TEXT = "Low lower lowest\nnew newer n\u00e9west\n\n"


def test_a_vocabulary_is_counted_and_read_again(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT * 9, "utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.txt.gz").write_bytes(gzip.compress(b"wide wider widest\n" * 9))
    out = tmp_path / "made" / "vocab.txt"
    words = ["vocabulary", str(tmp_path / "a.txt"), str(tmp_path / "more"), "--size=60"]
    assert cli.main([*words, f"--out={out}"]) == 0
    assert "of 27 texts" in capsys.readouterr().out
    known = ours.vocabulary_of(TextConfig(tokenizer=str(out)))
    tokens = out.read_text("utf-8").splitlines()
    assert known.size == len(tokens) <= 60
    assert (known.padding, known.unknown) == (0, 4) or known.special[0] == 0
    assert {"low", "new", "wide"} <= set(tokens)
    assert cli.main([*words, f"--out={out}"]) == 2
    assert "exists" in capsys.readouterr().err
    cased = tmp_path / "cased.txt"
    assert cli.main([*words, "--cased", f"--out={cased}"]) == 0
    assert any("L" in token for token in cased.read_text("utf-8").splitlines()[5:])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["none", "--out=v.txt"], ("none", "does not exist")),
        ([".", "--out=v.txt"], ("holds no file *.txt",)),
        (["a.txt", "--size=8", "--out=v.txt"], ("8 tokens", "letters")),
        (["a.txt", "--size=0", "--out=v.txt"], ("'0'",)),
        (["a.txt", "--out=v.json"], ("v.json", "tokenizer.json")),
        (["a.txt"], ("--out",)),
        (["empty.txt", "--out=v.txt"], ("empty.txt", "no text")),
        (["bytes.txt", "--out=v.txt"], ("bytes.txt", "utf-8")),
        (["a.txt", "--out=v.txt", "--config=x.py"], ("no configuration",)),
    ],
)
def test_what_cannot_be_counted_is_one_line(tmp_path, monkeypatch, capsys, words, named):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT)
    (folder / "empty.txt").write_text("\n \n")
    (folder / "bytes.txt").write_bytes(b"\xff\xfe")
    words = [
        f"texts/{word}" if word.endswith(".txt") and word[0] != "-" else word for word in words
    ]
    if words[0] == ".":
        (tmp_path / "bare").mkdir()
        words[0] = "bare"
    try:
        status = cli.main(["vocabulary", *words])
    except SystemExit as error:  # what argparse refuses
        status = error.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(each in said for each in named)
    assert not (tmp_path / "v.txt").exists()
