"""The six parts of table 2: what each varies, and which directions the paper found.

Each cell is the preset with a few settings changed, by the same words that `howto100m run --set`
takes. MIL-NCE paper (Miech et al., 2020), section 4.3 and table 2.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from components.trainer.config import TEXT_MODELS
from pipeline.configs import Preset, with_overrides

CANDIDATES = (1, 3, 5, 9, 17, 33)
# The numbers of candidates that the paper found best.
_BEST_CANDIDATES = (3, 5)

_ONE_CANDIDATE = "training.num_candidates=1"
_NCE = (_ONE_CANDIDATE, "training.loss=nce")
_MAX_MARGIN = (_ONE_CANDIDATE, "training.loss=max_margin")
_LOSS_NAMES = {
    "binary": "binary classification",
    "max_margin": "max-margin",
    "nce": "NCE",
    "max_nce": "Max+NCE",
    "attention_nce": "Attn+NCE",
    "concatenation_nce": "Cat+NCE",
    "mil_nce": "MIL-NCE",
}
_TEXT_MODEL_NAMES = {
    "lstm": "LSTM",
    "gru": "GRU",
    "transformer": "Transformer",
    "netvlad": "NetVLAD",
    "max_pool": "max-pool, the paper's",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One setting of a table.

    Attributes:
      series: which of the table's curves it belongs to.
      label: the setting, in words; no other cell of the table has it.
      overrides: the setting as `section.setting=value`, each.
      x: the setting as a number, for a plot with a numerical axis.
    """

    series: str
    label: str
    overrides: tuple[str, ...]
    x: float | None = None

    def preset(self, preset: Preset) -> Preset:
        """Returns the preset with the cell's settings.

        Args:
          preset: the settings of everything that the table does not vary.

        Raises:
          ValueError: the cell's settings do not go with the preset's.
        """
        return with_overrides(preset, self.overrides)


@dataclasses.dataclass(frozen=True)
class Direction:
    """A direction that the paper found.

    Attributes:
      claim: what it is.
      higher: label of the cell that should be better ...
      lower: ... than the cell of this label.
    """

    claim: str
    higher: str
    lower: str


@dataclasses.dataclass(frozen=True)
class Table:
    """One part of table 2.

    Attributes:
      letter: "a" to "f".
      title: what is varied.
      setting: name of what is varied, for the first column and the plot's axis.
      how: what is particular about its cells, in sentences.
      published: what the paper found, in one sentence.
      cells: the settings.
      directions: what the paper found, as it can be seen here.
    """

    letter: str
    title: str
    setting: str
    how: str
    published: str
    cells: Sequence[Cell]
    directions: Sequence[Direction]

    @property
    def name(self) -> str:
        """Returns the name of its files."""
        return f"table_2{self.letter}"


def make_table(letter: str, preset: Preset) -> Table:
    """Returns a part of table 2.

    Args:
      letter: "a" to "f".
      preset: the settings of everything that the table does not vary.

    Raises:
      ValueError: there is no such part, or the preset trains another kind of model.
    """
    if letter not in _MAKERS:
        raise ValueError(f"there is no table {letter!r}; there are {', '.join(_MAKERS)}")
    if preset.kind != "milnce":
        raise ValueError(
            f"table 2 is about MIL-NCE, but this preset trains a {preset.kind} model; take one "
            f"that trains from frames"
        )
    return _MAKERS[letter](preset)


def most_candidates(preset: Preset) -> int:
    """Returns how many captions the clips must store for every table."""
    return max(*CANDIDATES, preset.training.num_candidates)


def _losses(preset: Preset) -> Table:
    series = "1 candidate"
    cells = [
        Cell(series, _LOSS_NAMES[loss], (_ONE_CANDIDATE, f"training.loss={loss}"))
        for loss in ("binary", "max_margin", "nce")
    ]
    return Table(
        letter="a",
        title="Training loss",
        setting="loss",
        how="A clip has one caption, its own.",
        published=(
            "binary classification 18.5 and 23.1, max-margin 16.3 and 24.1, NCE 29.1 and 27.0"
        ),
        cells=cells,
        directions=[
            Direction(f"NCE beats {cell.label}", _LOSS_NAMES["nce"], cell.label)
            for cell in cells[:2]
        ],
    )


