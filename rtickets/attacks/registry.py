"""The attacks by name, as configurations choose them; the default first."""

from rtickets.attacks.apgd import ApgdCeSettings, ApgdDlrSettings, ApgdTargetedSettings
from rtickets.attacks.ensemble.settings import AutoattackSettings
from rtickets.attacks.fab import FabSettings, FabTargetedSettings
from rtickets.attacks.pgd_settings import (
    FgsmRsSettings,
    FgsmSettings,
    PgdSettings,
    PgdTargetedSettings,
)
from rtickets.attacks.segpgd import SegPgdSettings
from rtickets.attacks.settings import AttackConfig
from rtickets.attacks.square import SquareSettings

ATTACKS: dict[str, type[AttackConfig]] = AttackConfig.entries
ATTACKS |= {
    "pgd": PgdSettings,
    "segpgd": SegPgdSettings,
    "pgd_t": PgdTargetedSettings,
    "fgsm": FgsmSettings,
    "fgsm_rs": FgsmRsSettings,
    "apgd_ce": ApgdCeSettings,
    "apgd_dlr": ApgdDlrSettings,
    "apgd_t": ApgdTargetedSettings,
    "fab": FabSettings,
    "fab_t": FabTargetedSettings,
    "square": SquareSettings,
    "autoattack": AutoattackSettings,
}
