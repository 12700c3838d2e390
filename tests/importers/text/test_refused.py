"""What is not our BERT, or reads otherwise, is refused; what is assumed is said."""

import json

import numpy as np
import pytest

from rtickets.config import TextConfig
from rtickets.data.text.tokenizers import vocabulary_of
from rtickets.errors import InputError
from rtickets.importers import Options, import_checkpoint
from tests.importers.text.conftest import (
    CONFIG,
    HEADS,
    HIDDEN,
    VOCABULARY,
    WORDS,
    saved,
    tensors,
    with_words,
)

pytest.importorskip("tokenizers")


def broken(weights, config, what):
    if what == "missing":
        del weights["encoder.layer.1.attention.self.key.bias"]
    elif what == "another":
        weights["bert.lstm.weight"] = np.zeros((2, 2), np.float32)
    elif what == "untied":
        weights |= with_words(tensors())
        for name in list(weights):
            if not name.startswith(("bert.", "cls.")):
                del weights[name]
        weights["cls.predictions.decoder.weight"] = np.ones((WORDS, HIDDEN), np.float32)
    elif what == "heads":
        del config["num_attention_heads"]
    elif what == "nan":
        weights["pooler.dense.bias"] = np.full(HIDDEN, np.nan, np.float32)
    else:
        config |= what


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("missing", ("encoder.layer.1.attention.self.key.bias", "missing")),
        ("another", ("bert.lstm.weight", "--ignore")),
        ("untied", ("cls.predictions.decoder.weight",)),
        ("heads", ("--heads", str(HIDDEN))),
        ("nan", ("pooler.dense.bias", "finite")),
        ({"model_type": "roberta"}, ("model_type='roberta'",)),
        ({"hidden_act": "relu"}, ("hidden_act='relu'", "gelu")),
        ({"num_hidden_layers": 3}, ("num_hidden_layers=3", "2")),
    ],
    ids=str,
)
def test_what_is_not_our_bert_is_refused(folder, what, named):
    weights, config = tensors(), dict(CONFIG)
    broken(weights, config, what)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        import_checkpoint(saved(folder, weights), "bert")
    assert all(each in str(caught.value) for each in ("model.safetensors", *named))


def test_options_are_of_texts_or_of_images(folder):
    path = saved(folder, tensors())
    with pytest.raises(InputError, match="--bgr"):
        import_checkpoint(path, "bert", Options(bgr=True))
    with pytest.raises(InputError, match="--heads"):
        import_checkpoint(path, "resnet18", Options(heads=3))
    (folder / "vocab.txt").unlink()
    with pytest.raises(InputError, match="--tokenizer"):
        import_checkpoint(path, "bert")


CASED = [word.title() if word.isalpha() else word for word in VOCABULARY]


@pytest.mark.parametrize(
    ("tokens", "said", "lowercase"),
    [
        (VOCABULARY, None, True),
        (CASED, None, False),
        (VOCABULARY, {"do_lower_case": False}, False),
        (CASED, {"do_lower_case": True}, True),
        (CASED, {"model_max_length": 512}, False),
    ],
)
def test_a_vocabulary_is_read_in_the_case_that_it_is_of(folder, tokens, said, lowercase):
    (folder / "vocab.txt").write_text("\n".join(tokens))
    if said is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(said))
    ticket, report = import_checkpoint(saved(folder, with_words(tensors())), "bert")
    expected = vocabulary_of(TextConfig(str(folder / "vocab.txt"), lowercase=lowercase)).digest
    assert ticket.meta["asks"]["vocabulary"]["digest"] == expected
    assert any("lowercase=False" in note for note in report["notes"]) is not lowercase


@pytest.mark.parametrize("said", ["{", '{"do_lower_case": "no"}'])
def test_a_setting_of_case_that_is_none_is_refused(folder, said):
    (folder / "tokenizer_config.json").write_text(said)
    with pytest.raises(InputError, match="tokenizer_config"):
        import_checkpoint(saved(folder, tensors()), "bert")


def test_embeddings_of_no_token_are_told_and_no_other_tokenizer_is_taken(folder):
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY[:-2]))
    _, report = import_checkpoint(saved(folder, tensors()), "bert")
    assert any("2 of its 9 embeddings" in note for note in report["notes"])
    many = tensors()
    many["embeddings.word_embeddings.weight"] = np.zeros((WORDS + 128, HIDDEN), np.float32)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": WORDS + 128}))
    with pytest.raises(InputError, match="tokenizer has 7 tokens"):
        import_checkpoint(saved(folder, many), "bert")


def test_networks_that_read_otherwise_are_refused(folder):
    (folder / "config.json").unlink()
    other = {f"roberta.{name}": each for name, each in tensors().items()}
    with pytest.raises(InputError, match="RoBERTa"):
        import_checkpoint(saved(folder, other), "bert", Options(heads=HEADS))


def test_several_labels_of_a_text_are_no_classes(folder):
    config = {**CONFIG, "architectures": ["BertForSequenceClassification"],
              "problem_type": "multi_label_classification"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    head = {"classifier.weight": np.zeros((3, HIDDEN), np.float32),
            "classifier.bias": np.zeros(3, np.float32)}  # fmt: skip
    with pytest.raises(InputError, match="multi_label"):
        import_checkpoint(saved(folder, {**tensors(), **head}), "bert")
