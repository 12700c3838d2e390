import numpy as np
import pytest

from rtickets.attacks.honesty.findings import CHECKS
from rtickets.attacks.honesty.results import check_results
from rtickets.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "value", "passed"),
    [
        ({"accuracy": {0.0: 0.9, 0.1: 0.5, 0.2: 0.5}}, 0.0, True),
        ({"accuracy": {0.2: 0.501, 0.1: 0.5}}, 0.001, True),
        ({"accuracy": {0.2: 0.51, 0.1: 0.5}}, 0.01, False),
        ({"accuracy": {0.1: 0.5}}, 0.0, True),
        ({"white_box": 500, "black_box": 400}, 0.0, True),
        ({"white_box": 500, "black_box": 502}, 0.002, True),
        ({"white_box": 500, "black_box": 503}, 0.003, False),
    ],
)
def test_results(arguments, value, passed):
    arguments = {
        name: np.arange(1000) < each if name != "accuracy" else each
        for name, each in arguments.items()
    }
    (finding,) = check_results(**arguments).findings
    assert finding.value == pytest.approx(value)
    assert finding.passed == passed
    assert finding.check in ("black box", "accuracy over eps")
    assert finding.check in CHECKS


def test_one_image_is_never_enough():
    white, black = np.arange(300) < 100, np.arange(300) < 101
    curve = {0.1: 100 / 300, 0.2: 101 / 300}
    told = check_results(white_box=white, black_box=black, accuracy=curve, examples=300)
    assert told.passed
    two = check_results(white_box=white, black_box=np.arange(300) < 102)
    assert not two.passed
    assert not check_results(accuracy={0.1: 100 / 300, 0.2: 102 / 300}, examples=300).passed


def test_no_results_are_no_findings():
    assert check_results().findings == ()


@pytest.mark.parametrize(
    ("white_box", "black_box", "message"),
    [
        (np.zeros(3, bool), None, "both"),
        (np.zeros(3, bool), np.zeros(4, bool), r"\(3,\).*\(4,\)"),
        (np.zeros(3), np.zeros(3, bool), "float64"),
        (np.zeros(0, bool), np.zeros(0, bool), "one bool"),
    ],
)
def test_bad_results_are_named(white_box, black_box, message):
    with pytest.raises(InputError, match=message):
        check_results(white_box=white_box, black_box=black_box)
