"""Command-line options that several benchmarks share."""

import argparse

from peers import PEERS


def make_parser(description):
    """Return a parser that prints the description of the program unchanged."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def make_peer_parser(description, hidden):
    """Return a parser with the options of `train.py` and `predict.py`."""
    parser = make_parser(description)
    add_rounds(parser, default=5)
    parser.add_argument(
        "--hidden",
        type=parse_layer_sizes,
        default=hidden,
        metavar="SIZES",
        help="sizes of the hidden layers, separated by commas",
    )
    parser.add_argument(
        "--dtype",
        choices=["float32", "float64"],
        default="float32",
        help="type of samples and weights",
    )
    parser.add_argument(
        "--samples", type=parse_count, metavar="N", help="use the first N training samples only"
    )
    parser.add_argument(
        "--only",
        type=parse_peers,
        default=list(PEERS),
        metavar="NAMES",
        help=f"peers to measure, separated by commas: {', '.join(PEERS)}",
    )
    return parser


def add_rounds(parser, default):
    """Add the option --rounds."""
    parser.add_argument(
        "--rounds", type=parse_count, default=default, metavar="N", help="number of timed rounds"
    )


def parse_count(text):
    """Return an integer of at least 1."""
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, got {text!r}.")
    return count


def parse_layer_sizes(text):
    """Return the layer sizes in a comma-separated list; an empty list means softmax regression."""
    return tuple(parse_count(size) for size in text.split(",") if size)


def parse_names(text, known):
    """Return the names in a comma-separated list, in the order of `known`."""
    unknown = set(text.split(",")) - set(known)
    if unknown:
        raise argparse.ArgumentTypeError(
            f"must be one or several of {', '.join(known)}, got {', '.join(sorted(unknown))}."
        )
    return [name for name in known if name in text.split(",")]


def parse_peers(text):
    return parse_names(text, PEERS)
