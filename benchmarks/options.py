"""The options of the command line that several programs share."""

import argparse

from peers import PEERS


def make_parser(description, hidden):
    """Make a parser with what training and prediction have in common."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=5, metavar="N")
    parser.add_argument("--hidden", type=sizes, default=hidden, metavar="SIZES")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--rows", type=positive, metavar="N", help="take the first N samples only")
    parser.add_argument(
        "--only", type=peers, default=list(PEERS), metavar="NAMES", help=f"of {', '.join(PEERS)}"
    )
    return parser


def positive(text):
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number


def sizes(text):
    """Read sizes of layers with commas between; none for plain softmax regression."""
    return tuple(positive(size) for size in text.split(",") if size)


def peers(text):
    """Read names of peers with commas between; they come in the order of the table."""
    unknown = set(text.split(",")) - set(PEERS)
    if unknown:
        raise argparse.ArgumentTypeError(
            f"must be among {', '.join(PEERS)}, got {', '.join(sorted(unknown))}"
        )
    return [key for key in PEERS if key in text.split(",")]
