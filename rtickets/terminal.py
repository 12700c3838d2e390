"""Text of others on a terminal: names come from files, and a file may come from anybody.

Class names, paths, names of tensors and labels of attacks may hold escape sequences that rewrite
what a terminal shows, line breaks that forge a second line, signs that turn the direction of text,
and bytes that are no text at all. Every `InputError` and every line of progress passes through
`printable`; a name that is printed elsewhere does so on its own.
"""

import io
import sys

_UNDECODABLE = range(0xDC80, 0xDD00)  # what Python makes of bytes of names that are no text


def printable(text: object, longest: int | None = None) -> str:
    r"""Return text as it can be shown in one line.

    Args:
        text: anything; what is no text is shown as `str` has it.
        longest: how many characters are shown; the middle of a longer text is left out.

    Returns:
        The text, with an escape such as \x1b, \n or \u202e for every character that moves, hides
        or ends something; what was made printable before stays as it is.
    """
    shown = str(text)
    if longest is not None and len(shown) > longest:
        half = max((longest - 5) // 2, 0)
        shown = f"{shown[:half]} ... {shown[len(shown) - half :]}"
    return shown if shown.isprintable() else "".join(map(_printable, shown))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if ord(character) in _UNDECODABLE:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def show(text: object) -> None:
    """Print text in one line on standard output."""
    print(printable(text))


def never_fail_to_print() -> None:
    """Let standard output escape what its encoding lacks, as standard error does by itself."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
