"""Our attacks beside torchattacks' on the same networks and images, and the time both take.

    pip install -e '.[demo,parity]'
    python tests/parity/attacks.py accuracy natural=RUN robust=RUN > table.md
    python tests/parity/attacks.py speed robust=RUN --images=256 --batch-size=64
    python tests/parity/attacks.py fast robust=RUN

RUN is a run folder of `rtickets pretrain` with the small-stem ResNet-18, such as those that
`make demo` leaves under runs/. torchattacks' ensemble takes 10 steps unless it is told
otherwise; here both sides take the published 100 steps and 5,000 queries.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import torch
import torchattacks

sys.path.insert(0, str(Path(__file__).parent))
from torch_resnet import TorchResNet

from rtickets import data, evaluation
from rtickets.attacks import MEMBERS, Member, worst_case
from rtickets.draw import Ticket
from rtickets.evaluation.subject import Subject, logits_fn, make_subject
from rtickets.platform import parallel
from rtickets.runs import folders
from rtickets.tickets import provenance

RADII = {"linf": 8 / 255, "l2": 0.5}
SHORT = {  # steps of the comparison of single attacks
    "PGD": 40,
    "APGD-CE": 20,
    "APGD-DLR": 20,
    "APGD-T": 10,
    "FAB-T": 10,
    "Square": 200,
}


PUBLISHED = ("APGD-CE", "APGD-T", "FAB-T", "Square")  # the members of the standard ensemble


class Pair(NamedTuple):
    """One network in both libraries, and images."""

    subject: Subject
    model: TorchResNet
    x: torch.Tensor
    y: torch.Tensor


def load(run: str, images: int, batch_size: int, devices: parallel.Devices) -> Pair:
    ticket = Ticket.load(folders.find_ticket(run).ticket)
    config, seed = provenance.trained_on(ticket.meta)
    task = data.load(config, seed)
    network = evaluation.Network(
        provenance.build_model(ticket.meta), ticket.params, ticket.batch_stats
    )
    transform = provenance.fitting_transform(config, ticket.meta)
    subject = make_subject(
        network, task.test, transform, count=images, seed=0, batch_size=batch_size, devices=devices
    )
    model = TorchResNet(
        ticket.params, ticket.batch_stats, ticket.meta["mean"], ticket.meta["std"]
    ).float()
    where = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(np.ascontiguousarray(subject.x.transpose(0, 3, 1, 2))).to(where)
    y = torch.from_numpy(np.asarray(subject.y, np.int64)).to(where)
    model = model.to(where).eval()
    with torch.no_grad():
        theirs = model(x[:64]).cpu().numpy()
    ours = np.asarray(logits_fn(network, devices[:1])(subject.x[:64]))
    difference = np.abs(ours - theirs).max()
    if difference > 1e-3:
        raise SystemExit(f"the networks differ by {difference} in their logits")
    return Pair(subject, model, x, y)


def ours(pair: Pair, members: tuple[Member, ...], norm: str) -> tuple[float, float]:
    """Return (robust accuracy, seconds)."""
    s, started = pair.subject, time.perf_counter()
    found = worst_case(
        logits_fn(s.network, s.devices), s.x, s.y, s.keys, eps=RADII[norm], norm=norm,
        members=members, batch_size=s.batch_size, devices=s.devices,
    )  # fmt: skip
    return found.recomputed.mean(), time.perf_counter() - started


def theirs(pair: Pair, attack: Callable[..., Any], batch_size: int) -> tuple[float, float]:
    """Return (robust accuracy, seconds)."""
    started, correct = time.perf_counter(), 0
    for first in range(0, len(pair.y), batch_size):
        x, y = pair.x[first : first + batch_size], pair.y[first : first + batch_size]
        with torch.no_grad():
            right = pair.model(x).argmax(1) == y
        if right.any():
            x_adv = attack(x[right], y[right])
            with torch.no_grad():
                correct += int((pair.model(x_adv).argmax(1) == y[right]).sum())
    return correct / len(pair.y), time.perf_counter() - started


def their_attacks(
    model: TorchResNet, norm: str, steps: dict[str, int], seed: int = 0
) -> dict[str, Any]:
    eps, name = RADII[norm], {"linf": "Linf", "l2": "L2"}[norm]
    common: dict[str, Any] = {"norm": name, "eps": eps, "seed": seed}
    pgd = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    return {
        "PGD": pgd(
            model, eps=eps, alpha=2.5 * eps / steps["PGD"], steps=steps["PGD"], random_start=False
        ),
        "APGD-CE": torchattacks.APGD(model, steps=steps["APGD-CE"], loss="ce", **common),
        "APGD-DLR": torchattacks.APGD(model, steps=steps["APGD-DLR"], loss="dlr", **common),
        "APGD-T": torchattacks.APGDT(model, steps=steps["APGD-T"], n_classes=10, **common),
        "FAB-T": torchattacks.FAB(
            model, steps=steps["FAB-T"], multi_targeted=True, n_classes=10, **common
        ),
        "Square": torchattacks.Square(model, n_queries=steps["Square"], **common),
    }


def our_members(norm: str, steps: dict[str, int]) -> dict[str, Member]:
    step_size = 2.5 * RADII[norm] / steps["PGD"]
    return {
        "PGD": Member("pgd", steps["PGD"], step_size=step_size, random_start=False),
        "APGD-CE": Member("apgd_ce", steps["APGD-CE"]),
        "APGD-DLR": Member("apgd_dlr", steps["APGD-DLR"]),
        "APGD-T": Member("apgd_t", steps["APGD-T"], num_targets=9),
        "FAB-T": Member("fab_t", steps["FAB-T"], num_targets=9),
        "Square": Member("square", steps["Square"]),
    }


def accuracy(
    pairs: dict[str, Pair], batch_size: int, only: list[str], queries: int, seeds: int
) -> None:
    """Print the table; Square, of few random queries, is the mean of some seeds."""
    steps = SHORT | {"Square": queries}
    print("| network | norm | attack | steps | torchattacks (%) | ours (%) | ours - theirs |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (name, pair), norm in ((item, norm) for item in pairs.items() for norm in RADII):
        members = our_members(norm, steps)
        for label in only:
            tried = range(seeds if label == "Square" else 1)
            attacks = [their_attacks(pair.model, norm, steps, seed)[label] for seed in tried]
            reference = np.mean([theirs(pair, attack, batch_size)[0] for attack in attacks])
            found = np.mean([ours(reseeded(pair, s), (members[label],), norm)[0] for s in tried])
            print(
                f"| {name} | {norm} | {label} | {steps[label]} | {100 * reference:.1f} | "
                f"{100 * found:.1f} | {100 * (found - reference):+.1f} |",
                flush=True,
            )


def reseeded(pair: Pair, seed: int) -> Pair:
    """Return the pair with other keys of its images; seed 0 leaves it as it is."""
    keys = jax.vmap(lambda key: jax.random.fold_in(key, seed))(pair.subject.keys)
    return pair if seed == 0 else pair._replace(subject=pair.subject._replace(keys=keys))


def speed(pairs: dict[str, Pair], batch_size: int, quick: bool) -> None:
    full = dict.fromkeys(SHORT, 100) | {"Square": 5000}
    members = MEMBERS["standard"]
    if quick:
        full = dict.fromkeys(SHORT, 1)
    print(
        "| network | images | norm | torchattacks (s) | ours (s) | of it compiling | "
        "robust accuracy (%) | ratio | without compiling |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (name, pair), norm in ((item, norm) for item in pairs.items() for norm in RADII):
        attacks = their_attacks(pair.model, norm, full)
        if quick:
            members = tuple(our_members(norm, full)[label] for label in PUBLISHED)
        published = [attacks[label] for label in PUBLISHED]
        reference, their_time = theirs(pair, torchattacks.MultiAttack(published), batch_size)
        jax.clear_caches()
        found, our_time = ours(pair, members, norm)
        _, again = ours(pair, members, norm)
        print(
            f"| {name} | {len(pair.y)} | {norm} | {their_time:.1f} | {our_time:.1f} | "
            f"{our_time - again:.1f} | {100 * reference:.1f} and {100 * found:.1f} | "
            f"{their_time / our_time:.2f} | {their_time / again:.2f} |",
            flush=True,
        )


def fast(pairs: dict[str, Pair]) -> None:
    """Compare two ensembles of ours; times are with compilation."""
    print("| network | images | norm | version | time (s) | robust accuracy (%) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (name, pair), norm in ((item, norm) for item in pairs.items() for norm in RADII):
        for version in ("standard", "fast"):
            jax.clear_caches()
            found, seconds = ours(pair, MEMBERS[version], norm)
            print(
                f"| {name} | {len(pair.y)} | {norm} | {version} | {seconds:.1f} | "
                f"{100 * found:.1f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["accuracy", "speed", "fast"])
    parser.add_argument("networks", nargs="+", metavar="LABEL=RUN")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--only", nargs="+", choices=list(SHORT), default=list(SHORT))
    parser.add_argument("--queries", type=int, default=SHORT["Square"], help="of Square")
    parser.add_argument("--seeds", type=int, default=3, help="of Square, for the accuracy")
    parser.add_argument("--quick", action="store_true", help="one step each, to try 'speed'")
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 2)  # where there is no accelerator
    # XLA does so itself; saturated networks have tiny gradients, which PyTorch is slow at otherwise
    torch.set_flush_denormal(True)
    if torch.cuda.is_available():  # both sides in whole float32, or the logits cannot be compared
        jax.config.update("jax_default_matmul_precision", "float32")
        torch.backends.cudnn.allow_tf32 = False
    devices = parallel.local_devices()
    named = dict(network.split("=", 1) for network in options.networks)
    pairs = {
        name: load(run, options.images, options.batch_size, devices) for name, run in named.items()
    }
    if options.what == "accuracy":
        accuracy(pairs, options.batch_size, options.only, options.queries, options.seeds)
    elif options.what == "speed":
        speed(pairs, options.batch_size, options.quick)
    else:
        fast(pairs)


if __name__ == "__main__":
    main()