def _negatives(preset: Preset) -> Table:
    sides = 2 if preset.training.negatives == "symmetric" else 1
    everything = sides * (preset.training.batch_size - 1)
    # The three largest powers of two that are at most half of all, each a multiple of `sides`.
    powers = [1 << power for power in range(everything.bit_length())]
    numbers = [number for number in powers if sides <= number <= everything // 2][-3:]
    series = "NCE, 1 candidate"
    cells = [
        Cell(series, str(number), (*_NCE, f"training.num_negatives={number}"), float(number))
        for number in numbers
    ]
    cells.append(
        Cell(
            series,
            f"{everything} (all)",
            (*_NCE, "training.num_negatives=none"),
            float(everything),
        )
    )
    return Table(
        letter="b",
        title="Negatives for each positive",
        setting="negatives",
        how=(
            f"A clip has one caption, its own. A batch of {preset.training.batch_size} clips has "
            f"{everything} negatives for each; the paper's has 64 to 512."
        ),
        published=(
            "64 negatives 26.0 and 25.5, 128 27.1 and 26.4, 256 28.7 and 28.7, 512 28.8 and 29.0"
        ),
        cells=cells,
        directions=[
            Direction("More negatives are better", cells[-1].label, cell.label)
            for cell in cells[:1]
            if len(cells) > 1
        ],
    )


def _candidates(preset: Preset) -> Table:
    curve, margin = "NCE (1), MIL-NCE", "max-margin"
    cells = [Cell(curve, "1", _NCE, 1.0)]
    for number in CANDIDATES[1:]:
        overrides = (f"training.num_candidates={number}", "training.loss=mil_nce")
        if number > preset.ingest.bag_size:
            overrides = (f"ingest.bag_size={number}", *overrides)
        cells.append(Cell(curve, str(number), overrides, float(number)))
    cells.append(Cell(margin, "1, max-margin", _MAX_MARGIN, 1.0))
    lower = {
        "beats single-candidate NCE": "1",
        "beats single-candidate max-margin": "1, max-margin",
        "is better than with 33": "33",
    }
    return Table(
        letter="c",
        title="Number of positive candidates",
        setting="candidates",
        how=(
            "The candidates are the captions nearest in time to the clip's own. Where a transcript "
            "has fewer captions than that, one at an end of it is repeated, as in the reference "
            "code. All captions of the other clips are negatives, so there are more of them with "
            "more candidates. Max-margin, of table 2a, is here to be compared with."
        ),
        published=(
            "1 candidate (NCE) 29.1 and 27.0, 3 33.6 and 30.2, 5 35.0 and 31.8, 9 33.1 and 30.5, "
            "17 32.4 and 29.2, 33 28.3 and 30.4"
        ),
        cells=cells,
        directions=[
            Direction(f"MIL-NCE with {number} candidates {claim}", str(number), label)
            for claim, label in lower.items()
            for number in _BEST_CANDIDATES
        ],
    )


def _strategies(preset: Preset) -> Table:
    candidates = preset.training.num_candidates
    losses = ("max_nce", "attention_nce", "concatenation_nce", "mil_nce")
    cells = [
        Cell(f"{candidates} candidates", _LOSS_NAMES[loss], (f"training.loss={loss}",))
        for loss in losses
    ]
    return Table(
        letter="d",
        title="What is done with several candidates",
        setting="loss",
        how=(
            f"All have the same {candidates} candidates (the paper's 5). Cat+NCE joins them into "
            f"one narration, so that it has fewer negatives."
        ),
        published=(
            "Max+NCE 32.3 and 31.3, Attn+NCE 32.4 and 30.2, MIL-NCE 35.0 and 31.8; Cat+NCE, by the "
            "text alone, is below MIL-NCE"
        ),
        cells=cells,
        directions=[
            Direction(f"MIL-NCE beats {cell.label}", _LOSS_NAMES["mil_nce"], cell.label)
            for cell in cells[:-1]
        ],
    )


def _symmetry(preset: Preset) -> Table:
    labels = {
        "captions": "captions alone, (y given x)",
        "videos": "clips alone, (x given y)",
        "symmetric": "both, (x, y)",
    }
    cells = [
        Cell(_unvaried(preset), label, (f"training.negatives={negatives}",))
        for negatives, label in labels.items()
    ]
    return Table(
        letter="e",
        title="Symmetric and asymmetric negatives",
        setting="negatives",
        how="One kind alone has half as many negatives as both have.",
        published="captions alone 19.3 and 19.4, both 35.0 and 31.8",
        cells=cells,
        directions=[
            Direction(f"Both are better than {cell.label}", labels["symmetric"], cell.label)
            for cell in cells[:-1]
        ],
    )


def _text_models(preset: Preset) -> Table:
    best = "max_pool"
    cells = [
        Cell(_unvaried(preset), _TEXT_MODEL_NAMES[name], (f"model.text_model={name}",))
        for name in (*(name for name in TEXT_MODELS if name != best), best)
    ]
    return Table(
        letter="f",
        title="Language model",
        setting="text model",
        how="",
        published=(
            "GRU 16.8 and 16.9, Transformer 26.7 and 26.5, NetVLAD 33.4 and 29.2, max-pool 35.0 "
            "and 31.8"
        ),
        cells=cells,
        directions=[
            Direction(
                f"The paper's max-pool beats {cell.label}",
                _TEXT_MODEL_NAMES[best],
                cell.label,
            )
            for cell in cells[:-1]
        ],
    )


def _unvaried(preset: Preset) -> str:
    """Returns the loss of a preset and how many candidates it has, in words."""
    training = preset.training
    return f"{_LOSS_NAMES[training.loss]}, {training.num_candidates} candidates"


_MAKERS: Mapping[str, Callable[[Preset], Table]] = {
    "a": _losses,
    "b": _negatives,
    "c": _candidates,
    "d": _strategies,
    "e": _symmetry,
    "f": _text_models,
}
LETTERS = tuple(_MAKERS)
