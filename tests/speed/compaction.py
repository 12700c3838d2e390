"""A channel ticket as a smaller network, beside Torch-Pruning on the same network and masks.

    python tests/speed/compaction.py --sparsity=0.9 --batch-sizes=1,64

ResNet-18 for 32 pixels with random weights and statistics; latencies by turns, medians. PyTorch and
Torch-Pruning (`pip install torch-pruning`) are left out where they are not installed.
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path

import jax
import numpy as np

from rtickets import Ticket, compact, draw_omp, masks
from rtickets.costs.latency import by_turns
from rtickets.exporters import torch_names
from rtickets.tickets import provenance
from rtickets.tickets.compaction.network import network_of, variables_of
from tests.tickets.compaction.test_compact import random_ticket

SHAPE = (32, 32, 3)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--batch-sizes", default="1,64")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--pattern", default="channel")
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    dense = random_ticket("resnet18", options.width, SHAPE, 0.0, stem="small")
    mask = draw_omp(dense.params, options.sparsity, options.pattern, scope="uniform")
    params = jax.device_get(masks.apply(mask, dense.params))
    ticket = Ticket(mask, params, dense.batch_stats, dense.meta)
    found = compact(ticket)
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, sparsity {options.sparsity}")
    for name in ("parameters", "multiply_adds"):
        before, after = found.report[name]
        print(f"{name:<16}{before:>14,}{after:>14,}  {before / after:.1f}x")
    print("bytes           ", *(f"{each:>13,}" for each in sizes(ticket, found.ticket)))
    share = found.report["max_difference"] / found.report["largest_output"]
    print(f"answers differ by {share:.1g} of the largest")
    pruned = torch_networks(ticket)
    for size in map(int, options.batch_sizes.split(",")):
        x = np.random.default_rng(0).random((size, *SHAPE)).astype(np.float32)
        calls = {"dense": compiled(ticket, x), "compacted": compiled(found.ticket, x)}
        calls |= {name: torch_call(network, x) for name, network in pruned.items()}
        seconds = by_turns(calls, options.turns)
        print(f"batch {size}, ms:", *(f"{k} {1000 * s:.3g}" for k, s in seconds.items()))
        print(f"  compacted {seconds['dense'] / seconds['compacted']:.1f}x as fast as dense")


def sizes(*tickets):
    with tempfile.TemporaryDirectory() as folder:
        for number, ticket in enumerate(tickets):
            path = Path(folder) / str(number)
            ticket.save(path)
            yield sum(file.stat().st_size for file in path.glob("*.safetensors"))


def compiled(ticket, x):
    model, answers, _ = network_of(ticket.meta, True)
    variables = jax.device_put(variables_of(ticket.params, ticket.batch_stats))
    run = jax.jit(lambda variables, x: answers(model, variables, x))
    x = jax.device_put(x)
    return lambda: run(variables, x)


def torch_networks(ticket):
    """Return the masked network in PyTorch, and what Torch-Pruning makes of it."""
    if any(importlib.util.find_spec(name) is None for name in ("torch_pruning", "torchvision")):
        print("without torch_pruning and torchvision: no comparison")
        return {}
    import torch
    import torch_pruning

    dense, pruned = torch_network(ticket), torch_network(ticket)
    example = torch.zeros(1, SHAPE[2], *SHAPE[:2])
    graph = torch_pruning.DependencyGraph().build_dependency(pruned, example)
    groups = list(
        graph.get_all_groups(root_module_types=[torch.nn.Conv2d], ignored_layers=[pruned.fc])
    )
    alive = {name: mod.weight.abs().sum((1, 2, 3)) > 0 for name, mod in convolutions(pruned)}
    names = {module: name for name, module in convolutions(pruned)}
    for group in groups:
        writers = [
            names[each.dep.target.module]
            for each in group
            if each.dep.target.module in names
            and each.dep.handler == torch_pruning.prune_conv_out_channels
        ]
        gone = torch.stack([~alive[name] for name in writers]).all(0).nonzero().ravel().tolist()
        if gone and len(gone) < len(alive[writers[0]]):
            graph.get_pruning_group(
                dict(convolutions(pruned))[writers[0]],
                torch_pruning.prune_conv_out_channels,
                gone,
            ).prune()
    x = torch.rand(4, SHAPE[2], *SHAPE[:2], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = dense(x), pruned(x)
    count = sum(each.numel() for each in pruned.parameters())
    print(f"Torch-Pruning: {count:,} parameters, answers differ by "
          f"{float((a - b).abs().max() / a.abs().max()):.1g} of the largest")  # fmt: skip
    return {"torch": dense, "torch_pruning": pruned}


def convolutions(network):
    import torch

    return [(n, m) for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)]


def torch_network(ticket):
    import torch
    import torchvision

    layout = torch_names.layout_for(provenance.build_model(ticket.meta), "torchvision")
    tensors = torch_names.state_dict(ticket, layout, with_masks=False)
    network = torchvision.models.resnet18(num_classes=5)
    width = len(tensors["conv1.weight"])
    network.conv1 = torch.nn.Conv2d(3, width, 3, padding=1, bias=False)
    network.maxpool = torch.nn.Identity()
    network.load_state_dict({name: torch.tensor(each) for name, each in tensors.items()})
    return network.eval()


def torch_call(network, x):
    import torch

    seen = torch.tensor((x - 0.4) / 0.2).permute(0, 3, 1, 2)

    def call():
        with torch.no_grad():
            return network(seen).numpy()

    return call


if __name__ == "__main__":
    main()
