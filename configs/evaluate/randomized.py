"""A network whose input is made noisy anew at every evaluation, under attacks on its expectation.

    rtickets pretrain --config=configs/pretrain/fashion_gaussian.py --workdir=runs
    rtickets evaluate --config=configs/evaluate/randomized.py --workdir=runs \
        --config.ticket=runs/pretrain-gaussian-...

AutoAttack's version for random networks, in two norms, on 200 test images. It asks what an attacker
finds; certified.py asks what none can find. Every image is attacked to the end, the worth of 12,500
forward passes an image and norm. Time: about 11 minutes for the demo's architecture on two CPU
cores, reckoned from the passes of certified.py.
"""

from rtickets.config import AttackConfig, EvaluateConfig
from rtickets.settings import config_files

SIGMA = 0.25


def rand(norm, eps):
    return AttackConfig(name="autoattack", version="rand", norm=norm, eps=eps, input_noise=SIGMA)


def get_config():
    attacks = {"linf": rand("linf", 8 / 255), "l2": rand("l2", 0.5)}
    return config_files.editable(EvaluateConfig(attacks=attacks, attack_examples=200))
