import pytest

from rtickets.config import DataConfig
from rtickets.report.facts import data_words
from rtickets.settings import config_files


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "mnist5k"),
        ({"train_examples": 2000}, "mnist5k (2,000 training examples)"),
        ({"train_fraction": 0.01}, "1% of the training examples, balanced"),
        ({"train_per_class": 5, "train_choice": "prefix"}, "5 training examples of every class"),
    ],
)
def test_of_which_part_of_the_examples_numbers_are_is_said(fields, said):
    data = config_files.to_dict(DataConfig(source="mnist5k", **fields))
    assert said in data_words(data)
