import re
import shutil
import subprocess

import pytest

import rtickets
from rtickets import cli
from rtickets.report.latex import escaped, latex_tables


def row(objective, mean, gain=None, **changes):
    ends = {"gain_low": None, "gain_high": None, "gain_p_holm": None}
    if gain is not None:
        ends = {"gain_low": gain - 0.01, "gain_high": gain + 0.01, "gain_p_holm": 0.2}
    return {
        "metric": "clean", "title": "accuracy", "unit": "share", "higher_is_better": True,
        "detail": False, "transfer": "finetune", "draw": "omp", "sparsity": 0.9,
        "objective": objective, "mean": mean, "std": 0.01, "seeds": 3, "seeds_asked": 3,
        "gain": gain, "gain_seeds": None if gain is None else 3, **ends,
    } | changes  # fmt: skip


FACTS = {("clean", "finetune"): [("data", "a_b"), ("threat", "no attack"), ("commit", "c0ffee")]}


def body_of(text):
    """Return the lines between the rules, as cells."""
    inside = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [line.removesuffix(" \\\\").split(" & ") for line in inside.strip().splitlines()]


def test_a_table_has_values_gains_and_intervals():
    text = latex_tables([row("natural", 0.8), row("robust", 0.85, 0.05)], "natural", FACTS)
    assert body_of(text) == [
        ["omp", "10", r"$80.0 \pm 1.0$", r"$85.0 \pm 1.0$", r"$\mathbf{+5.0}$ $[+4.0, +6.0]$"]
    ]
    assert r"\begin{tabular}{lrrrr}" in text
    assert r"ticket & remaining (\%) & natural & robust & gain of robust" in text
    caption = text.split(r"\caption{")[1].splitlines()[0]
    assert r"accuracy (\%)" in caption
    assert r"data: a\_b; threat: no attack" in caption
    assert "% commit: c0ffee\n" in text


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"gain_p_holm": 0.04}, r"$\mathbf{+5.0}$* $[+4.0, +6.0]$"),
        ({"gain_low": -0.01}, "$+5.0$ $[-1.0, +6.0]$"),
        ({"gain_low": None, "gain_high": None}, "$+5.0$"),
        ({"gain": None}, ""),
    ],
)
def test_a_gain_is_bold_only_where_its_interval_leaves_0_out(changes, shown):
    table = [row("natural", 0.8), {**row("robust", 0.85, 0.05), **changes}]
    assert body_of(latex_tables(table, "natural", FACTS))[0][-1] == shown


def test_values_of_one_seed_and_of_other_units():
    table = [row("natural", 12345.6, unit="kg", std=None, seeds=1, seeds_asked=1)]
    assert body_of(latex_tables(table, "natural", FACTS))[0][2] == r"$1.235 \cdot 10^{4}$"


def test_values_and_gains_over_fewer_seeds_say_so_and_the_caption_too():
    table = [row("natural", 0.8, seeds=2), row("robust", 0.85, 0.05, gain_seeds=2)]
    text = latex_tables(table, "natural", FACTS)
    assert body_of(text)[0][2:] == [
        r"$80.0 \pm 1.0$ (2 of 3 seeds)",
        r"$85.0 \pm 1.0$",
        r"$\mathbf{+5.0}$ $[+4.0, +6.0]$ (2 of 3 seeds)",
    ]
    assert "over 3 seeds, of which some failed" in text
    assert "failed" not in latex_tables([row("natural", 0.8)], "natural", FACTS)


def test_captions_are_of_their_own_transfer():
    facts = {("clean", name): [("examples", name)] for name in ("a", "b")}
    table = [row("natural", 0.8, transfer=name) for name in ("a", "b")]
    captions = latex_tables(table, "natural", facts).split(r"\caption{")[1:]
    assert [f"examples: {name}" in each for name, each in zip("ab", captions, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("a_b & 50% #1 $x$", r"a\_b \& 50\% \#1 \$x\$"),
        ("x^2~y", r"x\textasciicircum{}2\textasciitilde{}y"),
        ("one\ntwo", "one two"),
    ],
)
def test_names_are_text_and_no_commands(text, shown):
    assert escaped(text) == shown


def test_names_of_others_do_not_leave_their_cell():
    evil = "%\\\\ & \\end{table}\n$"
    table = [row("natural", 0.8, draw=evil), row(evil, 0.85, 0.05, draw=evil, transfer=evil)]
    told = [(evil, evil), ("commit", evil)]
    facts = {("clean", transfer): told for transfer in ("finetune", evil)}
    text = latex_tables(table, "natural", facts)
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert [line for line in lines if line == r"\end{table}"] == [r"\end{table}"] * 2
    for line in body_of(text):
        assert len(line) == 3
    assert not re.search(r"(?<!\\)%", "\n".join(lines))


def test_the_command_writes_figures_and_tables(make_study, tmp_path, capsys):
    study = make_study()
    where = [f"--figures={tmp_path / 'figs'}", f"--latex={tmp_path / 'paper' / 'tables.tex'}"]
    assert cli.main(["report", str(study.path), *where]) == 0
    said = capsys.readouterr().out
    for name in ("figs/curves_clean.pdf", "figs/curves_pgd20.pdf", "paper/tables.tex"):
        assert str(tmp_path / name) in said
    figure = (tmp_path / "figs" / "curves_clean.pdf").read_bytes()
    assert figure.startswith(b"%PDF")
    assert b"CreationDate" not in figure
    assert b"/FontFile2" in figure  # embedded as TrueType, which publishers take
    assert b"Type3" not in figure
    text = (tmp_path / "paper" / "tables.tex").read_text()
    assert text == rtickets.load_study(study.path).to_latex()
    assert text.count(r"\begin{table}") == 2
    assert "pgd, L$\\infty$, eps 8/255, 20 steps" in text


@pytest.mark.parametrize(
    ("option", "make"), [("--figures", "write_text"), ("--latex", "mkdir")], ids=["file", "folder"]
)
def test_a_place_that_is_taken_is_refused_before_anything_is_written(
    make_study, tmp_path, capsys, option, make
):
    study, place = make_study(), tmp_path / "place"
    place.write_text("mine") if make == "write_text" else place.mkdir()
    assert cli.main(["report", str(study.path), f"{option}={place}"]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert str(place) in errors
    assert not (study.path / "report.html").exists()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_takes_the_tables_whatever_names_are_in_them(tmp_path):
    hostile = r"50%_&#$~^{}\ \input{/etc/passwd} \end{table}"
    facts = {("clean", "finetune"): [(hostile, hostile), ("data", "a_b")]}
    table = [row("natural", 0.8), row(hostile, 0.85, 0.05, draw=hostile), row(hostile, 0.8)]
    text = latex_tables(table, "natural", facts)
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(head + text + "\\end{document}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "root:" not in done.stdout
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
