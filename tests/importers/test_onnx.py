"""ONNX residual networks, written as exporters do: with normalisation layers, folded, spelt out."""

import runpy
from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets import models
from rtickets.errors import InputError
from rtickets.importers import Options, import_checkpoint, onnx_graph
from rtickets.importers.onnx_files import read_onnx
from rtickets.importers.onnx_run import evaluate

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

WRITER = runpy.run_path(str(Path(__file__).with_name("onnx_writer.py")))
ARCH, SIZE, STATISTICS = WRITER["ARCH"], WRITER["SIZE"], WRITER["STATISTICS"]
Writer, expected, random_network = (
    WRITER[name] for name in ("Writer", "expected", "random_network")
)


@pytest.fixture(scope="module")
def network():
    return random_network()


@pytest.mark.parametrize("style", ["layers", "folded", "arithmetic"])
@pytest.mark.parametrize("last", [False, True])
def test_a_graph_becomes_the_network_it_was(tmp_path, network, style, last):
    writer = Writer(style, *network[1:])
    path = writer.write(tmp_path / "x.onnx", normalise=last, last=last)
    options = Options() if last else Options(statistics=STATISTICS)
    ticket, report = import_checkpoint(path, ARCH, options)
    np.testing.assert_allclose(
        np.array(report["fixed_logits"]), expected(network)[:, :5], rtol=1e-4, atol=1e-4
    )
    assert report["parity"]["reference"] == "the file's own graph"
    assert report["parity"]["max_difference"] < 1e-4
    assert ticket.meta["image_shape"] == [SIZE, SIZE, 3]
    assert ticket.meta["mean"] == pytest.approx(STATISTICS[0])
    assert ticket.meta["std"] == pytest.approx(STATISTICS[1])
    used, outside = report["tensors"]["used"], report["tensors"]["outside"]
    assert sorted([*used, *outside]) == sorted(tensor.name for tensor in writer.constants)
    assert (outside, report["tensors"]["never_read"]) == ([], [])
    assert len(report["tensors"]["folded"]) == (0 if style == "layers" else 20)


def test_normalisation_layers_keep_their_statistics(tmp_path, network):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    ticket, _ = import_checkpoint(path, ARCH, Options(statistics=STATISTICS))
    for ours, theirs in zip(
        jax.tree.leaves((ticket.params, ticket.batch_stats)),
        jax.tree.leaves(network[1:]),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_network_that_takes_blue_first_is_turned_round(tmp_path, network):
    _, params, stats = network
    stem = {"kernel": params["stem_conv"]["kernel"][:, :, ::-1]}
    path = Writer("layers", {**params, "stem_conv": stem}, stats).write(tmp_path / "x.onnx")
    ticket, report = import_checkpoint(path, ARCH, Options(statistics=STATISTICS, bgr=True))
    np.testing.assert_array_equal(
        ticket.params["stem_conv"]["kernel"], params["stem_conv"]["kernel"]
    )
    np.testing.assert_allclose(report["fixed_logits"], expected(network), rtol=1e-4, atol=1e-4)


def test_a_graph_that_computes_something_else_is_refused(tmp_path, network):
    class Strided(Writer):
        def block(self, x, place, stride):
            return super().block(x, place, 1 if place == "stage4_block1" else stride)

    path = Strided("layers", *network[1:]).write(tmp_path / "x.onnx")
    with pytest.raises(InputError, match=r"not compute .*own graph"):
        import_checkpoint(path, ARCH, Options(statistics=STATISTICS))


def test_a_graph_for_one_image_at_a_time_is_evaluated(tmp_path, network):
    class Fixed(Writer):
        def head(self, x):
            kernel, bias = (np.asarray(self.params["head"][name]) for name in ("kernel", "bias"))
            one_row = self.constant([1, -1], np.int64)
            x = self.add("Reshape", self.add("GlobalAveragePool", x), one_row)
            return self.add("Gemm", x, self.constant(kernel), self.constant(bias))

        def save(self, path, output, shape):
            super().save(path, output, [1, *shape[1:]])

    path = Fixed("folded", *network[1:]).write(tmp_path / "x.onnx")
    _, report = import_checkpoint(path, ARCH, Options(statistics=STATISTICS))
    np.testing.assert_allclose(report["fixed_logits"], expected(network), rtol=1e-4, atol=1e-4)
    assert report["parity"]["images"] == 2


def test_another_number_of_blocks_is_refused(tmp_path, network):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    with pytest.raises(InputError, match=r"8 residual blocks.* 16"):
        import_checkpoint(path, "resnet34")
    with pytest.raises(InputError, match="--arch=resnet"):
        import_checkpoint(path, "efficientnet_lite0")


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "message"),
    [
        ("Sigmoid", ["images"], {}, "operation Sigmoid"),
        ("Clip", ["images"], {}, "clips activations"),
        ("Mul", ["images", "images"], {}, "Mul of two activations"),
        ("Loop", ["images"], {}, "operation Loop"),
    ],
)
def test_operations_of_other_networks_are_refused(tmp_path, kind, inputs, attributes, message):
    path = tmp_path / "x.onnx"
    writer = Writer("layers", {}, {})
    output = writer.add(kind, *inputs, **attributes)
    writer.save(path, output, [None, 3, SIZE, SIZE])
    with pytest.raises(InputError, match=message):
        import_checkpoint(path, ARCH)


def test_a_damaged_file_or_weights_elsewhere_are_refused(tmp_path, network):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    data = path.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"x\.onnx"):
            import_checkpoint(path, ARCH)
    model = onnx.load_model_from_string(data)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="other files"):
        import_checkpoint(path, ARCH)


def no_output(model):
    del model.graph.output[:]


