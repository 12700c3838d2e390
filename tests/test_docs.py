"""What documentation and docstrings name is there: modules, files, links, commands, examples."""

import importlib
import re
import runpy
import shlex
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from rtickets import cli
from rtickets.cli.launch import check_launch_options
from rtickets.cli.verb import read_config

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "launch").glob("*.md")),
]
CODE = [
    path
    for folder in ("rtickets", "configs", "tests", "launch")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".sh", ".sbatch", ".yaml"} and path != Path(__file__)
]
HOUSE = runpy.run_path(str(Path(__file__).with_name("test_house.py")))
# Names and paths that stand for ones of the reader's own, or must not be there.
MADE_UP = {"rtickets.nothing", "configs/NAME.py", "rtickets/x"}
NAME = re.compile(r"(?<![\w./-])rtickets(?:\.[A-Za-z_]\w*)+")
UNKNOWN = {"--config=STUDY.py", "--config=FILE"}
IMPORT = re.compile(r"from (rtickets[\w.]*) import (\w+(?:, \w+)*)")
FOLDER = r"(?:docs|configs|tests|launch|rtickets|\.ci)"
PATH = re.compile(rf"(?<![\w./\\-])({FOLDER}/[\w./*-]*+)(?!{{)")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4,}(rtickets [a-z].*)$", re.MULTILINE)


def label(path):
    return path.relative_to(ROOT).as_posix()


def is_there(name):
    """Return whether a dotted name is a module, or what can be reached from one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def not_there(paths, find):
    """Return what is missing, by file."""
    found = {label(path): find(path) for path in paths}
    return {name: missing for name, missing in found.items() if missing}


def missing_names(path):
    text = path.read_text()
    names = {*NAME.findall(text)} - MADE_UP
    names |= {f"{home}.{name}" for home, ns in IMPORT.findall(text) for name in ns.split(", ")}
    return {n for n in names if not n.endswith((".cfg", ".slurm", ".ckpt")) and not is_there(n)}


def missing_paths(path):
    paths = {name.rstrip(".-") for name in PATH.findall(path.read_text())} - MADE_UP
    return {name for name in paths if not list(ROOT.glob(name))}


def missing_links(path):
    return {link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()}


def test_names_of_the_package_are_found():
    assert not_there([*PAGES, *CODE], missing_names) == {}


def test_paths_are_found():
    assert not_there([*PAGES, *CODE], missing_paths) == {}


def test_links_lead_somewhere():
    assert not_there(PAGES, missing_links) == {}


def joined(path):
    """Return the text of a page with lines that go on in the next as one."""
    return path.read_text().replace("\\\n", " ")


def lines_of_blocks(path):
    """Return the lines of the blocks of commands of a page."""
    blocks = [block for name, block in BLOCK.findall(joined(path)) if name == "bash"]
    return [line for line in "\n".join(blocks).splitlines() if line.split("#")[0].strip()]


def commands():
    """Yield (file, words) of the commands of all pages; README's have a test of their own."""
    for path in PAGES[1:]:
        for line in [*lines_of_blocks(path), *INDENTED.findall(joined(path))]:
            line = line.removeprefix("srun ").split(" > ")[0]
            if line.startswith("rtickets "):
                words = [word for word in shlex.split(line, comments=True) if word != "..."]
                if not UNKNOWN & {*words}:
                    yield label(path), words


def test_the_pages_have_no_other_commands_than_those_that_are_checked():
    """What the package has as optional parts is checked where its archives are."""
    known = ("rtickets ", "srun rtickets ", "sbatch ", "launch/tpu_pod.sh ", "pip install ")
    pages = [path for path in PAGES if path.parent.name != "launch"]  # scripts have their own tests
    assert (
        not_there(
            pages, lambda path: [one for one in lines_of_blocks(path) if not one.startswith(known)]
        )
        == {}
    )


@pytest.mark.parametrize(
    ("path", "words"),
    list(commands()),
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_commands_have_words_that_their_verb_knows(path, words, monkeypatch):
    monkeypatch.chdir(ROOT)
    ours, config_words = cli._split_config(words[1:])
    options = cli._parsers()[0].parse_args(ours)
    verb = cli.VERBS[options.verb]
    if verb.config is not None and config_words:
        read_config(verb, config_words)
    if options.verb == "study":
        check_launch_options(options)


def examples(page):
    return [text for name, text in BLOCK.findall((ROOT / page).read_text()) if name == "python"]


def test_the_examples_of_the_package_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = nn.Dense(3)
    x = jnp.linspace(0, 1, 64).reshape(4, 16)
    params = {"body": model.init(jax.random.key(0), x)["params"]}

    def logits_fn(images):
        return model.apply({"params": params["body"]}, images)

    names = {"params": params, "batch_stats": {}, "logits_fn": logits_fn, "x": x}
    names |= {"y": jnp.arange(4) % 3, "key": jax.random.key(1)}
    for block in examples("docs/package.md"):
        exec(compile(block, "package.md", "exec"), names)
    assert (tmp_path / "my-ticket" / "ticket.json").is_file()
    assert names["x_adv"].shape == x.shape


def test_the_example_of_the_layouts_page_runs():
    kernel = jax.random.normal(jax.random.key(0), (2, 4, 10))
    names = {"rtickets": importlib.import_module("rtickets")}
    names["params"] = {"moe": {"experts": {"kernel": kernel}}}
    (block,) = examples("docs/layouts.md")
    exec(compile(block, "layouts.md", "exec"), names)
    mask = names["mask"]["moe"]["experts"]["kernel"]
    assert mask.sum() == 2 * 4  # two of twenty channels of four inputs
    assert set(mask.sum(1).flat) == {0, 4}


def test_contributing_shows_the_rooms_in_the_order_of_their_floors():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    shown = [tuple(re.findall(r"`(\w+)`", row)) for row in rows]
    assert shown == list(HOUSE["FLOORS"])
