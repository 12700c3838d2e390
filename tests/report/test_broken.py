import shutil

from rtickets.report import show_report, write_report
from rtickets.report.broken import broken_lines, broken_networks


def test_lines_name_the_network_and_its_signs_and_count_the_rest():
    source = {"seed": 0, "objective": "natural", "broken": ["one", "two"]}
    cell = {"seed": 1, "objective": "pgd", "draw": "omp", "sparsity": 0.98, "transfer": "linear"}
    result = {
        "sources": [source, {**source, "broken": []}],
        "cells": [cell, {**cell, "broken": ["x"]}],
    }
    first, second = broken_lines(result)
    assert first == "BROKEN? source network, natural, seed 0: one; two"
    assert second == "BROKEN? linear, pgd, omp, sparsity 0.98, seed 1: x"
    many = {"sources": [], "cells": [{**cell, "broken": ["x"]}] * 30}
    assert len(broken_lines(many)) == 11
    assert "20 more" in broken_lines(many)[-1]
    assert len(broken_networks(many)) == 30


def test_page_and_terminal_name_what_may_be_broken(make_study, capsys):
    study = make_study()
    assert "BROKEN?" not in write_report(study).read_text()
    cells = list(study.result()["cells"])
    cells[1] = {**cells[1], "broken": ["<b>at chance</b>"]}
    shutil.rmtree(study.path)
    again = make_study(cells)
    page = write_report(again).read_text()
    assert "What may be broken" in page
    assert page.count("&lt;b&gt;at chance") >= 2
    assert "<b>at chance" not in page
    show_report(again)
    assert "BROKEN? finetune, natural, omp, sparsity 0.9, seed 0" in capsys.readouterr().out
