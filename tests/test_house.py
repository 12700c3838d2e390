"""The house: what may import what, see CONTRIBUTING.md; no cycles, no large files, few rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "rtickets"
# A room may import from the groups above it, and from its own group where that makes no cycle.
FLOORS = (
    ("_version", "errors"),
    ("settings", "masks", "platform"),
    ("storage", "models", "attacks"),
    ("data",),
    ("tasks",),
    ("training", "evaluation", "tickets"),
    ("draw",),
    ("restoration",),
    ("runs",),
    ("costs",),
    ("stages", "report", "importers"),
    ("exporters",),
    ("config",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MOST_LINES, MOST_FOLDERS, MOST_FILES = 300, 20, 5
# The package's own name offers what users reach for, each imported when it is first used.
FACE = "rtickets"


def module_of(path: Path) -> str:
    name = ".".join(["rtickets", *path.relative_to(PACKAGE).with_suffix("").parts])
    return name.removesuffix(".__init__")


FILES = {
    module_of(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] != "configs"
}


def imports(module: str) -> Iterator[tuple[int, str]]:
    """Yield (line, module) for every import, also of those inside functions."""
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name in FILES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            for name in (f"{node.module}.{a.name}" for a in node.names):
                found = name if name in FILES else node.module
                if found in FILES:
                    yield node.lineno, str(found)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else FACE


def arrows() -> dict[tuple[str, str], list[str]]:
    """Return the imports from one room into another, as FILE:LINE module."""
    found: dict[tuple[str, str], list[str]] = {}
    for module, path in FILES.items():
        for line, other in imports(module):
            pair = room(module), room(other)
            if FACE not in pair and pair[0] != pair[1]:
                place = f"{path.relative_to(PACKAGE.parent)}:{line} {other}"
                found.setdefault(pair, []).append(place)
    return found


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return what is left of a graph when all that leads nowhere is taken out, again and again."""
    graph = {node: {n for n in others if n in graph} for node, others in graph.items()}
    while leaves := {node for node, others in graph.items() if not others}:
        graph = {node: others - leaves for node, others in graph.items() if node not in leaves}
    while roots := set(graph) - {other for others in graph.values() for other in others}:
        graph = {node: others for node, others in graph.items() if node not in roots}
    return [sorted(graph)] if graph else []


def test_every_room_has_a_floor():
    assert {room(module) for module in FILES} - {FACE} == set(FLOOR)


def test_imports_run_one_way():
    against = [
        f"{source} -> {target}: {place}"
        for (source, target), places in arrows().items()
        if FLOOR[source] < FLOOR[target]
        for place in places
    ]
    assert against == []


def test_rooms_of_one_floor_do_not_import_each_other_in_a_circle():
    graph = {name: {b for a, b in arrows() if a == name} for name in FLOOR}
    assert cycles(graph) == []


def test_no_module_imports_itself_over_others():
    graph = {m: {other for _, other in imports(m) if other != m} for m in FILES if m != FACE}
    assert cycles(graph) == []


def test_no_file_is_too_long_to_be_read():
    lengths = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def test_the_top_is_seen_at_a_glance():
    folders = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert len(folders) <= MOST_FOLDERS
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_FILES
