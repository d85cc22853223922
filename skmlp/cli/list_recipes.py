"""`skmlp recipes`: list the recipes, which are ready-made classifiers."""

from dataclasses import dataclass

from skmlp.cli.console import make_console, make_table, print_table
from skmlp.cli.errors import SUCCESS
from skmlp.cli.parser import Command

DESCRIPTION = """\
List the recipes: ready-made networks for handwritten digits.

'skmlp train --recipe NAME' trains one of them. Other options of 'skmlp train'
override its settings."""

EXAMPLES = """\
examples:
  skmlp recipes
  skmlp train --data mnist --recipe accurate
  skmlp train --data mnist --recipe accurate --epochs 10"""


@dataclass(frozen=True)
class RecipesOptions:
    """Options of `skmlp recipes`, which has none."""


def run(options):
    """Run `skmlp recipes`."""
    from skmlp.recipes import COMMITTEES, RECIPES

    console = make_console()
    table = make_table(console)
    for heading in ("recipe", "hidden layers", "epochs", "description"):
        table.add_column(heading, justify="right" if heading == "epochs" else "left")
    for recipe in RECIPES.values():
        sizes = ", ".join(map(str, recipe.parameters["hidden_layer_sizes"])) or "none"
        table.add_row(recipe.name, sizes, str(recipe.parameters["max_iter"]), recipe.summary)
    for committee in COMMITTEES.values():
        sizes = f"{len(committee.members)} networks"
        table.add_row(committee.name, sizes, "", committee.summary)
    print_table(console, table)
    return SUCCESS


COMMAND = Command(
    "recipes",
    summary="List the ready-made networks.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=RecipesOptions,
    run=run,
)