def no_kernel(model):
    del model.graph.node[0].input[1:]


def other_dims(model):
    model.graph.initializer[0].dims[0] = 10**9


def no_type(model):
    model.graph.initializer[0].data_type = 0


def wrong_padding(model):
    first = model.graph.node[0]
    first.attribute[0].CopyFrom(helper.make_attribute("pads", 1.5))


@pytest.mark.parametrize("damage", [no_output, no_kernel, other_dims, no_type, wrong_padding])
def test_a_damaged_graph_is_named(tmp_path, network, damage):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    model = onnx.load_model_from_string(path.read_bytes())
    damage(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="damaged ONNX file: ") as caught:
        import_checkpoint(path, ARCH)
    assert "\n" not in str(caught.value)


def test_flipped_bytes_are_errors_or_other_values_but_never_a_crash(tmp_path, network):
    path = Writer("arithmetic", *network[1:]).write(tmp_path / "x.onnx", normalise=True, last=True)
    data, model = path.read_bytes(), models.build(ARCH, 5)
    generator = np.random.default_rng(0)
    refused = 0
    for position in generator.choice(len(data), 200, replace=False):
        damaged = bytearray(data)
        damaged[position] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_onnx(path, model)
        except InputError:
            refused += 1
    assert 0 < refused < 200


@pytest.mark.parametrize("kind", ["Tile", "Expand", "Range", "Loop", "If", "RandomNormal"])
def test_operations_on_constants_are_those_on_shapes_alone(tmp_path, kind):
    writer = Writer("layers", {}, {})
    inputs = () if kind == "RandomNormal" else (writer.constant([20_000, 20_000], np.int64),)
    writer.add(kind, *inputs)
    path = tmp_path / "x.onnx"
    writer.save(path, writer.add("Relu", "images"), [None, 3, SIZE, SIZE])
    with pytest.raises(InputError, match=f"operation {kind} .*constants"):
        import_checkpoint(path, ARCH)


def filled(writer, x):
    writer.add("ConstantOfShape", writer.constant([20_000, 20_000], np.int64))
    return x


def doubled(writer, x):
    value = writer.constant(np.zeros(8))
    for _ in range(30):
        value = writer.add("Concat", value, value, axis=0)
    return x


def outer_sum(writer, x):
    row, column = writer.constant(np.zeros((1, 9000))), writer.constant(np.zeros((9000, 1)))
    writer.add("Add", row, column)
    return x


def outer_gather(writer, x):
    table = writer.constant(np.zeros((1, 9000)))
    writer.add("Gather", table, writer.constant(np.zeros(9000), np.int64), axis=0)
    return x


def padded(writer, x):
    return writer.add("Pad", x, writer.constant([0, 0, 10**9, 0] * 2, np.int64))


def padded_again_and_again(writer, x):
    for _ in range(100):
        x = writer.add("Pad", x, writer.constant([0, 0, 60, 60] * 2, np.int64))
    return x


class Grown(Writer):
    """Writes a network that makes more of its images before anything else."""

    grow = None

    def layer(self, x, conv, stride=1, pad=1, place=None):
        if conv == "stem_conv":
            x = Grown.grow(self, x)
        return super().layer(x, conv, stride, pad, place)


@pytest.mark.parametrize(
    ("grow", "kind"),
    [
        (filled, "ConstantOfShape"), (doubled, "Concat"), (outer_sum, "Add"),
        (outer_gather, "Gather"), (padded, "Pad"), (padded_again_and_again, "Pad"),
    ],
)  # fmt: skip
def test_what_a_graph_makes_of_little_is_bounded(tmp_path, network, monkeypatch, grow, kind):
    monkeypatch.setattr(Grown, "grow", grow)
    path = Grown("layers", *network[1:]).write(tmp_path / "x.onnx")
    message = f"makes [0-9,]+ numbers by {kind}, more than any network of ours"
    with pytest.raises(InputError, match=message):
        import_checkpoint(path, ARCH)


def test_a_convolution_with_too_many_outputs_is_not_run(tmp_path, network):
    loaded = onnx_graph.load(Writer("layers", *network[1:]).write(tmp_path / "x.onnx"))
    loaded.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.zeros((10**6, 3, 1, 1), np.float32), "onnx::0")
    )
    x = np.zeros((1, 3, SIZE, SIZE), np.float32)
    with pytest.raises(InputError, match=r"324,000,000 .*Conv"):
        evaluate(loaded, onnx_graph.follow(loaded), x)


def test_windows_of_many_pixels_are_refused(tmp_path):
    writer, path = Writer("layers", {}, {}), tmp_path / "x.onnx"
    x = writer.add("MaxPool", "images", kernel_shape=[10**6] * 2)
    writer.save(path, writer.add("Relu", x), [None, 3, SIZE, SIZE])
    with pytest.raises(InputError, match=r"MaxPool .*64 pixels"):
        import_checkpoint(path, ARCH)


@pytest.mark.parametrize("size", [0, -1, 10**6])
def test_images_of_absurd_sizes_are_refused(tmp_path, network, size):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    model = onnx.load_model_from_string(path.read_bytes())
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = size
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=f"{size} pixels"):
        import_checkpoint(path, ARCH)


def test_code_of_a_file_and_weights_in_others_are_refused(tmp_path, network):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    data = path.read_bytes()
    model = onnx.load_model_from_string(data)
    model.graph.node[1].domain = "my.own"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="operations"):
        import_checkpoint(path, ARCH)
    model = onnx.load_model_from_string(data)
    tensor = numpy_helper.from_array(np.zeros(2, np.float32))
    tensor.external_data.add(key="location", value="../../etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="other files"):
        import_checkpoint(path, ARCH)
