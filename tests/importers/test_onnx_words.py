"""What an ONNX graph says of its pixels and its variant, and graphs that end with features."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers import Options, import_checkpoint

pytest.importorskip("onnx")
from onnx import TensorProto

WRITER = runpy.run_path(str(Path(__file__).with_name("onnx_writer.py")))
ARCH, STATISTICS = WRITER["ARCH"], WRITER["STATISTICS"]
Writer, expected, random_network = (
    WRITER[name] for name in ("Writer", "expected", "random_network")
)


@pytest.fixture(scope="module")
def network():
    return random_network()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8])
def test_a_graph_that_normalises_bytes_is_one_for_images_in_0_to_1(tmp_path, network, kind):
    writer = Writer("layers", *network[1:])
    writer.kind = kind
    path = writer.write(tmp_path / "x.onnx", normalise=True, scale=255)
    ticket, report = import_checkpoint(path, ARCH)
    assert ticket.meta["mean"] == pytest.approx(STATISTICS[0])
    assert ticket.meta["std"] == pytest.approx(STATISTICS[1])
    assert "[0, 255]" in report["normalization"]["from"]
    np.testing.assert_allclose(report["fixed_logits"], expected(network), rtol=1e-3, atol=1e-4)


def test_a_graph_of_bytes_without_normalisation_says_what_it_takes(tmp_path, network):
    writer = Writer("layers", *network[1:])
    writer.kind = TensorProto.UINT8
    ticket, report = import_checkpoint(writer.write(tmp_path / "x.onnx"), ARCH)
    assert ticket.meta["std"] == pytest.approx([1 / 255] * 3)
    assert report["parity"]["max_difference"] < 1e-3 * report["parity"]["largest_logit"]


def test_a_graph_that_states_other_statistics_than_the_options_is_named(tmp_path, network):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx", normalise=True)
    report = import_checkpoint(path, ARCH, Options(statistics=((0.5,), (0.5,)))).report
    assert report["normalization"]["from"].endswith("where the file: its graph states its own")


def test_the_variant_is_read_off_the_graph(tmp_path):
    network = random_network("resnet50", 1 / 32)
    writer = Writer("layers", *network[1:])
    writer.caffe = True
    path = writer.write(tmp_path / "x.onnx", normalise=True)
    report = import_checkpoint(path, "resnet50").report
    assert report["model"]["variant"] == "caffe"
    assert report["alike"] == []
    with pytest.raises(InputError, match="variant"):
        import_checkpoint(path, "resnet50", Options(variant="deepmind"))


def test_a_graph_that_ends_with_features_is_a_backbone(tmp_path, network):
    _, params, stats = network
    bare = {name: part for name, part in params.items() if name != "head"}
    path = Writer("layers", bare, stats).write(tmp_path / "x.onnx", normalise=True)
    ticket, report = import_checkpoint(path, ARCH)
    assert "head" not in ticket.params
    assert report["classes"] is None
    assert report["parity"]["max_difference"] < 1e-4


def test_options_of_state_dicts_are_refused(tmp_path, network):
    path = Writer("layers", *network[1:]).write(tmp_path / "x.onnx")
    for options in (Options(key="x"), Options(prefix="x"), Options(scores_keep=0.1)):
        with pytest.raises(InputError, match=r"ONNX .*graph"):
            import_checkpoint(path, ARCH, options)
