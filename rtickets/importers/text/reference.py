"""What an imported encoder computes, beside what the original does."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import models
from rtickets.data.limits import check_zip
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.errors import InputError
from rtickets.models.bert import PART, SEGMENT, TOKENS

TOLERANCE = 1e-4  # of the largest number, at least of 1


def compared(
    model: Any, params: Any, reference: Path | None, known: Vocabulary
) -> dict[str, Any] | None:
    """Return how far an encoder is from numbers in a file, None without one.

    The file is an .npz of `tokens` (N, L), optionally `part` and `segment`, and `hidden`
    (N, L, hidden), the last layer, or `logits`, what the head answers; padding does not count.

    Raises:
        InputError: if it is farther than `TOLERANCE`, or the file is none.
    """
    if reference is None:
        return None
    try:
        check_zip(reference)
        with reference.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tokens = arrays["tokens"].astype(np.int32)
            part = arrays.get("part", tokens != known.padding).astype(np.uint8)
            segment = arrays.get("segment", np.zeros_like(tokens)).astype(np.uint8)
            name = "logits" if "logits" in arrays else "hidden"
            theirs = arrays[name].astype(np.float32)
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(
            f"--reference={reference}: {error}; expected an .npz file with tokens (N, L) and "
            "logits or hidden"
        ) from None
    x = {TOKENS: jnp.asarray(tokens), PART: jnp.asarray(part), SEGMENT: jnp.asarray(segment)}
    ours = np.asarray(_answer(model, params, x, name))
    if ours.shape != theirs.shape:
        raise InputError(f"--reference={reference}: {name} {theirs.shape}, ours are {ours.shape}")
    if ours.shape[:2] == part.shape:
        ours, theirs = ours[part > 0], theirs[part > 0]
    difference, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    if not difference <= TOLERANCE * max(largest, 1.0):
        raise InputError(
            f"the imported network does not compute what {reference.name} says: {name} differ by "
            f"{difference:.3g} where the largest is {largest:.3g}; is it another network, or "
            "another number of heads (--heads)?"
        )
    return {"reference": reference.name, "of": name, "texts": len(tokens),
            "max_difference": difference, "largest": largest}  # fmt: skip


def _answer(model: Any, params: Any, x: Any, name: str) -> Any:
    if name == "logits":
        return jax.jit(lambda p: models.logits(model, p, {}, x))(params)
    return jax.jit(lambda p: list(models.features(model, p, {}, x)[0].levels.values())[-1])(params)
