"""The verdict on robust accuracies, for people."""

from collections.abc import Mapping
from typing import Any


def verdict_lines(honesty: Mapping[str, Any]) -> list[str]:
    """Return the verdict of one evaluation and a line per finding.

    Args:
        honesty: the 'honesty' of an evaluation's result.

    Returns:
        Lines, the verdict first.
    """
    failed = [finding for finding in honesty["findings"] if not finding["passed"]]
    names = dict.fromkeys(f"{finding['check']} ({finding['about']})" for finding in failed)
    verdict = "trust: NO - " + ", ".join(names) if failed else "trust: yes"
    marks = {True: "ok  ", False: "FAIL"}
    return [
        verdict,
        *(f"{marks[finding['passed']]} {_said(finding)}" for finding in honesty["findings"]),
    ]


def doubts(result: Mapping[str, Any]) -> tuple[int, list[tuple[Mapping[str, Any], str]]]:
    """Collect the evaluations of a study whose robust accuracies should not be trusted.

    Args:
        result: of the study, with its source networks and cells.

    Returns:
        (number of evaluations that were checked, (source or cell, what was found) for each that
        failed).
    """
    checked = [one for one in (*result["sources"], *result["cells"]) if "honesty" in one]
    return len(checked), [
        (one, "; ".join(_said(f) for f in one["honesty"]["findings"] if not f["passed"]))
        for one in checked
        if not one["honesty"]["passed"]
    ]


def strengths(result: Mapping[str, Any]) -> list[str]:
    """Return what a study's attacks spend and what the checks found beyond them, a line each.

    Args:
        result: of the study, with its source networks and cells.

    Returns:
        Lines by attack; none from evaluations that say nothing of it.
    """
    spent: dict[str, str] = {}
    more: dict[str, int] = {}
    for one in (*result["sources"], *result["cells"]):
        for finding in one.get("honesty", {"findings": ()})["findings"]:
            about = finding["about"]
            if finding["check"] == "weak attack":
                spent[about] = finding["message"]
            elif finding["check"] == "found more":
                more[about] = more.get(about, 0) + ((finding["value"] or 0) > 0)
    lines = []
    for about, message in spent.items():
        line = f"{about}: {message}."
        if about in more:
            line += f" The checks' own attack fools more images in {more[about]} evaluation(s)."
        lines.append(line)
    return lines


def _said(finding: Mapping[str, Any]) -> str:
    return f"{finding['about']}: {finding['check']}: {finding['message']}"
