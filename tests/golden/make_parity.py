"""Write parity.npz: logits of others' networks with the weights of parity_weights.py.

    pip install -e '.[parity]' && pip install --no-deps robustbench==1.1.1
    python tests/golden/make_parity.py

The file holds names and shapes of the state dicts of torchvision, timm and RobustBench, and logits
on two images.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from parity_weights import images, random_state

sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))
from originals import ORIGINALS

STORED = (
    "torchvision resnet18", "torchvision resnet50", "torchvision wide_resnet50_2",
    "timm tf_efficientnet_lite0", "RobustBench ResNet-18", "RobustBench WideResNet-28-1",
    "RobustBench DMWideResNet-28-1", "RobustBench DMWideResNet-28-1 with ReLU",
    "RobustBench DMPreActResNet-18", "RobustBench PreActResNet-18 (Rice et al.)",
    "RobustBench PreActResNet-18 (Wong et al.)", "RobustBench PreActResNet-18 (pytorch-cifar)",
    "torchvision resnet50, Caffe's strides", "timm resnet18 with SiLU",
)  # fmt: skip


def main() -> None:
    stored, arrays = {}, {}
    for name in STORED:
        original = ORIGINALS[name]
        size = min(original.size, 64)
        network = original.build(10).eval()
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        state = random_state(shapes, original.gain)
        network.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
        x = torch.from_numpy(2 * images(2, size) - 1).permute(0, 3, 1, 2)
        with torch.no_grad():
            arrays[name] = network(x).numpy()
        spread = np.ptp(arrays[name], axis=0).max()
        print(f"{name}: largest logit {abs(arrays[name]).max():.3g}, images differ by {spread:.3g}")
        stored[name] = {
            "arch": original.arch,
            "size": size,
            "gain": original.gain,
            "shapes": shapes,
            "options": dict(original.options),
        }
    arrays["networks"] = np.frombuffer(json.dumps(stored).encode(), np.uint8)
    np.savez_compressed(Path(__file__).parent / "parity.npz", **arrays)


if __name__ == "__main__":
    main()
