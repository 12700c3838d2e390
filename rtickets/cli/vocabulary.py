"""The verb `rtickets vocabulary`."""

import argparse
from collections.abc import Sequence

from rtickets.cli.verb import (
    EXIT_HELP,
    Verb,
    check_folder,
    path_of,
    place_of,
    positive,
    refuse_config,
)
from rtickets.errors import InputError, printable

_HELP = f"""
TEXT is a text file (*.txt, *.txt.gz, a text a line, in UTF-8) or a folder of such, or an address of
either, s3://BUCKET/PATH or gs://... FILE becomes a
vocabulary of word pieces, one a line, as vocab.txt of BERT: give it as
--config.data.text.tokenizer=FILE, and its number of tokens as --config.model.encoder.vocabulary;
with --cased also --config.data.text.lowercase=False.
{EXIT_HELP}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", nargs="+", type=place_of, metavar="TEXT", help="what is counted")
    parser.add_argument(
        "--size", type=positive, default=30_522, metavar="N", help="tokens at most (default: 30522)"
    )
    parser.add_argument(
        "--cased", action="store_true", help="tell large letters and accents from others"
    )
    parser.add_argument(
        "--out", required=True, type=path_of, metavar="FILE", help="the vocabulary to write"
    )


def _vocabulary(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.data.sources.texts.lines import read_lines
    from rtickets.data.text.tokenizers import train
    from rtickets.storage.fetched import here
    from rtickets.storage.files import write_text

    refuse_config("vocabulary", config_words)
    if options.out.exists():  # before anything is counted, which takes a while
        raise InputError(f"{options.out} exists; choose another --out")
    if options.out.suffix == ".json":
        raise InputError(f"--out={options.out} is for a tokenizer.json; give a name such as .txt")
    check_folder(options.out.parent, "the vocabulary")
    lines = [line for path in options.texts for line in read_lines(here(path))]
    tokens = train(lines, options.size, lowercase=not options.cased)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, "\n".join(tokens) + "\n")
    print(printable(f"done: {options.out}, {len(tokens):,} tokens of {len(lines):,} texts"))


VOCABULARY = Verb(_vocabulary, "count the word pieces of texts: a vocabulary", _add_options, _HELP)
