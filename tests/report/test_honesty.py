import pytest

from rtickets.report.honesty import doubts, strengths, verdict_lines


def finding(check, passed, about="pgd", message="seen"):
    return {"about": about, "check": check, "passed": passed, "value": 0.0, "message": message}


def honesty(*findings):
    return {"passed": all(found["passed"] for found in findings), "findings": list(findings)}


@pytest.mark.parametrize(
    ("findings", "lines"),
    [
        ([], ["trust: yes"]),
        ([finding("eps", True)], ["trust: yes", "ok   pgd: eps: seen"]),
        (
            [finding("eps", False), finding("steps", True), finding("steps", False, "model, l2")],
            [
                "trust: NO - eps (pgd), steps (model, l2)",
                "FAIL pgd: eps: seen",
                "ok   pgd: steps: seen",
                "FAIL model, l2: steps: seen",
            ],
        ),
        (
            [finding("eps", False, message="one"), finding("eps", False, message="two")],
            ["trust: NO - eps (pgd)", "FAIL pgd: eps: one", "FAIL pgd: eps: two"],
        ),
    ],
)
def test_the_verdict_comes_first_and_then_a_line_per_finding(findings, lines):
    assert verdict_lines(honesty(*findings)) == lines


def test_doubts_are_those_of_sources_and_cells_and_say_why():
    good, bad = {"honesty": honesty(finding("eps", True))}, {"honesty": honesty()}
    bad["honesty"] = honesty(finding("eps", True), finding("eps", False, message="rises"))
    network = {"seed": 3, "honesty": honesty(finding("steps", False, "model, linf"))}
    result = {"sources": [network, {"seed": 4}], "cells": [good, bad, {"clean": {}}]}
    assert doubts(result) == (
        3,
        [(network, "model, linf: steps: seen"), (bad, "pgd: eps: rises")],
    )


def test_there_is_nothing_to_doubt_without_checks():
    assert doubts({"sources": [{"seed": 0}], "cells": [{"seed": 0}]}) == (0, [])


def test_the_strength_of_attacks_is_told_once_and_where_more_was_found():
    def evaluation(value):
        more = {**finding("found more", True), "value": value}
        return {"honesty": honesty(finding("weak attack", True, message="6 evaluations"), more)}

    result = {"sources": [evaluation(0.0), {"seed": 1}], "cells": [evaluation(0.1)]}
    (line,) = strengths(result)
    assert line.startswith("pgd: 6 evaluations.")
    assert "1 evaluation" in line
    assert strengths({"sources": [{"seed": 0}], "cells": []}) == []
