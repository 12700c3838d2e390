"""The blocks of pages, fenced and indented, and the commands of a shell in them."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SITE = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "launch" / "README.md"]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in SITE}
SHELL = {"bash", "sh", "shell", "console"}
FENCE = re.compile(r"\s*```(\S*)")
# What the first line of an indented block of commands begins with.
BEGINS = re.compile(r"(\w+=\S|(sudo|rtickets|python|make|pip|taskset|mkdir|umask)\b)")


class Block(NamedTuple):
    """A block of a page.

    Attributes:
        line: number of its first line in the page.
        kind: the language of a fence, '' where it says none; 'indented' without fence.
        text: its lines, without what all of them are indented by.
    """

    line: int
    kind: str
    text: str

    @property
    def is_shell(self) -> bool:
        indented = self.kind == "indented" and BEGINS.match(self.text) is not None
        return indented or self.kind in SHELL


class Command(NamedTuple):
    """A command of a page, its lines joined where they go on, without comments."""

    page: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks of a page in order; an indented one begins after a blank line."""
    kind, begin, lines, before = None, 0, [], ""
    for number, line in enumerate([*text.splitlines(), ""], 1):
        fence = FENCE.match(line)
        if kind == "indented" and not line.startswith("    "):
            yield _block(begin, kind, lines)
            kind = None
        if fence and kind is None:
            kind, begin, lines = fence[1], number + 1, []
        elif fence:
            yield _block(begin, kind, lines)
            kind = None
        elif kind is None and line.startswith("    ") and line.strip() and not before.strip():
            kind, begin, lines = "indented", number, [line]
        elif kind is not None:
            lines.append(line)
        before = line


def _block(line: int, kind: str, lines: list[str]) -> Block:
    return Block(line, kind, textwrap.dedent("\n".join(lines)))


def commands_of(page: str) -> list[Command]:
    """Return the commands of a page; those of a quoted text over lines are one."""
    found = []
    for block in blocks_of(PAGES[page].read_text()):
        if block.is_shell:
            found += [Command(page, block.line + n, text) for n, text in _joined(block.text)]
    return found


def _joined(text: str) -> Iterator[tuple[int, str]]:
    whole, begin = "", 0
    for number, line in enumerate(text.splitlines()):
        whole, begin = (f"{whole}\n{line}", begin) if whole else (line, number)
        if whole.endswith("\\"):
            continue
        try:
            words = shlex.split(whole, comments=True)
        except ValueError:  # a quotation that is still open
            continue
        if words:
            yield begin, _without_comment(whole.replace("\\\n", " ")).strip()
        whole = ""
    assert not whole, f"this does not end: {whole}"


def _without_comment(text: str) -> str:
    return re.sub(r"(^|\s)#[^'\"]*$", "", text)


COMMANDS = {page: found for page in PAGES if (found := commands_of(page))}
