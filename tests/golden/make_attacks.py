"""Write attacks.npz: what the attacks of torchattacks leave of a small network's accuracy.

    pip install -e '.[demo,parity]' && python tests/golden/make_attacks.py

The network is trained on handwritten digits (scikit-learn, 8 x 8 pixels) with PGD. Weights and
images are stored in our layout (HWIO, NHWC), and for every attack, norm and radius the share of its
runs that every image resisted: those that return no misclassified image of [0, 1] in the ball.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
import torchattacks
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

RADII = {"linf": (0.12, 0.18), "l2": (0.5, 0.75)}
TRAINED_WITH = 0.1  # eps, linf
STEPS, QUERIES, IMAGES, RUNS = 100, 1000, 64, 12
ATTACKS = {
    "pgd": lambda net, norm, eps: (
        torchattacks.PGD(net, eps=eps, alpha=eps / 10, steps=STEPS)
        if norm == "Linf"
        else torchattacks.PGDL2(net, eps=eps, alpha=eps / 10, steps=STEPS)
    ),
    "apgd_ce": lambda net, norm, eps: torchattacks.APGD(net, norm, eps, STEPS),
    "apgd_dlr": lambda net, norm, eps: torchattacks.APGD(net, norm, eps, STEPS, loss="dlr"),
    "apgd_t": lambda net, norm, eps: torchattacks.APGDT(net, norm, eps, STEPS),
    "fab_t": lambda net, norm, eps: torchattacks.FAB(net, norm, eps, STEPS, multi_targeted=True),
    "square": lambda net, norm, eps: torchattacks.Square(net, norm, eps, QUERIES),
}


class Network(nn.Module):
    """A convolution of stride two and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(1, 12, 3, 2, 1), nn.Linear(12 * 4 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.conv(x)).permute(0, 2, 3, 1)  # flattened as NHWC
        return self.dense(x.flatten(1))


def trained(x: torch.Tensor, y: torch.Tensor) -> Network:
    network, generator = Network(), np.random.default_rng(0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    attack = torchattacks.PGD(network, eps=TRAINED_WITH, alpha=TRAINED_WITH / 3, steps=5)
    for _ in range(600):
        chosen = generator.integers(0, len(x), 128)
        x_adv = attack(x[chosen], y[chosen])
        optimizer.zero_grad()
        functional.cross_entropy(network(x_adv), y[chosen]).backward()
        optimizer.step()
    return network.eval()


def resisting(network: Network, x: torch.Tensor, y: torch.Tensor, x_adv: torch.Tensor, norm, eps):
    """Return which examples are classified correctly, x_adv being the image itself outside."""
    order = torch.inf if norm == "linf" else 2
    size = torch.linalg.vector_norm((x_adv - x).flatten(1).double(), order, 1)
    valid = ((x_adv >= 0) & (x_adv <= 1)).flatten(1).all(1)
    inside = valid & (size <= eps * (1 + 1e-5))
    x_adv = torch.where(inside[:, None, None, None], x_adv, x)
    with torch.no_grad():
        return (network(x_adv).argmax(1) == y).numpy()


def main() -> None:
    warnings.filterwarnings("ignore")  # torchattacks' own
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    network = trained(x[IMAGES:], y[IMAGES:])
    x, y = x[:IMAGES], y[:IMAGES]
    arrays = {
        "kernel": network.conv.weight.detach().permute(2, 3, 1, 0).numpy(),
        "bias": network.conv.bias.detach().numpy(),
        "dense": network.dense.weight.detach().T.numpy(),
        "dense_bias": network.dense.bias.detach().numpy(),
        "x": x.permute(0, 2, 3, 1).numpy(),
        "y": y.numpy(),
        **{f"radii_{norm}": np.array(radii) for norm, radii in RADII.items()},
    }
    for norm, radii in RADII.items():
        for name, make in ATTACKS.items():
            left = np.zeros((RUNS, len(radii), IMAGES), np.float32)
            for run, index in np.ndindex(left.shape[:2]):
                torch.manual_seed(run)
                attack = make(network, norm.capitalize(), radii[index])
                attack.seed = run  # where it seeds itself
                x_adv = attack(x, y)
                left[run, index] = resisting(network, x, y, x_adv, norm, radii[index])
            arrays[f"{name}_{norm}"] = left.mean(0)  # (radii, images)
            print(norm, name, *(f"{each:.4f}" for each in left.mean((0, 2))))
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    np.savez_compressed(Path(__file__).with_name("attacks.npz"), **arrays)


if __name__ == "__main__":
    main()
