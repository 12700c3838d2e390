import pytest

from rtickets.report.honesty import doubts, strengths, unchecked, verdict_lines


def finding(check, passed, about="pgd", message="seen"):
    return {"about": about, "check": check, "passed": passed, "value": 0.0, "message": message}


def honesty(*findings):
    return {"passed": all(found["passed"] for found in findings), "findings": list(findings)}


@pytest.mark.parametrize(
    ("findings", "lines"),
    [
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
    assert verdict_lines({"honesty": honesty(*findings)}) == lines


@pytest.mark.parametrize("findings", [[], [finding("weak attack", True)]])
def test_a_verdict_that_was_not_made_is_none(findings):
    for passed in (None, True)[: 2 - len(findings)]:
        first, *others = verdict_lines({"honesty": {"passed": passed, "findings": findings}})
        assert first.startswith("trust: not checked")
        assert "honesty_examples" in first
        assert len(others) == len(findings)
    (first, *_) = verdict_lines({"honesty": {**honesty(finding("eps", False)), "passed": False}})
    assert first.startswith("trust: NO")


def test_certified_accuracies_are_not_trusted_for_an_attack_on_another_network():
    for result in ({"certified": {}}, {"certified": {}, "honesty": honesty(finding("eps", True))}):
        last = verdict_lines(result)[-1]
        assert last.startswith("certified accuracies: not checked")
    assert verdict_lines({"clean": {}}) == []


def test_what_a_study_did_not_check_is_counted_apart():
    without = {"honesty": {"passed": None, "findings": [finding("weak attack", True)]}}
    good = {"honesty": honesty(finding("eps", True))}
    result = {"sources": [without], "cells": [good, without, {"certified": {}}]}
    assert doubts(result) == (1, [])
    robust, certified = unchecked(result)
    assert "2" in robust
    assert "certified" in certified
    assert unchecked({"sources": [], "cells": [good]}) == []


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
