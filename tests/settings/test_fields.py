import dataclasses

import pytest

from rtickets import config
from rtickets.settings.fields import LABEL, fields_of, find_kind
from rtickets.settings.variants import Variant

NAMED = [getattr(config, name) for name in config.__all__ if name.endswith("Config")]
# An entry of a family has no place of its own: it is listed, and found, as its family.
CLASSES = [one for one in NAMED if not issubclass(one, Variant) or one.is_family()]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_says_its_type_and_its_meaning(cls):
    for field in fields_of(cls()):
        assert field.words, field.path
        assert "annotated" not in field.words.lower(), field
        assert field.meaning or not field.path.endswith(LABEL), field


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_of_a_class_with_several_is_explained(cls):
    undocumented = {f.path for f in fields_of(cls()) if "." not in f.path and not f.meaning}
    sections = {f.name for f in dataclasses.fields(cls) if find_kind(cls, f.name).section}
    assert undocumented <= sections


@pytest.mark.parametrize("cls", CLASSES)
def test_every_listed_path_is_a_field(cls):
    listed = fields_of(cls())
    assert listed
    for field in listed:
        assert find_kind(cls, field.path) is not None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("train.batch_size", "int > 0"),
        ("train.optimizer.momentum", "float >= 0 and < 1"),
        ("train.duration", "duration such as 160ep or 500it"),
        ("train.optimizer.clip_norm", "float > 0 | None"),
        ("data.channels", "1 | 3 | None"),
        ("data.crop_scale", "(float > 0 and <= 1, float > 0 and <= 1)"),
        ("train.objective.attack.radii", "(float >= 0, ...)"),
        ("model.precision", "float32 | bfloat16"),
    ],
)
def test_types_read_as_users_write_values(path, words):
    assert find_kind(config.PretrainConfig, path).words == words
