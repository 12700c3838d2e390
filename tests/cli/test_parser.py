"""What is said of words that the command does not know: a line with what may be meant."""

import pytest

from rtickets import cli


def refused(capsys, *words):
    """Return the one line that a command is refused with."""
    try:
        status = cli.main(list(words))
    except SystemExit as error:
        status = error.code
    found = capsys.readouterr()
    assert (status, found.out) == (2, "")
    (line,) = found.err.splitlines()
    assert line.startswith("rtickets: ")
    return line


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("pretrain --devices=three", ["--devices", "'three'", "rtickets pretrain --help"]),
        ("pretrain --workdir", ["--workdir", "rtickets pretrain --help"]),
        ("pretrain --dry-run=yes", ["--dry-run", "'yes'"]),
        ("pretrain --workdr=x", ["--workdr", "did you mean --workdir?"]),
        ("pretrain --lr=0.1", ["--lr", "--config.lr=0.1"]),
        ("draw --ticket", ["--config.ticket=VALUE"]),
        ("restore --dry-run", ["--dry-run", "--config.help"]),
        ("draw draw/omp", ["'draw/omp'", "--config=draw/omp"]),
        ("draw mine.py", ["--config=mine.py"]),
        ("report latest:study more", ["'more'"]),
        ("status runs more", ["'more'"]),
        ("status --json=1", ["--json"]),
        ("ticket shw x", ["'shw'", "show", "rtickets ticket --help"]),
        ("ticket show x --pictures", ["--pictures", "rtickets ticket show --help"]),
        ("pretrain --workdir=az://bucket/runs", ["--workdir", "'az://bucket/runs'", "s3://BUCKET"]),
        ("pretrain --workdir=gs:/bucket/runs", ["'gs:/bucket/runs'", "give gs://bucket/runs"]),
        ("pretrain --workdir=s3:bucket", ["'s3:bucket'", "give s3://bucket", "./s3:bucket"]),
        ("status GS://bucket/runs", ["'GS://bucket/runs'", "give gs://bucket/runs"]),
        ("status gs:/bucket/runs", ["'gs:/bucket/runs'", "give gs://bucket/runs"]),
        ("pretrain --workdir=s3://bucket/../x", ["--workdir", "'s3://bucket/../x'", "names"]),
        ("status ftp://bucket/runs", ["'ftp://bucket/runs'", "folder", "gs://..."]),
        ("compact x --out=s3://bucket/small", ["--out", "'s3://bucket/small'"]),
        ("compact x --out=s3:/bucket/small", ["--out", "'s3:/bucket/small'", "./s3:/bucket"]),
        ("train", ["'train'", "did you mean pretrain"]),
        ("drwa", ["'drwa'", "did you mean draw?"]),
        ("quux", ["'quux'", "transfer"]),
        ("study --launcher=slrum", ["--launcher", "'slrum'", "did you mean slurm?"]),
        ("study --config=studies/demo --worker=3/2", ["--worker=3/2", "0/N"]),
        ("-x", ["VERB", "rtickets --help"]),
        ("pretrain -x\n\x1b[31m", [r"-x\n\x1b"]),
    ],
)
def test_a_word_that_is_not_known_is_one_line_with_what_may_be_meant(capsys, words, named):
    line = refused(capsys, *words.split(" "))
    assert all(part in line for part in named), line


def test_a_configuration_is_offered_only_where_there_is_one(capsys):
    assert "--config" not in refused(capsys, "status", "--lr=1")
    assert "--config" not in refused(capsys, "report", "latest:a", "latest:b")
    assert "--config" not in refused(capsys, "ticket", "verify", "--lr=1", "x")


@pytest.mark.parametrize("below", ["", "/runs", "/a/b"])
def test_a_file_in_the_place_of_the_working_directory_is_named(capsys, tmp_path, below):
    (tmp_path / "file").touch()
    words = ("draw", "--config.ticket=x", f"--workdir={tmp_path}/file{below}")
    assert f"{tmp_path}/file is no folder" in refused(capsys, *words)


def test_a_place_that_pictures_and_copies_cannot_have_is_named(capsys, tmp_path):
    (tmp_path / "file").touch()
    words = ("ticket", "show", "x", f"--pictures={tmp_path}/file")
    assert f"{tmp_path}/file is no folder" in refused(capsys, *words)
    for verb in (("compact", "x"), ("export", "x", "--format=onnx")):
        words = (*verb, f"--out={tmp_path}/file/new")
        assert f"{tmp_path}/file is no folder" in refused(capsys, *words)
    words = ("configs", "copy", "studies/demo", f"{tmp_path}/none/demo.py")
    assert f"{tmp_path}/none is no folder" in refused(capsys, *words)


def test_a_file_without_a_configuration_is_told_what_it_lacks(capsys, tmp_path):
    (tmp_path / "mine.py").write_text("get_config = 3\n")
    line = refused(capsys, "draw", f"--config={tmp_path}/mine.py")
    assert "no function get_config()" in line
    assert "rtickets_config_file" not in line


def test_a_run_that_is_not_there_is_refused_with_those_that_may_be_meant(capsys, tmp_path):
    for name in ("pretrain-natural-0123456789", "draw-omp-0123456789"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "COMPLETE").touch()
    where = f"--workdir={tmp_path}"
    assert "mean pretrain-natural?" in refused(
        capsys, "draw", where, "--config.ticket=latest:pretain"
    )
    assert "mean" not in refused(capsys, "draw", where, "--config.ticket=latest:zzz")
    assert "empty" in refused(capsys, "draw", where, "--config.ticket=")


def test_a_wrong_value_of_several_numbers_is_shown(capsys):
    words = ("draw", "--config.ticket=x", "--config.sparsity=(0.5, 0.9)")
    assert "sparsity=(0.5, 0.9)" in refused(capsys, *words)


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("studies/demo:small", ["--config=studies/demo:small", "give --config=studies/demo"]),
        ("studies/features:smal", ["--config=studies/features:smal", "'smal'", "small"]),
        ("mine.py", ["--config=mine.py", "give --config=mine.py:ARGUMENT"]),
    ],
)
def test_what_follows_the_colon_of_a_file_is_checked(capsys, tmp_path, monkeypatch, file, parts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def get_config(size):\n    return size\n")
    line = refused(capsys, "study", f"--config={file}", "--dry-run")
    assert all(part in line for part in parts), line
    assert "TypeError" not in line


def test_a_report_of_what_is_none_names_studies_and_evaluations(capsys, tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        line = refused(capsys, "report", str(path))
        assert all(part in line for part in (str(path), "study-NAME", "evaluate-NAME")), line
