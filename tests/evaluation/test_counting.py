"""What adds up over examples: of examples that fill no batch, of any size of outputs, anywhere."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import evaluation
from rtickets.data.images.augment import Transform
from rtickets.evaluation.counting import Judged, count, count_and_keep, together
from rtickets.evaluation.predict import answers
from rtickets.platform import parallel
from rtickets.tasks import Classification


@dataclass(frozen=True)
class Odd:
    """Sums of every kind, of what examples that fill up would change."""

    def sums(self, outputs, batch):
        confusion = jnp.zeros((3, 3), jnp.int32).at[batch["label"] % 3, outputs.argmax(-1) % 3]
        return {
            "confusion": confusion.add(1),
            "largest": outputs.max(-1).sum(),
            "examples": len(outputs),
            "bright": batch["image"].mean((1, 2, 3)) > 0.5,
            "nothing to divide by": jnp.where(batch["image"].sum() > 0, 1.0, jnp.nan)[None],
        }

    def listed(self, outputs, batch):
        return {"logits": outputs[:, :2], "label": batch["label"]}


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("batch_size", [5, 48, 64])
def test_sums_are_those_of_all_examples_once(tiny, devices, batch_size):
    network = evaluation.Network(tiny.model, tiny.params, tiny.batch_stats)
    examples = evaluation.on_devices(tiny.split, Transform(), parallel.local_devices(devices))
    task = Classification(metric="balanced")
    (found, own), (right, rest) = count_and_keep(
        network, examples, (Odd(), task), Judged(), batch_size=batch_size
    )
    outputs, batch = answers(network, examples, batch_size=48, keep_inputs=True)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (batch["label"] % 3, outputs.argmax(-1) % 3), 1)
    np.testing.assert_array_equal(found["confusion"], expected)
    assert found["confusion"].dtype == np.int64
    assert found["largest"] == pytest.approx(outputs.max(-1).sum(), rel=1e-5)
    assert found["examples"] == len(tiny.split)
    assert found["bright"] == (batch["image"].mean((1, 2, 3)) > 0.5).sum()
    assert found["nothing to divide by"] == [len(tiny.split)]
    np.testing.assert_array_equal(found["listed"]["label"], batch["label"])
    np.testing.assert_allclose(found["listed"]["logits"], outputs[:, :2], rtol=1e-5, atol=1e-6)
    assert "listed" not in own
    np.testing.assert_array_equal(right, outputs.argmax(-1) == batch["label"])
    np.testing.assert_array_equal(rest["label"], batch["label"])
    assert own["correct"] == right.sum()
    np.testing.assert_array_equal(own["examples_by_class"], np.bincount(batch["label"]))


def test_some_of_the_examples_are_counted(tiny):
    network = evaluation.Network(tiny.model, tiny.params, tiny.batch_stats)
    examples = evaluation.on_devices(tiny.split, Transform(), parallel.local_devices(1))
    task = Classification(metric="balanced")
    (found,) = count(network, examples, task, chosen=np.arange(3, 10), batch_size=4)
    assert found["examples"] == 7
    expected = np.bincount(tiny.split.labels[3:10], minlength=3)
    np.testing.assert_array_equal(found["examples_by_class"], expected)


def test_parts_of_a_split_give_what_the_whole_gives(tiny):
    network = evaluation.Network(tiny.model, tiny.params, tiny.batch_stats)
    examples = evaluation.on_devices(tiny.split, Transform(), parallel.local_devices(1))

    def of(*places):
        return count(network, examples, Odd(), chosen=np.arange(*places), batch_size=8)[0]

    whole, parts = of(20), together(of(13), of(13, 20))
    assert set(parts) == set(whole)
    for name in ("confusion", "examples", "largest"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-6)
    np.testing.assert_array_equal(parts["listed"]["label"], whole["listed"]["label"])
