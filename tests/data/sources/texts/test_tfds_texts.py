"""GLUE and SQuAD of TensorFlow Datasets: written here as it writes them."""

import types

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig, TextConfig
from rtickets.errors import InputError
from rtickets.tasks import QuestionAnswering, TextClassification, TextRegression, task_of

tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("tokenizers")
pytestmark = pytest.mark.filterwarnings("default")  # of that package and what it imports

TEXT = TextConfig(length=24)


def write(root, name, features, example, splits):
    """Write a set of examples 0 ... n - 1 per split; a name may have a configuration."""
    own, _, configuration = name.partition("/")

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "unnamed"
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=configuration)] if configuration else []

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, _):
            return {split: self._generate_examples(count) for split, count in splits.items()}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, example(number)

    options = {"skip_registration": True}
    kind = types.new_class("Named", (Builder,), options, lambda body: body.update(name=own))
    kind(data_dir=str(root), file_format="array_record").download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


def config(root, name, **more):
    return DataConfig(f"tfds:{name}", path=str(root), text=TEXT, **more)


def test_glue_is_read_with_its_measures(tmp_path):
    label = tfds.features.ClassLabel(names=["unacceptable", "acceptable"])
    features = {"sentence": tfds.features.Text(), "label": label, "idx": np.int32}
    write(tmp_path, "glue/cola", features,
          lambda n: {"sentence": f"caf\u00e9 {n}", "label": n % 2, "idx": n},
          {"train": 40, "validation": 6, "test": 4})  # fmt: skip
    found = data.load(config(tmp_path, "glue/cola", validation_fraction=0.25))
    assert [len(each) for each in found[:3]] == [30, 10, 6]
    assert found.class_names == ("unacceptable", "acceptable")
    assert sorted(found.test.labels.tolist()) == [0, 0, 0, 1, 1, 1]  # TFDS shuffles
    task = task_of(config(tmp_path, "glue/cola"))
    assert (type(task), task.metric) == (TextClassification, "matthews")
    with pytest.raises(InputError, match=r"tfds:glue/rte is not there"):
        data.load(config(tmp_path, "glue/rte"))


def test_pairs_have_numbers_or_several_splits(tmp_path):
    text = tfds.features.Text()
    write(tmp_path, "glue/stsb", {"sentence1": text, "sentence2": text, "label": np.float32},
          lambda n: {"sentence1": f"a {n}", "sentence2": f"b {n}", "label": n / 8},
          {"train": 40, "validation": 6})  # fmt: skip
    found = data.load(config(tmp_path, "glue/stsb"))
    assert sorted(found.test.arrays["value"].tolist()) == [n / 8 for n in range(6)]
    assert found.train.arrays["segment"].any()
    assert isinstance(task_of(config(tmp_path, "glue/stsb")), TextRegression)
    label = tfds.features.ClassLabel(names=["entailment", "neutral", "contradiction"])
    write(tmp_path, "glue/mnli", {"premise": text, "hypothesis": text, "label": label},
          lambda n: {"premise": f"a {n}", "hypothesis": f"b {n}", "label": n % 3},
          {"train": 60, "validation_matched": 9, "validation_mismatched": 3})  # fmt: skip
    assert len(data.load(config(tmp_path, "glue/mnli")).test) == 9


def test_squad_is_read_with_all_its_answers(tmp_path):
    features = {
        "question": tfds.features.Text(), "context": tfds.features.Text(),
        "answers": tfds.features.Sequence(
            {"text": tfds.features.Text(), "answer_start": np.int32}
        ),
    }  # fmt: skip

    def example(n):
        answers = {"text": ["a dog", "dog"], "answer_start": [7, 9]}
        return {"question": f"who {n}?", "context": f"it was a dog {n}", "answers": answers}

    write(tmp_path, "squad", features, example, {"train": 40, "validation": 5})
    found = data.load(config(tmp_path, "squad"))
    assert isinstance(task_of(config(tmp_path, "squad")), QuestionAnswering)
    assert len(found.test) == 5
    assert found.test.arrays["answers"][0].tobytes() == b"a dog\xffdog\xff"
