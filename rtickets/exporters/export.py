"""Tickets as files that other programs run, each checked against the ticket's own answers."""

import importlib.util
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load, save

from rtickets import data, masks, models
from rtickets._version import __version__
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.exporters import torch_names
from rtickets.exporters.onnx_graph import make_onnx
from rtickets.exporters.repeated import without_repeated
from rtickets.storage.files import write_bytes, write_json
from rtickets.storage.temporary import temporary_name
from rtickets.tickets.compaction.network import HEAD, check_weights, network_of, variables_of
from rtickets.tickets.compaction.trace import plainly
from rtickets.tickets.ticket import Ticket

_IMAGES = 8  # that answers are compared on
_ROUNDING = 1e-4  # of the largest answer
_SAME = 1e-6  # of the largest answer: what float32 makes of equal answers
_PLATFORMS = ("cpu", "cuda", "tpu")

Run = Callable[[np.ndarray], list[np.ndarray]]
"""Images (N, H, W, C) in [0, 1] -> outputs, by what was written alone."""


class Written(NamedTuple):
    """What an export is.

    Attributes:
        name: of its file.
        contents: of it.
        run: calls it, as far as can be without its own program.
        checked_by: what `run` is.
        about: what export.json says of it.
    """

    name: str
    contents: bytes
    run: Run
    checked_by: str
    about: Mapping[str, Any]


class _Subject(NamedTuple):
    """A ticket as a network that is called with images."""

    ticket: Ticket
    model: models.Model
    answer: Callable[[Any], Any]
    shape: tuple[int, int, int]


def _stablehlo(subject: _Subject) -> Written:
    if importlib.util.find_spec("flatbuffers") is None:
        raise InputError(
            "StableHLO needs the package flatbuffers; pip install 'rtickets[export]', or choose "
            "another format"
        )
    (count,) = jax.export.symbolic_shape("b")
    given = jax.ShapeDtypeStruct((count, *subject.shape), jnp.float32)
    with nn.intercept_methods(plainly):
        answer = jax.jit(without_repeated(subject.answer))
        made = jax.export.export(answer, platforms=_PLATFORMS)(given)
    contents = bytes(made.serialize())
    call = jax.export.deserialize(bytearray(contents)).call
    about = {"platforms": list(_PLATFORMS), "pixels": "in [0, 1]; normalised inside"}
    return Written("model.stablehlo", contents, lambda x: _arrays(call(x)), "jax.export", about)


def _onnx(subject: _Subject) -> Written:
    with nn.intercept_methods(plainly):
        model = make_onnx(subject.answer, subject.shape)
    contents = model.SerializeToString()
    run, by = _onnx_runner(model, contents)
    about = {"input": "image", "pixels": "in [0, 1], NHWC; normalised inside"}
    return Written("model.onnx", contents, run, by, about)


