"""Finding the layout of every kernel: as the user names it, or else inferred.

Names are a mapping from regular expressions, which match whole paths, to layouts as they are
written in `rtickets.masks.layouts`: {'.*/attention/out/kernel': 'iio'}. What is not named is
inferred by `rtickets.masks.layout_inference`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rtickets.errors import InputError
from rtickets.masks.layout_inference import infer
from rtickets.masks.layouts import NOTATION, Layout, Layouts
from rtickets.masks.trees import Params, leaf_paths


def parse_names(entries: Iterable[str]) -> dict[str, str]:
    """Parse texts 'REGEX=LAYOUT', such as '.*/attention/out/kernel=iio': layouts by expression.

    Raises:
        InputError: for a text without '=', a bad expression or layout, or one that comes twice.
    """
    names: dict[str, str] = {}
    for entry in entries:
        expression, equals, roles = entry.rpartition("=")
        if not equals or expression in names:
            what = "names an expression again" if equals else "has no '='"
            raise InputError(f"layouts: {entry!r} {what}; write REGEX=LAYOUT, with {NOTATION}")
        names[expression] = roles
    _compile(names)
    return names


def resolve(
    shapes: Mapping[str, tuple[int, ...]],
    paths: Iterable[str],
    names: Mapping[str, str] | None = None,
) -> Layouts:
    """Return the layouts of kernels: as they are named, or else inferred.

    Args:
        shapes: shapes of all parameters by path, also of those that are no kernels.
        paths: the kernels.
        names: layouts by regular expressions that match whole paths.

    Returns:
        A layout per path of `paths`, None where it is unknown.

    Raises:
        InputError: for a bad expression or layout, an expression that matches nothing, or layouts
            that do not fit a kernel or each other.
    """
    paths = list(paths)
    given = named(shapes, paths, names or {})
    inferred = {path: None if path in given else infer(path, shapes) for path in paths}
    return {path: given.get(path) or _layout(inferred[path]) for path in paths}


def named(
    shapes: Mapping[str, tuple[int, ...]], paths: Iterable[str], names: Mapping[str, str]
) -> dict[str, Layout]:
    """Return the layouts of those of the kernels that are named; it takes what `resolve` takes."""
    given: dict[str, Layout] = {}
    for expression, layout in _compile(names).items():
        matched = [path for path in shapes if expression.fullmatch(path)]
        if not matched:
            raise InputError(
                f"layouts: {expression.pattern!r} matches none of the {len(shapes)} leaves, such "
                f"as {', '.join(list(shapes)[:3])}; it must match a whole path"
            )
        for path in matched:
            if given.setdefault(path, layout) != layout:
                raise InputError(
                    f"layouts: {path} is named both {given[path].roles!r} and {layout.roles!r}"
                )
    given = {path: given[path] for path in paths if path in given}
    for path, layout in given.items():
        if len(layout.roles) != len(shapes[path]):
            raise InputError(
                f"layouts: {layout.roles!r} does not fit {path} of shape {shapes[path]}; "
                f"write {NOTATION}"
            )
    return given


def names_in(
    meta: Mapping[str, Any], params: Params, paths: Iterable[str], entries: Iterable[str] = ()
) -> dict[str, str]:
    """Return the names of layouts that a ticket has, and those given now.

    Args:
        meta: the ticket's provenance, where names stand under 'layouts', one per leaf.
        params: its weights.
        paths: the kernels that names are given to.
        entries: texts as `parse_names` takes them; they come before those of the ticket.

    Returns:
        Names with an expression per leaf, for the provenance of the next ticket. Those of leaves
        that the weights lack are left out.

    Raises:
        InputError: for names that do not fit, or provenance that is damaged.
    """
    stored = meta.get("layouts", {})
    if not isinstance(stored, Mapping) or not all(isinstance(r, str) for r in stored.values()):
        raise InputError(f"the ticket is damaged: its layouts are {stored!r:.80}")
    shapes = {path: np.shape(leaf) for path, leaf in leaf_paths(params).items()}
    # What a ticket stores matches one leaf each, and may match none of these weights any more.
    kept = {re.escape(path): path for path in shapes if re.escape(path) in stored}
    given = named(shapes, paths, parse_names(entries))
    found = named(shapes, kept.values(), {name: stored[name] for name in kept}) | given
    return {re.escape(path): layout.roles for path, layout in found.items()}


def layouts_of(
    params: Params,
    paths: Iterable[str],
    names: Mapping[str, str] | None = None,
    needed_by: str | None = None,
) -> Layouts:
    """Do what `resolve` does for kernels among parameters, of which only shapes are read.

    Args:
        needed_by: see `require`; None where unknown layouts will do.
    """
    shapes = {path: np.shape(leaf) for path, leaf in leaf_paths(params).items()}
    layouts = resolve(shapes, paths, names)
    if needed_by is not None:
        require(layouts, shapes, needed_by)
    return layouts


def require(layouts: Layouts, shapes: Mapping[str, tuple[int, ...]], why: str) -> None:
    """Refuse kernels whose layout is unknown, naming the first, its shape and how to name a layout.

    Args:
        shapes: shapes of the kernels by path.
        why: what needs to know, such as "pattern='row'".
    """
    unknown = [path for path, layout in layouts.items() if layout is None]
    if unknown:
        raise InputError(
            f"{why} needs to know which axes of {unknown[0]}, of shape {shapes[unknown[0]]}, are "
            f"inputs and outputs{_and_more(unknown)}; name its layout, {NOTATION}: "
            f"layouts={{{re.escape(unknown[0])!r}: '...'}}, in a configuration "
            f"layouts=({re.escape(unknown[0]) + '=...'!r},); or exclude it"
        )


def _and_more(unknown: list[str]) -> str:
    return f" (and of {len(unknown) - 1} more)" if len(unknown) > 1 else ""


def _compile(names: Mapping[str, str]) -> dict[re.Pattern[str], Layout]:
    texts = [*names.keys(), *names.values()] if isinstance(names, Mapping) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"layouts={names!r:.80} names none; write {{REGEX: LAYOUT}}, with {NOTATION}"
        )
    compiled = {}
    for expression, roles in names.items():
        try:
            compiled[re.compile(expression)] = Layout(roles)
        except re.error as error:
            raise InputError(
                f"layouts: {expression!r} is not a regular expression: {error}"
            ) from None
    return compiled


def _layout(roles: str | None) -> Layout | None:
    return None if roles is None else Layout(roles)
