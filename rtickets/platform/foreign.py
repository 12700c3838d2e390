"""What other libraries say when they fail, made fit to be told: a line, and no password in it."""

import os
import re

from rtickets.errors import printable

_USER = re.compile(r"(?<=://)[^/\s?#'\"]*@")
_QUERY = re.compile(
    r"([?&;][\w.-]*(?:token|signature|sig|secret|password|passwd|credential|key)=)[^&;\s'\"]+", re.I
)
_SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.I)
_LONG = 8  # characters of what can be a key and not a word


def without_secrets(text: str) -> str:
    """Return text with *** in the place of passwords and keys.

    These are users in addresses, parts of queries that are named so, and the values of variables of
    the environment that are.
    """
    text = _QUERY.sub(r"\1***", _USER.sub("***@", text))
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _LONG:
            text = text.replace(value, "***")
    return text


def as_line(error: Exception, longest: int = 300) -> str:
    """Return the kind of an error of another library, and what it says, in a line to be shown."""
    said = " ".join(str(error).split())
    return printable(without_secrets(f"{type(error).__name__}: {said}"), longest)