def _onnx_runner(model: Any, contents: bytes) -> tuple[Run, str]:
    """Return what runs a model: onnxruntime where it is installed."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        slow = ReferenceEvaluator(model)
        return lambda x: _arrays(tuple(slow.run(None, {"image": x}))), "onnx.reference"

    def run(x: np.ndarray) -> list[np.ndarray]:
        try:
            session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
            return _arrays(tuple(session.run(None, {"image": x})))
        except Exception as error:  # its classes have no base of their own
            raise InputError(
                f"onnxruntime does not run what was written: {str(error).splitlines()[0]}; choose "
                "another format"
            ) from error

    return run, "onnxruntime"


def _torch(names: str, subject: _Subject) -> Written:
    ticket, model = subject.ticket, subject.model
    if HEAD not in ticket.params:
        raise InputError(f"format={names!r}: the ticket is a backbone without a head; transfer it")
    layout = torch_names.layout_for(model, names)
    tensors = torch_names.state_dict(ticket, layout)
    contents = save(tensors, metadata={"format": "pt"})

    def run(x: np.ndarray) -> list[np.ndarray]:
        weights = torch_names.from_state_dict(model, load(contents), layout, subject.shape[-1])
        return _arrays(models.logits(model, *weights, jnp.asarray(x)))

    config, theirs = ticket.meta["model"], {}
    if names == "huggingface" and isinstance(model, models.ResNet):
        theirs = {"config": torch_names.config_for(model)}
    about = {
        "names": names, "architecture": config["arch"], "stem": config.get("stem"),
        "widths": list(config.get("widths", ())),
        **theirs,
        "pixels": "subtract mean and divide by std first; NCHW",
        "masks": sorted(name for name in tensors if name.endswith("_mask")),
    }  # fmt: skip
    return Written("model.safetensors", contents, run, "the names and axes read back", about)


FORMATS: dict[str, Callable[[_Subject], Written]] = {
    "stablehlo": _stablehlo,
    "onnx": _onnx,
    **{names: partial(_torch, names) for names in ("torchvision", "timm", "huggingface")},
}
"""What a ticket can be exported to, by name."""


def export(ticket: Ticket, folder: Path, form: str) -> dict[str, Any]:
    """Write a ticket as a file that other programs run, and export.json, which tells of it.

    Args:
        ticket: a network of images.
        folder: a new one.
        form: one of `FORMATS`.

    Returns:
        What export.json says: how far answers are apart on real images, and whether they are the
        same for all of these, `constant`, among others.

    Raises:
        InputError: if the format is unknown or does not have the network, the folder is there,
            weights are not those of the network, or what was written answers differently.
    """
    if form not in FORMATS:
        raise InputError(f"format={form!r} is unknown; choose one of {', '.join(FORMATS)}")
    if folder.exists():
        raise InputError(f"{folder} exists; choose another folder")
    subject = _subject(ticket)
    written = FORMATS[form](subject)
    images = real_images(subject.shape)
    compared = _compared(form, _arrays(subject.answer(images)), written.run(images))
    meta = ticket.meta
    said = {
        "format": form, "file": written.name, "exporter": f"rtickets {__version__}",
        "image_shape": list(subject.shape), "mean": list(meta["mean"]), "std": list(meta["std"]),
        **({"class_names": list(meta["class_names"])} if "class_names" in meta else {}),
        **written.about, "bytes": len(written.contents), "checked_by": written.checked_by,
        "images": len(images), **compared,
    }  # fmt: skip
    temporary = temporary_name(folder)
    try:
        temporary.mkdir(parents=True)
        write_bytes(temporary / written.name, written.contents)
        write_json(temporary / "export.json", said)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return said


def _compared(form: str, expected: list[Any], found: list[Any]) -> dict[str, Any]:
    """Return how far answers are apart, those that differ being refused."""
    shapes = [[each.shape for each in answers] for answers in (expected, found)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"what was written as {form} would answer arrays of {shapes[1]} where the ticket "
            f"answers {shapes[0]}; nothing was written, choose another format"
        )
    apart = max(float(abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    largest = max(float(abs(a).max()) for a in expected)
    spread = max(float(np.ptp(a, axis=0).max()) for a in expected)
    if not apart <= _ROUNDING * max(largest, 1e-30):
        raise InputError(
            f"what was written as {form} would answer differently, by {apart:.3g} where the "
            f"largest answer is {largest:.3g}; nothing was written"
        )
    return {
        "max_difference": apart, "largest_answer": largest, "constant": spread <= _SAME * largest,
    }  # fmt: skip


def _subject(ticket: Ticket) -> _Subject:
    model, answers, inputs = network_of(ticket.meta, HEAD in ticket.params)
    if len(inputs) > 1 or len(inputs[0].shape) != 3:
        shown = ", ".join(map(str, inputs))
        raise InputError(f"the network takes {shown}; networks of images alone are exported")
    check_weights(model, inputs, ticket.params, ticket.batch_stats)
    params = jax.device_get(masks.apply(ticket.mask, ticket.params))
    variables = variables_of(params, ticket.batch_stats)
    height, width, channels = inputs[0].shape
    return _Subject(ticket, model, partial(answers, model, variables), (height, width, channels))


def real_images(shape: tuple[int, int, int]) -> np.ndarray:
    """Return photographs (8, *shape) in [0, 1]: those that are part of the package, resized."""
    split = data.load(DataConfig(source="fashion_mini"), 0).test
    images = np.asarray(split.take(np.arange(_IMAGES)).decoded()["image"], np.float32) / 255
    spread = np.broadcast_to(images.mean(-1, keepdims=True), (*images.shape[:3], shape[-1]))
    resized = jax.image.resize(jnp.asarray(spread), (_IMAGES, *shape), "bilinear")
    return np.clip(np.asarray(resized), 0, 1)


def _arrays(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(outputs)]
