"""The report: one self-contained HTML file about a model's retrieval."""

import base64
import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from matplotlib import rc_context, ticker
from matplotlib.figure import Figure
from PIL import Image

from components.retrieval_evaluator import metrics
from components.retrieval_evaluator.clips import Clip
from components.retrieval_evaluator.evaluation import Evaluation
from components.retrieval_evaluator.stored_frames import read_frames

NUM_QUERIES = 12
NUM_RETRIEVED = 5

_SHEET_COLUMNS = 2
_SHEET_FRAMES = 4
_FRAME_SIDE = 176
_FRAME_GAP = 2
_SHEET_QUALITY = 80
_GREY = "#7d8590"


@dataclasses.dataclass(frozen=True)
class Retrieved:
    """One clip in the list of a query.

    Attributes:
      clip: the clip.
      position: its place in the list, from 1; among equal scores, as stored.
      score: its dot product with the query.
      right: whether it is the query's own clip.
      sheet: its contact sheet as a data: URI, or None where no frames of it are stored.
    """

    clip: Clip
    position: int
    score: float
    right: bool
    sheet: str | None


@dataclasses.dataclass(frozen=True)
class Query:
    """One query and what it finds.

    Attributes:
      clip: the query's own clip.
      rank: the rank of its own clip, ties by their mean rank.
      top: the first clips of its list.
      own: its own clip, where that is not among the first.
    """

    clip: Clip
    rank: float
    top: Sequence[Retrieved]
    own: Retrieved | None


@dataclasses.dataclass(frozen=True)
class Curve:
    """A training curve: its title, what it says in words, and the image as a data: URI."""

    title: str
    description: str
    image: str


def choose_queries(ranks: np.ndarray, clips: Sequence[Clip], count: int) -> list[int]:
    """Chooses queries from the best found to the worst, without anybody's hand.

    The queries are sorted by rank, equal ranks by a hash of the clip, and taken at evenly spaced
    places, the first and the last among them.

    Args:
      ranks: [N], the rank of each query.
      clips: the N clips that the queries belong to.
      count: how many to choose.

    Returns:
      The indices of `count` queries, or of all where there are fewer.
    """

    def place(index: int) -> tuple[float, str, int]:
        clip = clips[index]
        key = f"{clip.video_id}\n{clip.caption_start:.3f}\n{clip.caption}"
        return float(ranks[index]), hashlib.sha256(key.encode()).hexdigest(), index

    order = sorted(range(len(clips)), key=place)
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [order[place] for place in places]


def contact_sheet(frames: Sequence[bytes]) -> bytes:
    """Returns a JPEG with four frames of a clip, evenly spaced, left to right and down.

    Args:
      frames: the JPEG bytes of the clip's frames, in time order, at least one.
    """
    places = ((np.arange(_SHEET_FRAMES) + 0.5) * len(frames) / _SHEET_FRAMES).astype(int)
    images = []
    for place in places:
        with Image.open(io.BytesIO(frames[place]), formats=["JPEG"]) as image:
            image = image.convert("RGB")
            image.thumbnail((_FRAME_SIDE, _FRAME_SIDE))
            images.append(image)
    width, height = images[0].size
    rows = _SHEET_FRAMES // _SHEET_COLUMNS
    sheet = Image.new(
        "RGB",
        (
            _SHEET_COLUMNS * (width + _FRAME_GAP) - _FRAME_GAP,
            rows * (height + _FRAME_GAP) - _FRAME_GAP,
        ),
        _GREY,
    )
    for index, image in enumerate(images):
        row, column = divmod(index, _SHEET_COLUMNS)
        sheet.paste(image, (column * (width + _FRAME_GAP), row * (height + _FRAME_GAP)))
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=_SHEET_QUALITY)
    return encoded.getvalue()


def parse_training_log(text: str) -> Mapping[str, tuple[Sequence[float], Sequence[float]]]:
    """Reads the series of a training log.

    Args:
      text: JSON Lines with `step` and any of `loss`, `eval_loss`, `learning_rate` and
        `clips_per_second`; a line that a killed run left unfinished is passed over.

    Returns:
      For each name the steps and the values.
    """
    series: dict[str, tuple[list[float], list[float]]] = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        for name in ("loss", "eval_loss", "learning_rate", "clips_per_second"):
            if entry.get(name) is not None and entry.get("step") is not None:
                steps, values = series.setdefault(name, ([], []))
                steps.append(entry["step"])
                values.append(entry[name])
    return series


