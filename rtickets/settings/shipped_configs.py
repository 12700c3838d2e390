"""The configuration files that come with the package, found by name.

They are the folder `configs/` of the repository, to which `rtickets/configs` is a link there; an
installed package has the files themselves.
"""

import ast
import difflib
from pathlib import Path

from rtickets.errors import InputError

FOLDER = Path(__file__).parents[1] / "configs"


def names() -> list[str]:
    """Return the names of all files, such as 'studies/demo'."""
    paths = sorted(FOLDER.glob("*/*.py"))
    return [path.relative_to(FOLDER).with_suffix("").as_posix() for path in paths]


def find(name: str) -> Path:
    """Return the file of a name such as 'studies/demo'; 'configs/studies/demo.py' is the same.

    Raises:
        InputError: if there is none, with the close names.
    """
    short = name.removeprefix("configs/").removesuffix(".py")
    known = names()
    if short not in known:
        ends = [one for one in known if one.rpartition("/")[2] == short.rpartition("/")[2]]
        close = ends or difflib.get_close_matches(short, known, n=2)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise InputError(
            f"--config={name}: no such Python file, and none of that name comes with the "
            f"package{hint}; rtickets configs list shows those that do"
        )
    return FOLDER / f"{short}.py"


def title(name: str) -> str:
    """Return the first line of what a file says about itself."""
    text = ast.get_docstring(ast.parse(find(name).read_text("utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())
