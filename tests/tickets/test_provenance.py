import numpy as np
import pytest

from rtickets import stages
from rtickets.config import DataConfig, DrawConfig, EvaluateConfig, ModelConfig, TransferConfig
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.runs import folders
from rtickets.settings import config_files
from rtickets.tickets import provenance

META = {
    "model": config_files.to_dict(ModelConfig(width=0.5, stem="imagenet")),
    "class_names": ["a", "b"],
    "mean": [0.1],
    "std": [0.2],
    "image_shape": [28, 28, 1],
}


def test_a_network_is_rebuilt_from_its_description():
    model = provenance.build_model(META)
    assert (model.width, model.num_classes, model.stem) == (32, 2, "imagenet")
    assert (model.mean, model.std) == ((0.1,), (0.2,))


def test_images_are_brought_to_the_shape_the_ticket_was_trained_with():
    transform = provenance.fitting_transform(DataConfig(source="digits"), META)
    assert transform.output_shape((8, 8, 3)) == (28, 28, 1)
    asked = provenance.fitting_transform(DataConfig(source="digits", image_size=16), META)
    assert asked.output_shape((8, 8, 1)) == (16, 16, 1)


def test_history_grows_and_nothing_is_changed_in_place():
    first = provenance.extend(META, "pretrain", DrawConfig(), DataConfig(source="digits"), 3)
    second = provenance.extend(first, "draw", DrawConfig(sparsity=0.5))
    assert [entry["stage"] for entry in second["history"]] == ["pretrain", "draw"]
    assert second["history"][1]["sparsity"] == 0.5
    assert provenance.trained_on(second) == (DataConfig(source="digits"), 3)
    assert len(first["history"]) == 1
    assert "history" not in META


@pytest.mark.parametrize(
    ("statistics", "channels", "expected"),
    [((0.1,), 1, (0.1,)), ((0.2,), 3, (0.2, 0.2, 0.2)), ((0.1, 0.2, 0.6), 1, (0.3,))],
)
def test_statistics_follow_the_number_of_channels(statistics, channels, expected):
    assert provenance.channel_statistics(statistics, channels) == pytest.approx(expected)


@pytest.mark.parametrize("verb", ["transfer", "evaluate"])
def test_a_ticket_of_another_origin_is_refused(tmp_path, verb):
    params = {"body": {"kernel": np.ones((2, 2), np.float32)}}
    Ticket({"body": {"kernel": np.ones((2, 2), bool)}}, params).save(tmp_path / "foreign")
    source = folders.find_ticket(str(tmp_path / "foreign"))
    config = {
        "transfer": TransferConfig(data=DataConfig(source="digits")),
        "evaluate": EvaluateConfig(data=DataConfig(source="digits")),
    }[verb]
    with pytest.raises(InputError, match="lacks class_names"):
        getattr(stages, verb)(config, source, tmp_path, "x", parallel.local_devices(1))


def test_a_ticket_that_does_not_say_its_task_needs_one():
    with pytest.raises(InputError, match=r"--config\.data\.source="):
        provenance.trained_on(META)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "resnet18"),
        ("class_names", 5),
        ("class_names", [1, 2]),
        ("mean", [0.1, 0.2]),
        ("mean", ["x"]),
        ("std", [0.0]),
        ("std", [float("nan")]),
        ("image_shape", [28, 28]),
        ("image_shape", [28, 28, 10**9]),
        ("image_shape", [28.5, 28, 1]),
        ("history", "all of it"),
    ],
)
def test_provenance_of_other_kinds_is_damage(name, value):
    with pytest.raises(InputError, match=f"damaged: .*{name}"):
        provenance.build_model({**META, name: value})


@pytest.mark.parametrize("changes", [{"task": [1]}, {"seed": "1"}, {"seed": None}])
def test_a_task_of_another_kind_is_none(changes):
    meta = {**META, "task": config_files.to_dict(DataConfig(source="digits")), "seed": 3, **changes}
    with pytest.raises(InputError, match="trained on"):
        provenance.trained_on(meta)


def test_a_backbone_without_a_head_is_no_network_yet():
    with pytest.raises(InputError, match="transfer it"):
        provenance.build_model({**META, "class_names": []})


def test_a_history_is_told_in_lines_whatever_it_holds():
    source = {"file": "x.pt"}
    imported = {"stage": "import", "source": source, "model": {"arch": "resnet50", "variant": None}}
    meta = {**META, "history": [imported, "odd", {"stage": 3}, {"stage": "draw", "method": "omp"}]}
    meta = provenance.extend(meta, "transfer", TransferConfig(), DataConfig(source="digits"), 3)
    assert provenance.history_lines(meta) == [
        "import: x.pt, resnet50",
        "3",
        "draw: omp, sparsity None",
        "transfer: mnist5k, finetune, natural",
    ]
    assert provenance.history_lines({}) == []


@pytest.mark.parametrize(
    ("task", "about"),
    [("keypoints", {}), ("keypoints", {"keypoint_names": []}), ("detection", {}),
     ("detection", {"class_names": []}), ("detection", {"class_names": 3}), ("segmentation", {}),
     ("restoration", {"channels": "many"})],
)  # fmt: skip
def test_what_is_no_head_of_a_task_is_refused(task, about):
    meta = {
        "model": {"arch": "resnet18"}, "mean": [0.5], "std": [0.2], "image_shape": [32, 32, 1],
        "asks": {"name": task}, "about": about,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"about|channels"):
        provenance.build_model(meta)
