"""Pictures restored by networks that paint one picture, dense or under a mask; no training set."""

from rtickets.restoration.fits import FitConfig, Fitted, Point
from rtickets.restoration.fitting import fit, fit_together
from rtickets.restoration.generators import GeneratorConfig, Painter, first_weights, make_painter
from rtickets.restoration.initial_masks import density_by_layer, initial_mask, nothing_removed
from rtickets.restoration.iterative import Round, iterate
from rtickets.restoration.learning import Learnt, learn_mask
from rtickets.restoration.mask_files import load_mask, save_mask
from rtickets.restoration.mask_settings import MaskConfig
from rtickets.restoration.noise_level import estimate_noise
from rtickets.restoration.outcome import Outcome, outcome_of
from rtickets.restoration.problem import Problem, observe, spoil
from rtickets.restoration.restore import Restored, restore
from rtickets.restoration.restore_settings import RestoreConfig
from rtickets.restoration.sampling import sampled_picture
from rtickets.restoration.study import Cell, cells_of, run_study
from rtickets.restoration.study_settings import RestorationStudyConfig

__all__ = [
    "Cell",
    "FitConfig",
    "Fitted",
    "GeneratorConfig",
    "Learnt",
    "MaskConfig",
    "Outcome",
    "Painter",
    "Point",
    "Problem",
    "RestorationStudyConfig",
    "RestoreConfig",
    "Restored",
    "Round",
    "cells_of",
    "density_by_layer",
    "estimate_noise",
    "first_weights",
    "fit",
    "fit_together",
    "initial_mask",
    "iterate",
    "learn_mask",
    "load_mask",
    "make_painter",
    "nothing_removed",
    "observe",
    "outcome_of",
    "restore",
    "run_study",
    "sampled_picture",
    "save_mask",
    "spoil",
]
