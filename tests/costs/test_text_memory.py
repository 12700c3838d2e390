"""What a step on texts keeps in memory, counted by hand and as XLA plans it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtickets.config import (
    DataConfig,
    EncoderConfig,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
    TrainConfig,
)
from rtickets.costs import Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import cost_of, sizes_of
from rtickets.models.inputs import Input
from rtickets.tasks import MaskedTokens

pytest.importorskip("tokenizers")

WORDS, HIDDEN, HEADS, LAYERS = 4096, 768, 12, 12  # BERT-base with the package's vocabulary
INNER = 4 * HIDDEN
BASE = ModelConfig(arch="bert", encoder=EncoderConfig(vocabulary=WORDS))
ADAMW = OptimizerConfig(name="adamw", learning_rate=1e-4)


def kept_by_hand(length):
    """Return the bytes that the layers keep of a text for their gradients.

    Of every token: what comes in, query, key, value, what is seen, and what comes into the two
    maps, 1 + 3 + 1 + 1; of either normalisation what comes in, twice of its square, the difference
    from the mean and the factor, 4 each; in the inner features what comes into GELU, its two
    derivatives, and what comes out. Of every pair of tokens and head: the exponentials, the shares,
    what dropout leaves and its scale. What is dropped or hidden takes a byte.
    """
    tokens, pairs = length * HIDDEN, HEADS * length**2
    floats = (6 + 8) * tokens + 4 * length * INNER + 4 * pairs
    return LAYERS * (4 * floats + 2 * pairs + 2 * tokens)


def weights_by_hand(outputs):
    embeddings = (WORDS + 512 + 2) * HIDDEN + 2 * HIDDEN
    layer = 4 * (HIDDEN**2 + HIDDEN) + 2 * HIDDEN * INNER + INNER + HIDDEN + 4 * HIDDEN
    return embeddings + LAYERS * layer + HIDDEN**2 + HIDDEN + outputs * (HIDDEN + 1)


@pytest.mark.parametrize("length", [128, 512])
def test_memory_of_a_step_of_base_is_within_a_tenth_of_hand_counts(length):
    sizes = sizes_of(DataConfig("glosses_mini", text=TextConfig(length=length)))
    cost = cost_of(BASE, sizes)
    assert cost.weights == weights_by_hand(41)
    assert cost.activations == pytest.approx(kept_by_hand(length), rel=0.1)
    train = TrainConfig(optimizer=ADAMW, batch_size=32, duration="1ep")
    memory = estimate_training("step", sizes, BASE, train, 1).memory
    # weights, masked ones, gradients and two moments of AdamW
    by_hand = 4 * 5 * weights_by_hand(41) + 32 * kept_by_hand(length)
    images = memory.pop("images")
    assert sum(memory.values()) == pytest.approx(by_hand, rel=0.1)
    assert images == (sizes.train + 32) * length * (4 + 1 + 1)


def test_the_loss_over_the_vocabulary_counts():
    data = DataConfig("glosses_mini", text=TextConfig(length=128), task=MaskedTokens())
    sizes = sizes_of(data)
    with_loss, without = (cost_of(BASE, each) for each in (sizes, sizes._replace(asked=None)))
    assert with_loss.activations - without.activations == pytest.approx(4 * 128 * WORDS, rel=0.01)
    head = 128 * (4 * 4 + 4 * 2) * HIDDEN
    expected = kept_by_hand(128) + head + 4 * 128 * WORDS
    assert with_loss.activations == pytest.approx(expected, rel=0.1)


def test_a_ticket_of_longer_texts_is_estimated_on_those_of_the_data():
    inputs = tuple(Input(name, (512,), "int32") for name in ("tokens", "part", "segment"))
    setting = Setting(BASE, None, inputs)
    data = DataConfig("glosses_mini", text=TextConfig(length=32))
    assert setting.task_of(data).shape == (32,)
    assert setting.task_of(DataConfig("digits")).shape == (8, 8, 1)


@pytest.mark.slow
def test_what_xla_plans_for_a_layer_is_within_a_tenth():
    script = Path(__file__).parents[1] / "speed" / "encoder_memory.py"
    quick = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    found = subprocess.run(
        [sys.executable, str(script)], check=True, capture_output=True, text=True, env=quick
    )
    ratios = [float(line.split()[-1]) for line in found.stdout.splitlines()[1:]]
    assert len(ratios) == 2
    assert ratios == pytest.approx([1, 1], abs=0.1)
