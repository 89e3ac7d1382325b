"""What models come to at first sight, and what differs between them."""

from collections.abc import Sequence

from latentgeo.measures.measure import Tile
from latentgeo.measures.table import measures_of
from latentgeo.results import ModelResult
from latentgeo.results.words import listed

_MOST = 3  # differences in a sentence


def tiles_of(model: ModelResult, models: Sequence[ModelResult]) -> list[Tile]:
    """Return what every measure says of a model at first sight.

    Parameters
    ----------
    model : ModelResult
        Which one.
    models : sequence of ModelResult
        All that it stands beside.

    Returns
    -------
    list of Tile
        The measures that say whether the others mean anything come first.
    """
    first = sorted(measures_of("analysis"), key=lambda measure: not measure.shown_unlearned)
    return [tile for measure in first for tile in measure.tiles(model, models)]


def difference(models: Sequence[ModelResult]) -> str:
    """Return in one sentence what differs between models.

    Models that have not learned are passed over, and so are numbers that have not settled.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of a report.

    Returns
    -------
    str
        Empty for a single model.
    """
    if len(models) < 2:
        return ""
    trusted = [model for model in models if not model.doubt]
    if len(trusted) < 2:
        return "Fewer than two of these models have learned, so there is nothing to compare."
    tiles = {model.label: tiles_of(model, models) for model in trusted}
    names = list(dict.fromkeys(one.name for found in tiles.values() for one in found))
    clauses = [_differ({label: _named(name, of) for label, of in tiles.items()}) for name in names]
    found = [clause for clause in clauses if clause][:_MOST]
    if not found:
        return "No difference between these models is larger than its uncertainty."
    return f"The models differ in {listed(found)}."


def _named(name: str, tiles: Sequence[Tile]) -> Tile | None:
    return next((one for one in tiles if one.name == name and one.compared), None)


def _differ(tiles: dict[str, Tile | None]) -> str:
    """Return a clause where one fact differs by more than its intervals, empty where none does."""
    known = {label: tile for label, tile in tiles.items() if tile is not None}
    numbers = {label: one for label, one in known.items() if one.estimate is not None}
    if len(numbers) < len(known) and not numbers:
        return _in_words(known)
    ordered = sorted(numbers.items(), key=lambda item: float(item[1].estimate or 0.0))
    if len(ordered) < 2:
        return ""
    (least, low), (most, high) = ordered[0], ordered[-1]
    if low.estimate is None or high.estimate is None or not low.estimate.below(high.estimate):
        return ""
    return f"{_inside(low.name)} ({low.text} for {least}, {high.text} for {most})"


def _in_words(tiles: dict[str, Tile]) -> str:
    """Return which models have which word, where they are not all the same and all settled."""
    by_word: dict[str, list[str]] = {}
    for label, tile in tiles.items():
        by_word.setdefault(tile.text, []).append(label)
    if len(by_word) < 2 or any(tile.standing == "open" for tile in tiles.values()):
        return ""
    told = ", ".join(f"{word} for {listed(labels)}" for word, labels in by_word.items())
    return f"{_inside(next(iter(tiles.values())).name)} ({told})"


def _inside(name: str) -> str:
    """Write a name as inside a sentence: abbreviations stay as they are."""
    return name if name.isupper() else name[0].lower() + name[1:]
