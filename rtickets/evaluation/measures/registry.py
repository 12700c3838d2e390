"""The measures by name, as configurations choose them; the default first."""

from rtickets.evaluation.measures.answers import AnswerSettings
from rtickets.evaluation.measures.base import MeasureConfig
from rtickets.evaluation.measures.calibration import CalibrationSettings
from rtickets.evaluation.measures.constant_outputs import ConstantOutputsSettings
from rtickets.evaluation.measures.corruptions import CorruptionSettings
from rtickets.evaluation.measures.domain_gap import DomainGapSettings
from rtickets.evaluation.measures.gradients import GradientSettings
from rtickets.evaluation.measures.inversion import InversionSettings
from rtickets.evaluation.measures.neighbours import KnnSettings, RetrievalSettings
from rtickets.evaluation.measures.ood import OodSettings
from rtickets.evaluation.measures.per_class import PerClassSettings
from rtickets.evaluation.measures.surface import SurfaceSettings

MEASURES: dict[str, type[MeasureConfig]] = MeasureConfig.entries
MEASURES |= {
    "calibration": CalibrationSettings,
    "per_class": PerClassSettings,
    "ood": OodSettings,
    "corruptions": CorruptionSettings,
    "domain_gap": DomainGapSettings,
    "inversion": InversionSettings,
    "gradients": GradientSettings,
    "constant_outputs": ConstantOutputsSettings,
    "answers": AnswerSettings,
    "knn": KnnSettings,
    "retrieval": RetrievalSettings,
    "surface": SurfaceSettings,
}
