"""Writes a network of ours as an ONNX graph, as exporters do."""

import jax
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from rtickets import models
from rtickets.importers import account, parity

ARCH, WIDTH, SIZE = "resnet18", 1 / 16, 16
STATISTICS = ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
EPSILON = 1e-3  # other than ours


class Writer:
    """Writes a network of ours as an ONNX graph."""

    def __init__(self, style, params, stats):
        self.style, self.params, self.stats = style, params, stats
        self.nodes, self.constants, self.count = [], [], 0
        self.caffe, self.kind = False, TensorProto.FLOAT

    def constant(self, array, dtype=np.float32):
        name = f"onnx::{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def add(self, kind, *inputs, **attributes):
        self.count += 1
        output = f"value{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def channels(self, values):
        return self.constant(np.asarray(values).reshape(1, -1, 1, 1))

    def layer(self, x, conv, stride=1, pad=1, place=None):
        params = self.params[place] if place else self.params
        stats = self.stats[place] if place else self.stats
        norm = conv.replace("conv", "norm")
        kernel = np.asarray(params[conv]["kernel"]).transpose(3, 2, 0, 1)
        scale, bias = (np.asarray(params[norm][name]) for name in ("scale", "bias"))
        mean, var = (np.asarray(stats[norm][name]) for name in ("mean", "var"))
        factor = scale / np.sqrt(var + 1e-5)
        options = {"strides": [stride] * 2, "pads": [pad] * 4}
        if self.style == "folded":
            parts = [kernel * factor[:, None, None, None], bias - mean * factor]
            return self.add("Conv", x, *map(self.constant, parts), **options)
        y = self.add("Conv", x, self.constant(kernel), **options)
        if self.style == "layers":
            values = [scale, bias, mean, var + 1e-5 - EPSILON]
            return self.add("BatchNormalization", y, *map(self.constant, values), epsilon=EPSILON)
        y = self.add("Cast", y, to=TensorProto.FLOAT)
        y = self.add("Sub", y, self.channels(mean))
        y = self.add("Mul", self.channels(factor), y)
        return self.add("Add", self.add("Identity", y), self.channels(bias))

    def block(self, x, place, stride):
        shortcut = x
        if "shortcut_conv" in self.params[place]:
            shortcut = self.layer(x, "shortcut_conv", stride, 0, place)
        if "conv3" in self.params[place]:
            first, second = (stride, 1) if self.caffe else (1, stride)
            y = self.add("Relu", self.layer(x, "conv1", first, 0, place))
            y = self.add("Relu", self.layer(y, "conv2", second, 1, place))
            y = self.layer(y, "conv3", 1, 0, place)
        else:
            y = self.add("Relu", self.layer(x, "conv1", stride, 1, place))
            y = self.layer(y, "conv2", 1, 1, place)
        order = (y, shortcut) if self.style == "folded" else (shortcut, y)
        return self.add("Relu", self.add("Add", *order))

    def features(self, x):
        return self.add("Flatten", self.add("GlobalAveragePool", x))

    def head(self, x):
        kernel, bias = (np.asarray(self.params["head"][name]) for name in ("kernel", "bias"))
        if self.style == "arithmetic":
            x = self.add("ReduceMean", x, axes=[2, 3], keepdims=0)
            y = self.add("Add", self.add("MatMul", x, self.constant(kernel)), self.constant(bias))
            return self.add("Softmax", y, axis=-1)
        x = self.add("Flatten", self.add("GlobalAveragePool", x))
        return self.add("Gemm", x, self.constant(kernel.T), self.constant(bias), transB=1)

    def write(self, path, normalise=False, last=False, stem_pad=1, scale=1.0):
        x = self.add("Transpose", "images", perm=[0, 3, 1, 2]) if last else "images"
        if self.kind == TensorProto.UINT8:
            x = self.add("Cast", x, to=TensorProto.FLOAT)
        if normalise:
            mean, std = (scale * np.array(part) for part in STATISTICS)
            x = self.add("Div", self.add("Sub", x, self.channels(mean)), self.channels(std))
        x = self.add("Relu", self.layer(x, "stem_conv", pad=stem_pad))
        for place in sorted(place for place in self.params if place.startswith("stage")):
            stride = 2 if place.endswith("_block1") and not place.startswith("stage1") else 1
            x = self.block(x, place, stride)
        output = self.head(x) if "head" in self.params else self.features(x)
        self.save(path, output, [None, SIZE, SIZE, 3] if last else [None, 3, SIZE, SIZE])
        return path

    def save(self, path, output, shape):
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("images", self.kind, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        opset = helper.make_opsetid("", 17)
        path.write_bytes(
            helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
        )


def random_network(arch=ARCH, width=WIDTH):
    """Return a network with random weights: (module, params, batch_stats)."""
    mean, std = STATISTICS
    model = models.build(arch, 5, width=width, stem="small", mean=mean, std=std)
    generator = np.random.default_rng(0)

    def draw(leaf):
        bound = (6 / np.prod(leaf.shape[:-1])) ** 0.5
        low, high = (-bound, bound) if leaf.ndim > 1 else (0.5, 1.0)
        return generator.uniform(low, high, leaf.shape).astype(np.float32)

    leaves = jax.tree.map(draw, account.template(model, 3))
    return model, leaves["params"], leaves["batch_stats"]


def expected(network):
    """Return its logits on the fixed images."""
    x = parity.fixed_images((SIZE, SIZE, 3))
    return np.asarray(parity._compiled(network[0])(*network[1:], x))
