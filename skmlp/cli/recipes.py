"""`skmlp recipes`: lists the ready-made classifiers."""

from skmlp.cli.arguments import add_command
from skmlp.cli.console import make_console, make_table, print_table
from skmlp.cli.failures import SUCCESS

DESCRIPTION = """\
List the recipes: ready-made networks for handwritten digits.

'skmlp train --recipe NAME' trains one; options beside it change it."""

EXAMPLES = """\
examples:
  skmlp recipes
  skmlp train --data mnist --recipe accurate
  skmlp train --data mnist --recipe accurate --epochs 10"""


def add_parser(subparsers):
    """Add `skmlp recipes` to the command line."""
    add_command(
        subparsers,
        "recipes",
        run,
        summary="list ready-made networks",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )


def run(arguments):
    """Carry out `skmlp recipes`."""
    from skmlp.recipes import RECIPES, make_recipe

    console = make_console()
    table = make_table(console)
    for heading in ("recipe", "hidden layers", "epochs", "what it is"):
        table.add_column(heading, justify="right" if heading == "epochs" else "left")
    for name, recipe in RECIPES.items():
        mlp = make_recipe(name)
        sizes = ", ".join(map(str, mlp.hidden_layer_sizes)) or "none"
        table.add_row(name, sizes, str(mlp.max_iter), recipe.summary)
    print_table(console, table)
    return SUCCESS
