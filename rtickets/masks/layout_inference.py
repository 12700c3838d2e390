"""Which layout the kernel of one of linen's own layers has, told by its bias, name and shape.

A bias has the stack and output axes of its kernel, which tells most layers apart:

    Dense          (I, O), bias (O)
    Conv           (space..., I, O), bias (O); in a grouped one I are the inputs of a group
    ConvTranspose  the same, or (space..., O, I) with `transpose_kernel`
    DenseGeneral   (batch..., inputs..., outputs...), bias (batch..., outputs...); batch is a stack
    ConvLocal      (space..., I, O), bias (space..., O); every position is a layer, so a stack
    Einsum         as it says; bias of the output axes

and `nn.scan` and `nn.vmap` put an axis in front of both, unless told otherwise. Haiku's 'w' and 'b'
are like them; a 'weight' of two axes is known by its bias alone, any other not. The module's name
may tell the rest: the four projections of an attention, 'conv', 'dense'. Where more than one layer
fits, the layout is unknown. Without a bias two axes are taken for a dense kernel's, four for
a convolution's where the first two are a usual window, and other threes, fours and fives where name
and shape speak for it, unless something speaks against it.
"""

import itertools
import re
from collections.abc import Mapping, Sequence

_SPACE = ("", "w", "hw", "dhw")
_MOST = 5  # axes of a kernel
_WINDOWS = (1, 2, 3, 5, 7)  # sides of a square
Shapes = Mapping[str, tuple[int, ...]]


def infer(path: str, shapes: Shapes) -> str | None:
    """Return the layout of a kernel, a letter per axis, or None where it is unknown.

    Args:
        path: of the kernel.
        shapes: shapes of all parameters by path; () where a shape is not known, as in masks.
    """
    module, name, leaf = _parts(path)
    shape = shapes[path]
    if "weight" in leaf:
        return _of_weight(shape, shapes.get(module + leaf.replace("weight", "bias")))
    # A bias is as long as the outputs, so that it tells which axes these are.
    beside = "b" if leaf == "w" else leaf.replace("kernel", "bias")  # 'w' is Haiku's
    bias = shapes.get(module + beside) if beside != leaf else None
    if projection := _projection(path, shapes):
        fitting = ["s" * (len(shape) - 3) + projection]
    else:
        fitting = [roles for roles in _layouts(len(shape), name) if _may_be(roles, name)]
    if not bias:
        return _without_bias(path, fitting, shapes)
    fitting = [roles for roles in fitting if _kept(roles, shape, "so") == bias]
    turned = [roles for roles in fitting if roles.endswith("i")]
    straight = [roles for roles in fitting if roles not in turned]
    # With as many inputs as outputs only a name tells what is turned.
    return _only(straight if straight and not _may_turn(name) else straight + turned)


def _may_turn(name: str) -> bool:
    """Whether a name speaks of a layer whose kernel may have its outputs before its inputs."""
    return bool(re.search(r"einsum|transpose|deconv|(^|_)up", name))


def _parts(path: str) -> tuple[str, str, str]:
    """Split a path into its module, with a '/' at its end, the module's name, and the leaf's."""
    *module, leaf = path.split("/")
    return "".join(f"{part}/" for part in module), module[-1].lower() if module else "", leaf


def _of_weight(shape: tuple[int, ...], bias: tuple[int, ...] | None) -> str | None:
    """Return the layout of what Equinox and PyTorch have, with outputs first, and linen has not."""
    return _only(
        [roles for roles in ("io", "oi") if len(shape) == 2 and _kept(roles, shape, "o") == bias]
    )


