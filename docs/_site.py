"""What the site has beside the pages in this folder; `mkdocs.yml` names it as a hook.

Files of the repository that are pages too (README, CHANGELOG, launch/) are brought in, and so is
the reference, from docstrings, options, fields and configurations. Links may be written as they are
in the repository: they are turned into those of the site.
"""

import argparse
import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from rtickets import _HOMES, cli
from rtickets.cli.verb import Verb
from rtickets.settings import shipped_configs
from rtickets.settings.fields import fields_at

ROOT = Path(__file__).parents[1]
BROUGHT = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "launch/README.md": "launching.md",
}
FOLDERS = {  # pages in the place of folders that links name
    "docs/guides": "index.md",
    "docs/notebooks": "notebooks/quick_start.md",
    "docs/results": "experiments.md",
}
CONFIGURATIONS, FIELDS = "reference/configurations.md", "reference/fields"
SINGLE = ("errors",)  # modules that stand beside the rooms
NOT_FOR_USERS = {"cli", "configs", "__pycache__"}
BOOSTS = {"guides/": 4.0, "start": 4.0, "reference/": 0.25, "changelog": 0.5, "": 1.0}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
OPTION = re.compile(r"<code>(--[^<\s]{1,28})</code>")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages in the place of the folders that the menu names."""
    os.environ["COLUMNS"] = "98"  # of the help of commands
    config.nav = list(_menu(config.nav))
    return config


def _menu(entries: list[Any]) -> Iterator[Any]:
    for entry in entries:
        if not isinstance(entry, dict):
            yield entry
            continue
        ((title, value),) = entry.items()
        if isinstance(value, list):
            yield {title: list(_menu(value))}
        elif value == "reference/":
            yield {title: [{f"rtickets.{room}": _room_page(room)} for room in _rooms()]}
        elif value == f"{FIELDS}/":
            pages = [{name: f"{FIELDS}/{name}.md"} for name in _configured()]
            yield {title: [f"{FIELDS}.md", *pages]}
        elif value.endswith("/"):
            folder = ROOT / "docs" / value
            pages = sorted([*folder.glob("*.md"), *folder.glob("*.ipynb")])
            yield {title: [f"{value}{page.stem}.md" for page in pages]}
        else:
            yield entry


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are brought in and those that are made."""
    for source, page in BROUGHT.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=text))
    for page, text in _made().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links between files of the repository into links between pages.

    The search finds guides first and the reference, which is most of the site's words, last.
    """
    here = page.file.src_uri
    page.meta["search"] = {
        "boost": next(b for begins, b in BOOSTS.items() if here.startswith(begins))
    }
    source = next((s for s, brought in BROUGHT.items() if brought == here), f"docs/{here}")

    def turned(link: re.Match[str]) -> str:
        path, anchor = link[1], link[2] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place, made = _place(target)
        return posixpath.relpath(place, posixpath.dirname(here) or ".") + (made or anchor)

    parts = FENCED.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(turned, part) for part in parts)


def on_page_content(html: str, **_: Any) -> str:
    """Mark short options such as --workdir, which would break after a hyphen."""
    return OPTION.sub(r'<code class="option">\1</code>', html)


def _place(target: str) -> tuple[str, str]:
    """Return the page, and the anchor if the page is made, of a path of the repository."""
    if target in BROUGHT:
        return BROUGHT[target], ""
    if target.startswith("configs/"):
        name = target.removeprefix("configs/").removesuffix(".py")
        return CONFIGURATIONS, f"#{name.replace('/', '-')}"
    if target in FOLDERS:
        return FOLDERS[target], ""
    return target.removeprefix("docs/"), ""


def _made() -> dict[str, str]:
    """Return the text of every page that is made, by its path."""
    pages = {
        "reference/index.md": _public_names(),
        "reference/commands.md": _commands(),
        **_fields(),
        CONFIGURATIONS: _configurations(),
    }
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        pages[f"notebooks/{path.stem}.md"] = _notebook(path)
    return pages | {_room_page(room): _room(room) for room in _rooms()}


def _notebook(path: Path) -> str:
    """Return a notebook as a page: its text, its code, and what it printed and drew."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts += [_output(output) for output in cell.get("outputs", ())]
    parts.insert(1, f"[The notebook itself]({path.name})")
    return "\n\n".join(parts)


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if png := data.get("image/png"):
        return f"![What the cell drew](data:image/png;base64,{''.join(png).strip()})"
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```"


def _rooms() -> list[str]:
    package = ROOT / "rtickets"
    rooms = (path.parent.name for path in package.glob("*/__init__.py"))
    return sorted({*rooms, *SINGLE} - NOT_FOR_USERS)


def _room_page(room: str) -> str:
    return f"reference/{room}.md"


def _room(room: str) -> str:
    """Return the page of a room: every module of it, in order."""
    names = []
    alone = (ROOT / "rtickets").glob(f"{room}.py")
    for path in [*alone, *(ROOT / "rtickets" / room).rglob("*.py")]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        names.append(name.removesuffix(".__init__"))
    return "\n\n".join([f"# rtickets.{room}", *(f"::: {name}" for name in sorted(names))])


def _public_names() -> str:
    text = (
        "# What `import rtickets` offers\n\n"
        "Everything here works without a configuration, a run folder or the command line. The"
        " modules `attacks`, `criteria`, `data`, `draw`, `evaluation`, `masks`, `models` and"
        " `restoration` are in the menu, by room.\n"
    )
    named = (f"- [`rtickets.{name}`][{home}.{name}]" for name, home in sorted(_HOMES.items()))
    return "\n".join([text, *named])


def _commands() -> str:
    parts = [
        "# The command line",
        "Every verb, with what `--help` prints; fields of configurations are on"
        " [pages of their own](fields.md).",
    ]
    _, parsers = cli._parsers()
    for name, verb in cli.VERBS.items():
        parts += [f"## rtickets {name}", f"{verb.description[0].upper()}{verb.description[1:]}."]
        parts += [_help(parsers[name])]
        for action in parsers[name]._actions:
            if isinstance(action, argparse._SubParsersAction):
                parts += [_help(parser) for parser in action.choices.values()]
    return "\n\n".join(parts)


def _help(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```"


