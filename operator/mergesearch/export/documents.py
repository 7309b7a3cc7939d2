"""All files of an export by their names; pure."""

from mergesearch.export import card, recipe, tables
from mergesearch.export.card import Bases
from mergesearch.export.recipe import Folders
from mergesearch.export.subject import Subject


def documents(subject: Subject, folders: Folders, bases: Bases) -> dict[str, str]:
    """What is written beside the weights. The same search gives the same texts."""
    return {
        recipe.FILE: recipe.recipe(subject, folders),
        tables.WEIGHTS_FILE: tables.weights(subject),
        tables.CANDIDATES_FILE: tables.candidates(subject),
        card.FILE: card.card(subject, bases),
    }