def _layouts(rank: int, name: str) -> list[str]:
    """Return the layouts that a kernel of some axes may have in a module of some name."""
    if not 2 <= rank <= _MOST:
        return []
    found = []
    for stack, space, inputs, outputs in itertools.product(
        range(_MOST - 1), _SPACE, (1, 2), (1, 2)
    ):
        if stack + len(space) + inputs + outputs == rank and (not space or inputs == outputs == 1):
            found.append("s" * stack + space + "i" * inputs + "o" * outputs)
    single = [roles for roles in found if roles.count("i") == roles.count("o") == 1]
    if "einsum" in name:  # whose axes come in any order
        return found + [r.replace("i", "") + "i" * r.count("i") for r in found if "w" not in r]
    # Else nothing makes (copies, O, I) of a stack, but (I, copies, O) with I = O looks like it.
    turned = [roles for roles in single if "s" not in roles or "w" in roles]
    return found + [roles.removesuffix("io") + "oi" for roles in turned]


def _may_be(roles: str, name: str) -> bool:
    """Whether a module of this name may have kernels of this layout."""
    spatial = "w" in roles
    if len(roles) == 2:
        return True
    if "convlocal" in name:
        return roles.endswith("sio") and not spatial
    if "conv" in name:
        return spatial
    return not (spatial and ("dense" in name or "einsum" in name))


def _projection(path: str, shapes: Shapes) -> str | None:
    """Return the layout of a projection of an attention, which has four that fit each other."""
    module, name, leaf = _parts(path)
    names = ("query", "key", "value", "out")
    parent = module.removesuffix(f"{name}/")
    group = [shapes.get(f"{parent}{other}/{leaf}", ()) for other in names]
    query, key, value, out = group
    known = [shape for shape in group if shape]
    alike = len({len(shape) for shape in known}) == 1 and len({s[:-3] for s in known}) == 1
    heads = query[-2:] == key[-2:] and value[-2:] == out[-3:-1]
    if name not in names or len(shapes[path]) < 3 or len(known) < 4 or not (alike and heads):
        return None
    return "iio" if name == "out" else "ioo"


def _without_bias(path: str, fitting: list[str], shapes: Shapes) -> str | None:
    """Return the layout that is left, or that of the most usual layer with so many axes."""
    if len(fitting) == 1:
        return fitting[0]
    _, name, _ = _parts(path)
    rank = len(shapes[path])
    usual = _SPACE[rank - 2] + "io" if 2 <= rank <= _MOST else ""
    if usual not in fitting or _may_turn(name):
        return None
    if rank > 3 and _is_stacked(path, shapes):
        return None
    conv, normalised = "conv" in name, 1 in _scales(_around(path)[0], shapes)
    space = shapes[path][:-2]
    # Copies of a layer of fewer axes look like space, but hardly ever like a usual window, or like
    # a square or a cube under the name of a convolution. One copy is no matter.
    alike = len(set(space)) == 1
    thin = space[:1] == (1,) or (1 in space and normalised)
    sure = {
        2: True,
        3: conv,
        4: (alike and space[0] in _WINDOWS) or (conv and (alike or thin)),
        5: conv and alike and normalised,
    }
    return usual if sure[rank] else None


def _around(path: str) -> list[str]:
    """Return the modules around a kernel's own, the smallest first, with a '/' at their ends."""
    parts = _parts(path)[0].split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:n]) for n in range(len(parts) - 1, -1, -1)] or [
        ""
    ]


def _scales(module: str, shapes: Shapes) -> list[int]:
    """Return the ranks of the normalisation scales in a module and those in it."""
    inside = [other for other in shapes if other.startswith(module)]
    return [
        rank for other in inside if _parts(other)[2] == "scale" and (rank := len(shapes[other]))
    ]


def _is_stacked(path: str, shapes: Shapes) -> bool:
    """Whether names say so, or the scales of the smallest module around that has any.

    Scales without a stack say nothing of what lies in a smaller module than theirs.
    """
    if any(part.startswith(("Vmap", "Scan")) for part in path.split("/")):
        return True
    scales = next(filter(None, (_scales(each, shapes) for each in _around(path))), [])
    return bool(scales) and min(scales) > 1


def _kept(roles: str, shape: Sequence[int], letters: str) -> tuple[int, ...]:
    return tuple(n for n, role in zip(shape, roles, strict=True) if role in letters)


def _only(fitting: list[str]) -> str | None:
    return fitting[0] if len(fitting) == 1 else None