def _fields() -> dict[str, str]:
    """Return a page of every verb's fields, and one that leads to them."""
    parts = [
        "# Fields of configurations",
        "What `rtickets VERB --config.help` prints: `--config.FIELD=VALUE` sets a field.",
    ]
    pages = {}
    for name in _configured():
        verb, page = cli.VERBS[name], f"{FIELDS}/{name}.md"
        lines = list(_fields_of(verb))
        about = f"`rtickets {name}`, {verb.description}: `--config.FIELD=VALUE` sets a field."
        pages[page] = "\n\n".join([f"# Fields of {name}", about, "\n".join(lines)])
        link = f"[{len(lines):,} fields]({posixpath.basename(FIELDS)}/{name}.md)"
        parts += [
            f"## rtickets {name}",
            f"{verb.description[0].upper()}{verb.description[1:]}: {link}.",
        ]
    return {f"{FIELDS}.md": "\n\n".join(parts), **pages}


def _configured() -> list[str]:
    return [name for name, verb in cli.VERBS.items() if verb.config is not None]


def _fields_of(verb: Verb) -> Iterator[str]:
    assert verb.config is not None
    cls, default = verb.config()
    for field in fields_at(cls() if default is None else default, ""):
        value = field.value if isinstance(field.value, str) else repr(field.value)
        yield f"- `{field.path}={value}` `[{field.words}]`: {field.meaning}"


def _configurations() -> str:
    parts = [
        "# Configurations that come with the package",
        "`--config=NAME` runs one, `rtickets configs copy NAME` copies it to be changed.",
    ]
    for name in shipped_configs.names():
        text = shipped_configs.find(name).read_text("utf-8").rstrip()
        parts += [
            f"## {name} {{ #{name.replace('/', '-')} }}",
            shipped_configs.title(name),
            f"```python\n{text}\n```",
        ]
    return "\n\n".join(parts)
