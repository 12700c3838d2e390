"""What checks of an evaluation find, and what to do about it."""

from typing import NamedTuple

_OTHERWISE = "so gradients mislead; use other losses, restarts and an attack without gradients"
_ADVICE = {
    "random output": "attacks chase noise; switch it off, or declare it with samples > 0",
    "companions": "attacks move images from batch to batch, so their results mean nothing; switch "
    "normalisation by the batch off (evaluation mode), and whatever else looks at other images or "
    "draws noise for the whole batch",
    "shattered output": "gradients do not see such jumps, as of noise seeded by the pixels; attack "
    "the model without them, or average over them with samples > 0",
    "probabilities": "their cross-entropy has weak gradients; return the logits before the softmax",
    "quantised input": "the model rounds its input to few levels and gradients are zero or made "
    "up; give the rounding the derivative 1 (BPDA) and attack without gradients too",
    "zero gradients": "the cross-entropy cannot move these images, so do not count them as robust; "
    "the next two findings tell the causes apart",
    "saturated logits": "the logits are too large for a softmax in the precision of the model; "
    "divide them by a constant or attack the margin or DLR loss",
    "disconnected gradient": "look for stop_gradient, rounding and integer casts in the model and "
    "give them a derivative in the backward pass (BPDA)",
    "non-finite gradients": "such entries are taken as 0, so these images look robust; look for "
    "roots, norms, logarithms and divisions at 0 in the model and keep them away from it",
    "wrong gradients": "attacks go where these point and not where the logits change; look for "
    "derivatives of the model's own (custom_vjp, custom_jvp, stop_gradient) and attack without "
    "gradients too",
    "steps": f"more steps should find what fewer do, {_OTHERWISE}",
    "eps": f"a larger ball holds the smaller one, {_OTHERWISE}",
    "unbounded": f"this ball holds images of every class, {_OTHERWISE}",
    "black box": "it should not beat attacks with gradients, so these are masked or the attacks "
    "too short; report the worst case over all and look for the cause",
    "weak attack": "this is a weak attack, and what it leaves is no robust accuracy; report it as "
    "what it is, beside an attack of many steps such as 'autoattack'",
    "found more": "the attack is too weak for this model, and its accuracy too high; give it more "
    "steps, restarts and gradients, or take 'autoattack'",
    "accuracy over eps": "a larger ball holds the smaller one, so the attack fails at the larger "
    "eps; give it more steps and restarts, or count images that a smaller eps fools as fooled",
}
CHECKS = (*_ADVICE, "plain call")  # unknown where there is a finding: else the model is refused
"""Names of the checks of `check_model` and `check_results`; both look for 'black box'."""
MARKS = {True: "ok  ", False: "FAIL", None: "??  "}
"""What findings are marked with in text, by `passed`."""


class Finding(NamedTuple):
    """What one check saw.

    Attributes:
        check: its name, of `CHECKS`.
        passed: whether nothing speaks against the evaluation; None if that could not be checked.
        value: what was measured, in the unit that the message names.
        message: what was seen and, if not passed, what it means and what to do.
    """

    check: str
    passed: bool | None
    value: float
    message: str


class Verdict(NamedTuple):
    """All findings about an evaluation."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether there were checks and none that could be made failed."""
        checked = [finding.passed for finding in self.findings if finding.passed is not None]
        return bool(checked) and all(checked)

    def lines(self) -> list[str]:
        """Return the verdict and one line per finding."""
        failed, unknown = (
            ", ".join(finding.check for finding in self.findings if finding.passed is passed)
            for passed in (False, None)
        )
        otherwise = "trust: yes" if self.passed else "trust: not checked"
        if self.passed and unknown:
            otherwise += f", but not checked - {unknown}"
        return [
            f"trust: NO - {failed}" if failed else otherwise,
            *(f"{MARKS[each.passed]} {each.check}: {each.message}" for each in self.findings),
        ]


def judged(check: str, passed: bool, value: float, seen: str) -> Finding:
    """Return a finding whose message says what was seen and, if not passed, what to do."""
    message = seen if passed else f"{seen}: {_ADVICE[check]}"
    return Finding(check, bool(passed), float(value), message)
