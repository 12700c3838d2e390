"""Write torch_zip.pt and torch_legacy.pt: small training checkpoints as PyTorch itself writes them.

pip install torch && python tests/golden/make_torch_files.py
"""

import argparse
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn


def checkpoint() -> dict[str, object]:
    """Return a training checkpoint with every kind of tensor that a state dict may hold."""
    layer = nn.Linear(3, 2)
    layer.weight.data = torch.arange(6.0).reshape(2, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    whole = torch.arange(10.0)
    state = OrderedDict(
        float32=torch.arange(6.0).reshape(2, 3),
        float64=torch.arange(3.0, dtype=torch.float64) / 3,
        float16=torch.tensor([0.5, -2.0], dtype=torch.float16),
        bfloat16=torch.tensor([1.5, 256.0], dtype=torch.bfloat16),
        int64=torch.tensor(7),
        uint8=torch.tensor([0, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        transposed=torch.arange(6.0).reshape(2, 3).T,
        part=whole[3:7],
        same_storage=whole[::2],
        empty=torch.zeros(0, 4),
        parameter=nn.Parameter(torch.tensor([1.0, 2.0])),
    )
    return {
        "epoch": 3,
        "arch": "none",
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, betas=(0.9, 0.99)),
        "best": np.float64(0.5),
        "curve": np.arange(3),
    }


def main() -> None:
    folder = Path(__file__).parent
    torch.save(checkpoint(), folder / "torch_zip.pt")
    torch.save(checkpoint(), folder / "torch_legacy.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
