"""The ways of drawing by name, as configurations choose them; the default first."""

from rtickets.stages.ways.base import WayConfig
from rtickets.stages.ways.given import Given
from rtickets.stages.ways.imp import Imp
from rtickets.stages.ways.lmp import Lmp
from rtickets.stages.ways.omp import Omp

WAYS: dict[str, type[WayConfig]] = WayConfig.entries
WAYS |= {"omp": Omp, "imp": Imp, "lmp": Lmp, "given": Given}
