"""Layers with numbers of features of their own."""

import jax
import numpy as np
import pytest

from rtickets import models
from rtickets.config import ModelConfig
from rtickets.errors import InputError
from rtickets.models.widths import as_texts, read_widths, without_head
from rtickets.settings import config_files

SHAPE = (16, 16, 3)


def shapes(**settings):
    config = config_files.parse(ModelConfig, {"width": 1 / 16, **settings})
    model = models.from_config(config, 5)
    x = np.zeros((1, *SHAPE), np.float32)
    return jax.eval_shape(model.init, jax.random.key(0), x)["params"]


def test_a_layer_has_the_number_and_those_that_read_it_follow():
    found = shapes(widths=("stage1_block1/conv1=7",))
    assert found["stage1_block1"]["conv1"]["kernel"].shape == (3, 3, 4, 7)
    assert found["stage1_block1"]["norm1"]["scale"].shape == (7,)
    assert found["stage1_block1"]["conv2"]["kernel"].shape == (3, 3, 7, 4)


STREAMS = {  # layers that write to the sums of the first stage
    "resnet18": ("stem_conv", "stage1_block1/conv2", "stage1_block2/conv2"),
    "preact_resnet18": ("stem_conv", "stage1_block1/conv2", "stage1_block2/conv2"),
    "resnet50": ("stage1_block1/shortcut_conv", *(f"stage1_block{i}/conv3" for i in (1, 2, 3))),
    "wide_resnet40_2": (
        "stage1_block1/shortcut_conv", *(f"stage1_block{i}/conv2" for i in range(1, 7)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("arch", STREAMS)
def test_shortcuts_go_by_the_published_numbers(arch):
    plain = shapes(arch=arch)
    found = shapes(arch=arch, widths=tuple(f"{layer}=9" for layer in STREAMS[arch]))
    assert jax.tree.structure(found) == jax.tree.structure(plain)
    assert found["stage2_block1"]["shortcut_conv"]["kernel"].shape[2] == 9


def test_expansions_go_by_the_published_numbers():
    layers = ("stage2_block1/project_conv=5", "stage2_block2/project_conv=5")
    found = shapes(arch="efficientnet_lite0", widths=layers)
    plain = shapes(arch="efficientnet_lite0")["stage2_block2"]["expand_conv"]["kernel"].shape
    assert found["stage2_block2"]["expand_conv"]["kernel"].shape == (1, 1, 5, plain[-1])


@pytest.mark.parametrize("text", ["stem_conv", "stem_conv=0", "=4", "stem_conv=-1", "stem_conv=x"])
def test_other_texts_are_refused_by_name(text):
    with pytest.raises(InputError, match=f"widths.*{text}.*LAYER=N"):
        config_files.parse(ModelConfig, {"widths": (text,)})


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(InputError, match="stem_cnv"):
        shapes(widths=("stem_cnv=4",))
    with pytest.raises(InputError, match="twice"):
        read_widths(["a=1", "a=2"])


def test_texts_and_numbers_are_the_same():
    texts = ("head/dense1=4", "stem_conv=3")
    assert as_texts(dict(read_widths(texts))) == texts
    assert without_head(texts) == ("stem_conv=3",)
