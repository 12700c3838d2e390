"""Numbers with units as people read them; shares of a whole are those shown in percent."""

SHARE = "share"


def shown(value: float, unit: str, *, sign: bool = False) -> str:
    """Return a value without its unit, which the heading of its column says.

    It is percent with one digit of a share, else four significant digits. `sign` is for
    differences, whose plus is shown too.
    """
    plus = "+" if sign else ""
    if unit == SHARE:
        return f"{100 * value:{plus}.1f}"
    return f"{value:{plus}.4g}"


def said(value: float, unit: str) -> str:
    """Return a value with its unit."""
    return f"{shown(value, unit)}%" if unit == SHARE else f"{shown(value, unit)} {unit}".rstrip()


def headed(name: str, unit: str) -> str:
    """Return the heading of a column or axis of such values."""
    return f"{name} ({'%' if unit == SHARE else unit})" if unit else name


def worded(name: str, unit: str) -> str:
    """Return a name with its unit, in a sentence."""
    return f"{name} in {'%' if unit == SHARE else unit}" if unit else name


def scaled(value: float, unit: str) -> float:
    """Return a value as it is drawn on an axis with that heading."""
    return 100 * value if unit == SHARE else value
