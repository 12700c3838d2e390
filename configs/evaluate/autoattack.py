"""AutoAttack in two norms on 1,000 test images, each with a curve of PGD-20 over the radius.

    rtickets evaluate --config=configs/evaluate/autoattack.py --workdir=runs \
        --config.ticket=runs/transfer-mnist5k-finetune-...

Killed, the same command goes on where it was. Time: about
15 minutes a norm for the demo's robust network on two CPU cores, from 64 images (docs/attacks.md).
"""

from rtickets.config import AttackConfig, EvaluateConfig
from rtickets.settings import config_files

LINF, L2 = 8 / 255, 0.5


def curve(norm, eps):
    radii = (0.0, eps / 8, eps / 4, eps / 2, 2 * eps)
    return AttackConfig(norm=norm, eps=eps, num_steps=20, radii=radii)


def get_config():
    return config_files.editable(
        EvaluateConfig(
            attacks={
                "linf": AttackConfig(name="autoattack", norm="linf", eps=LINF),
                "l2": AttackConfig(name="autoattack", norm="l2", eps=L2),
                "pgd20_linf": curve("linf", LINF),
                "pgd20_l2": curve("l2", L2),
            },
            attack_examples=1000,
        )
    )
