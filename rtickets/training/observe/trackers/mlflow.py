"""MLflow: a run of theirs a run folder, found again by a tag with the folder's name.

What is theirs to say stays theirs: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME (default
'rtickets').
"""

import os
import time
from collections.abc import Mapping
from typing import Any

from rtickets.settings.config_files import to_paths
from rtickets.training.observe.trackers.tracker import Opening, Outcome

_TAG = "rtickets run"
# Theirs are minutes of retries for every call, which would hold the run up.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
_LONGEST, _AT_ONCE = 500, 100  # of a parameter; parameters or results in a call


class Mlflow:
    """The run of MLflow of one run."""

    def __init__(self, opening: Opening) -> None:
        """Find the run that was opened before, or make it, with its configuration."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._client = MlflowClient()
        self._id: str = self._found(opening.name) or self._made(opening)
        self._last: dict[str, int] = {}  # the last step of curves, looked up when one is met

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "rtickets")
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _found(self, name: str) -> str | None:
        quoted = name.replace("'", "")
        runs = self._client.search_runs([self._experiment()], f"tags.`{_TAG}` = '{quoted}'")
        return str(runs[0].info.run_id) if runs else None

    def _made(self, opening: Opening) -> str:
        from mlflow.entities import Param

        tags = {_TAG: opening.name.replace("'", "")}
        run = self._client.create_run(self._experiment(), run_name=opening.name, tags=tags)
        values = to_paths(opening.config).items()
        settings = [Param(name, str(value)[:_LONGEST]) for name, value in values]
        for some in _parts(settings):
            self._client.log_batch(run.info.run_id, params=some)
        return str(run.info.run_id)

    def write(self, values: Mapping[str, float], step: int, time: float) -> None:
        """Add a point to some curves; those that are there already are not added again."""
        from mlflow.entities import Metric

        new = [
            Metric(name, value, int(1000 * time), step)
            for name, value in values.items()
            if step > self._last_of(name)
        ]
        self._last |= {metric.key: step for metric in new}
        if new:
            self._client.log_batch(self._id, metrics=new)

    def _last_of(self, name: str) -> int:
        if name not in self._last:
            history = self._client.get_metric_history(self._id, name)
            self._last[name] = max((point.step for point in history), default=-1)
        return self._last[name]

    def finish(self, outcome: Outcome) -> None:
        """Add results, and pictures, page and ticket as artifacts; its digest is a tag."""
        self._results(outcome.values)
        for name, path in outcome.pictures.items():
            self._client.log_artifact(self._id, str(path), f"pictures/{name}".rpartition("/")[0])
        for path in outcome.documents.values():
            self._client.log_artifact(self._id, str(path))
        if outcome.ticket is not None:
            self._client.log_artifacts(self._id, str(outcome.ticket), "ticket")
            self._client.set_tag(self._id, "ticket sha256", outcome.digest)

    def _results(self, values: Mapping[str, float]) -> None:
        """Add the results that are not there yet, as those of a run that is told of again."""
        from mlflow.entities import Metric

        there, now = self._client.get_run(self._id).data.metrics, int(1000 * time.time())
        named = {f"result/{name}": value for name, value in values.items()}
        new = [
            Metric(name, value, now, 0)
            for name, value in named.items()
            if repr(there.get(name)) != repr(value)  # nan is nan
        ]
        for some in _parts(new):
            self._client.log_batch(self._id, metrics=some)

    def flush(self) -> None:
        """Do nothing: every call is sent."""

    def close(self) -> None:
        """Say that the run is over; it can be opened again."""
        self._client.set_terminated(self._id)


def _parts(values: list[Any]) -> list[list[Any]]:
    return [values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE)]
