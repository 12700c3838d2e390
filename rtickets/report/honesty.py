"""The verdict on robust accuracies, for people; results are those of evaluations and studies."""

from collections.abc import Iterable, Mapping
from typing import Any

from rtickets.attacks.honesty.findings import MARKS

NOT_CHECKED = "trust: not checked"
_CERTIFIED = (
    "certified accuracies: not checked: no attack is compared with them; they are lower bounds of "
    "the smoothed network's accuracy, right for every image with probability 1 - alpha"
)


def verdict_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the verdict of one evaluation, a line per finding, and what no check is made of.

    The verdict on attacks comes first; of clean accuracy alone there is none.
    """
    lines = _of_attacks(result["honesty"]) if "honesty" in result else []
    return lines + certified_lines([result])


def certified_lines(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what holds of certified accuracies, one line, or none where there are not any."""
    return [_CERTIFIED] if any("certified" in one for one in results) else []


def _of_attacks(honesty: Mapping[str, Any]) -> list[str]:
    failed = [finding for finding in honesty["findings"] if finding["passed"] is False]
    names = dict.fromkeys(f"{finding['check']} ({finding['about']})" for finding in failed)
    verdict = "trust: NO - " + ", ".join(names) if failed else "trust: yes"
    if not failed and (honesty["passed"] is None or not honesty["findings"]):
        why = honesty.get("reason", "the model was not examined; honesty_examples > 0 does")
        verdict = f"{NOT_CHECKED} ({why})"
    return [
        verdict,
        *(f"{MARKS[finding['passed']]} {_said(finding)}" for finding in honesty["findings"]),
    ]


def doubts(result: Mapping[str, Any]) -> tuple[int, list[tuple[Mapping[str, Any], str]]]:
    """Collect the evaluations of a study whose robust accuracies should not be trusted.

    Returns:
        (number of evaluations that were checked, (source or cell, what was found) for each that
        failed).
    """
    honest = [one for one in _evaluations(result) if "honesty" in one]
    checked = [one for one in honest if one["honesty"]["passed"] is not None]
    return len(checked), [
        (one, "; ".join(_said(f) for f in one["honesty"]["findings"] if f["passed"] is False))
        for one in checked
        if not one["honesty"]["passed"]
    ]


def unchecked(result: Mapping[str, Any]) -> list[str]:
    """Return what a study measured without asking for a verdict, robust or certified, in lines."""
    whys: dict[str, int] = {}
    for one in _evaluations(result):
        if "honesty" in one and one["honesty"]["passed"] is None:
            why = one["honesty"].get("reason", "honesty_examples=0")
            whys[why] = whys.get(why, 0) + 1
    lines = [f"evaluations under attack that were not checked: {n} ({w})" for w, n in whys.items()]
    return lines + certified_lines(_evaluations(result))


def strengths(result: Mapping[str, Any]) -> list[str]:
    """Return what a study's attacks spend and what the checks found beyond them, a line each."""
    spent: dict[str, str] = {}
    more: dict[str, int] = {}
    for one in _evaluations(result):
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


def _evaluations(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*result["sources"], *result["cells"]]


def _said(finding: Mapping[str, Any]) -> str:
    return f"{finding['about']}: {finding['check']}: {finding['message']}"