def training_curves(text: str) -> list[Curve]:
    """Draws loss, learning rate and speed against the step, as far as the log has them.

    Args:
      text: the training log, see `parse_training_log`.
    """
    series = parse_training_log(text)
    panels = (
        ("Loss", {"loss": "training", "eval_loss": "eval split"}, False),
        ("Learning rate", {"learning_rate": ""}, True),
        ("Clips a second", {"clips_per_second": ""}, True),
    )
    curves = []
    for title, names, from_zero in panels:
        drawn = {label: series[name] for name, label in names.items() if name in series}
        if drawn:
            curves.append(Curve(title, _in_words(title, drawn), _draw(drawn, from_zero)))
    return curves


def _in_words(title: str, drawn: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    parts = [
        f"{label + ' ' if label else ''}from {values[0]:.4g} at step {steps[0]} to "
        f"{values[-1]:.4g} at step {steps[-1]}"
        for label, (steps, values) in drawn.items()
    ]
    return f"{title}: {'; '.join(parts)}"


def _draw(drawn: Mapping[str, tuple[Sequence[float], Sequence[float]]], from_zero: bool) -> str:
    settings = {
        "axes.edgecolor": _GREY,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 10,
        "text.color": _GREY,
        "axes.labelcolor": _GREY,
        "xtick.color": _GREY,
        "ytick.color": _GREY,
        # With a fixed salt and no date the same log gives the same file.
        "svg.hashsalt": "report",
    }
    with rc_context(settings):
        figure = Figure(figsize=(4.6, 2.8), layout="constrained")
        axes = figure.add_subplot()
        for (label, (steps, values)), colour in zip(
            drawn.items(), ("#3b82c4", "#d97a2b"), strict=False
        ):
            marker = "o" if len(steps) < 20 else None
            axes.plot(steps, values, label=label, color=colour, marker=marker, markersize=3)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.grid(color=_GREY, alpha=0.25, linewidth=0.6)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
        if len(drawn) > 1:
            axes.legend(frameon=False)
        image = io.BytesIO()
        figure.savefig(image, format="svg", transparent=True, metadata={"Date": None})
    return _data_uri("image/svg+xml", image.getvalue())


def example_queries(evaluation: Evaluation, pictures: Sequence[str]) -> list[Query]:
    """Returns a dozen queries with their first clips and the contact sheets.

    Args:
      evaluation: the evaluation to show.
      pictures: TFRecord shards of clip records, in which the frames of these clips are looked for.
    """
    ranks = evaluation.text_ranks.ranks
    clips = evaluation.clips
    chosen = choose_queries(ranks, clips, NUM_QUERIES)
    scores = metrics.dot_scores(evaluation.text_embeddings[chosen], evaluation.video_embeddings)
    orders = np.argsort(-scores, axis=1, kind="stable")
    tops = orders[:, :NUM_RETRIEVED]
    shown = sorted({*chosen, *tops.ravel().tolist()})
    frames = read_frames(pictures, [clips[index] for index in shown])
    sheets = {
        clip: _data_uri("image/jpeg", contact_sheet(images)) for clip, images in frames.items()
    }

    def retrieved(row: int, index: int, position: int) -> Retrieved:
        return Retrieved(
            clip=clips[index],
            position=position,
            score=float(scores[row, index]),
            right=index == chosen[row],
            sheet=sheets.get(clips[index]),
        )

    queries = []
    for row, index in enumerate(chosen):
        own = None
        if index not in tops[row]:
            own = retrieved(row, index, int(np.flatnonzero(orders[row] == index)[0]) + 1)
        top = [retrieved(row, int(found), place + 1) for place, found in enumerate(tops[row])]
        queries.append(Query(clips[index], float(ranks[index]), top, own))
    return queries


def render(
    document: Mapping[str, Any],
    evaluation: Evaluation,
    pictures: Sequence[str],
    training_log: str = "",
) -> str:
    """Returns the report.

    Args:
      document: the content of metrics.json.
      evaluation: the headline evaluation.
      pictures: TFRecord shards of clip records that may hold the clips' frames; may be empty.
      training_log: the trainer's training.jsonl, or an empty string.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["number"] = lambda value: f"{value:,.1f}".removesuffix(".0")
    environment.filters["clock"] = _clock
    queries = example_queries(evaluation, pictures)
    shown = [found for query in queries for found in (*query.top, query.own) if found]
    return environment.get_template("report.html.j2").render(
        document=document,
        recalls=metrics.RECALL_NAMES,
        queries=queries,
        any_unpictured=any(found.sheet is None for found in shown),
        curves=training_curves(training_log),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
