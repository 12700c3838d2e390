"""Entities and answers in texts beside those who measure them too: seqeval and torchmetrics.

    pip install seqeval==1.2.2 torchmetrics==1.9.0
    python tests/parity/text_measures.py

Where an answer has no word once articles and punctuation are left out, torchmetrics follows SQuAD
2.0, in which two such texts agree; they are left out here.
"""

import random
import warnings

import jax
import numpy as np
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from torchmetrics.functional.text import squad

from rtickets.tasks.answer_overlap import exact_match, normalised, overlap_f1
from rtickets.tasks.entities import counted

TAGS = ["O", "B-a", "I-a", "B-b", "I-b"]
WORDS = ["the", "a", "An", "cat", "Dog", "x,", "'s", "1,000", "\u00fcber", "A.", "theatre", " "]


def entities(strict: bool) -> float:
    """Return how far F1 of 300 sets of random tags is from seqeval's at most."""
    draw, run, apart = np.random.default_rng(0), jax.jit(counted, static_argnums=2), 0.0
    for _ in range(300):
        true, others = draw.integers(0, 5, (2, 4, 12))
        answers = np.where(draw.random(true.shape) < 0.6, true, others)
        there, said, right = (int(each.sum()) for each in run(answers, true, strict))
        names = [[[TAGS[k] for k in row] for row in each] for each in (true, answers)]
        options = {"mode": "strict", "scheme": IOB2} if strict else {}
        apart = max(apart, abs(2 * right / max(there + said, 1) - f1_score(*names, **options)))
    return apart


def overlaps() -> tuple[int, float]:
    """Return of how many random answers both measures are compared, and how far they are apart."""
    draw, apart, number = random.Random(0), 0.0, 0
    for _ in range(3000):
        answer, *right = (
            " ".join(draw.choices(WORDS, k=draw.randint(0, 5))) for _ in range(draw.randint(2, 4))
        )
        if not all(map(normalised, (answer, *right))):
            continue
        answers = {"answer_start": [0] * len(right), "text": right}
        theirs = squad([{"prediction_text": answer, "id": "1"}], [{"answers": answers, "id": "1"}])
        ours = {"exact_match": exact_match(answer, right), "f1": overlap_f1(answer, right)}
        apart = max(apart, *(abs(float(theirs[name]) / 100 - ours[name]) for name in ours))
        number += 1
    return number, apart


def main() -> None:
    """Print how far each is apart at most."""
    warnings.simplefilter("ignore")  # sets without entities
    for scheme in ("conlleval", "strict"):
        print(f"F1 of entities, {scheme}: {entities(scheme == 'strict'):.1e}")
    number, apart = overlaps()
    print(f"exact match and F1 of {number} answers: {apart:.1e}")


if __name__ == "__main__":
    main()
