"""What a layer of BERT keeps for its gradients, as dry runs count it and as XLA plans it.

    python tests/speed/encoder_memory.py

A layer is the difference of encoders of two layers and of one, of 256 features and 4 heads, in
float32, with dropout, without an accelerator.
"""

import jax

from rtickets import models
from rtickets.config import EncoderConfig, ModelConfig
from rtickets.costs.network_costs import network_cost
from rtickets.models.calling import apply
from rtickets.models.heads.text import TextHead
from rtickets.models.inputs import Input

BATCH = 4


def inputs_of(length):
    return (
        Input("tokens", (length,), "int32"),
        Input("part", (length,), "uint8"),
        Input("segment", (length,), "uint8"),
    )


def config_of(layers):
    sizes = EncoderConfig(layers=layers, hidden=256, heads=4, vocabulary=500)
    return ModelConfig(arch="bert", encoder=sizes)


def planned(layers, length):
    """Return the bytes that XLA plans for what is neither given nor returned."""
    model = models.from_config(config_of(layers), 2, make_head=TextHead)
    x = models.placeholders(inputs_of(length), BATCH)
    params = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), BATCH))

    def loss(params, x, keys):
        return apply(model, params, {}, x, True, keys)[0].sum()

    program = jax.jit(jax.grad(loss)).lower(params, x, keys).compile()
    return program.memory_analysis().temp_size_in_bytes


def main():
    print("tokens  counted MiB  planned MiB  counted to planned")
    for length in (128, 512):
        costs = [network_cost(config_of(n), 2, inputs_of(length), TextHead) for n in (1, 2)]
        counted = BATCH * (costs[1].activations - costs[0].activations)
        plan = planned(2, length) - planned(1, length)
        print(f"{length:6}{counted / 2**20:13.2f}{plan / 2**20:13.2f}{counted / plan:20.3f}")


if __name__ == "__main__":
    main()
