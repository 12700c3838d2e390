import pytest

from rtickets.report.cells import direction, number, with_interval


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.912, None, "share"), "91.2"),
        ((1.0, 0.0, "share"), "100.0 ± 0.0"),
        ((0.9126, 0.0034, "share"), "91.3 ± 0.3"),
        ((0.9126, 0.0034, "kg"), "0.9126 ± 0.0034"),
        ((12345.6,), "1.235e+04"),
        ((None,), ""),
        ((None, 0.1, "share"), ""),
    ],
)
def test_numbers_by_their_unit(arguments, text):
    assert number(*arguments) == text


@pytest.mark.parametrize(("gain", "text"), [(0.012, "+1.2"), (-0.012, "-1.2")])
def test_differences_have_a_sign(gain, text):
    assert number(gain, None, "share", sign=True) == text
    assert number(gain, 0.005, "share", sign=True) == f"{text} ± 0.5"


def test_intervals_are_in_the_unit_of_the_value():
    found = {"value": 0.5, "low": 0.25, "high": 0.75}
    assert with_interval({**found, "unit": "share"}) == "50.0 [25.0, 75.0]"
    assert with_interval({**found, "unit": "nats"}) == "0.5 [0.25, 0.75]"
    assert with_interval(None) == ""


def test_what_has_no_direction_says_nothing():
    ways = [direction({"higher_is_better": each}) for each in (True, False, None)]
    assert ways == ["higher is better", "lower is better", ""]
