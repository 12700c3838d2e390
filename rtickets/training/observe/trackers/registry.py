"""The trackers by name; an entry is one line here and one file."""

from rtickets.training.observe.trackers.mlflow import Mlflow
from rtickets.training.observe.trackers.tensorboard import EventFile
from rtickets.training.observe.trackers.tracker import Kind
from rtickets.training.observe.trackers.wandb import Wandb

TRACKERS: dict[str, Kind] = {
    "tensorboard": Kind("tensorboardX", "tensorboard", EventFile),
    "wandb": Kind("wandb", "wandb", Wandb),
    "mlflow": Kind("mlflow", "mlflow", Mlflow),
}
