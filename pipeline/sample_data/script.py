"""The script of a video: its steps, its narration and its metadata, all drawn from the seed."""

import dataclasses
from fractions import Fraction

import numpy as np

from pipeline.sample_data import narration
from pipeline.sample_data.config import SampleConfig
from pipeline.sample_data.narration import Kind, Line
from pipeline.sample_data.world import ACTIONS, COLOURS, PATTERNS, SHAPES, Item

_TRAIN_STREAM, _TEST_STREAM = 0, 1

# Width and height; both even, as 4:2:0 chroma needs. Most are near square, as the network sees a
# square crop of them.
_SIZES = (
    (128, 96), (144, 108), (160, 120), (120, 120), (112, 112), (130, 104), (144, 120),
    (96, 120), (96, 128), (108, 144), (176, 100), (192, 160),
)  # fmt: skip
_FRAME_RATES = (
    Fraction(10), Fraction(12), Fraction(25, 2), Fraction(15), Fraction(24000, 1001),
)  # fmt: skip
_FRAME_RATE_WEIGHTS = (0.3, 0.25, 0.2, 0.15, 0.1)
_PRODUCTS = {
    "lantern": "Hobbies and Crafts",
    "greeting card": "Hobbies and Crafts",
    "cookie": "Food and Entertaining",
    "cake topper": "Food and Entertaining",
    "cushion": "Home and Garden",
    "garden ornament": "Home and Garden",
    "costume badge": "Holidays and Traditions",
    "party decoration": "Holidays and Traditions",
}


@dataclasses.dataclass(frozen=True)
class Step:
    """One step: an action on an item.

    Attributes:
      start: when it begins, in seconds.
      end: when it ends, in seconds.
      action: a key of `world.ACTIONS`.
      item: the object.
      period: duration of one cycle of the motion, in seconds.
      phase: where in the cycle it begins, 0 to 1.
    """

    start: float
    end: float
    action: str
    item: Item
    period: float
    phase: float


@dataclasses.dataclass(frozen=True)
class VideoScript:
    """All that decides a video.

    Attributes:
      video_id: 11 characters, as on YouTube.
      picture_seed: seed of backgrounds, camera and sound.
      width: in pixels.
      height: in pixels.
      frame_rate: frames a second.
      num_frames: number of frames.
      steps: the steps in time order, each beginning where the one before ends.
      lines: the narration in time order; empty for a test video.
      music: start and end in seconds of music before the narration, or None.
      has_audio: whether the file has an audio track.
      task: what the video shows how to do.
      category: the category of the task.
      search_rank: place of the video among the results for the task, from 1.
      views: number of views.
    """

    video_id: str
    picture_seed: tuple[int, ...]
    width: int
    height: int
    frame_rate: Fraction
    num_frames: int
    steps: tuple[Step, ...]
    lines: tuple[Line, ...]
    music: tuple[float, float] | None
    has_audio: bool
    task: str
    category: str
    search_rank: int
    views: int

    @property
    def duration(self) -> float:
        """The duration in seconds."""
        return float(self.num_frames / self.frame_rate)


def write_scripts(config: SampleConfig) -> tuple[list[VideoScript], list[VideoScript]]:
    """Draws the scripts of all videos.

    Args:
      config: the settings.

    Returns:
      The scripts of the narrated training videos and of the test videos. No two steps of test
      videos agree in action, colour and shape.
    """
    train = []
    spread = config.steps_per_video // 4
    for index in range(config.num_videos):
        rng = np.random.default_rng([config.seed, _TRAIN_STREAM, index])
        num_steps = config.steps_per_video + int(rng.integers(-spread, spread + 1))
        pairs = _draw_steps(rng, num_steps, set())
        seed = (config.seed, _TRAIN_STREAM, index, 1)
        train.append(_write_script(rng, f"howto-{index:05d}", seed, pairs, narrated=True))
    test = []
    taken: set[tuple[str, str, str]] = set()
    for index in range(config.num_test_videos):
        rng = np.random.default_rng([config.seed, _TEST_STREAM, index])
        pairs = _draw_steps(rng, config.steps_per_video, taken)
        taken.update((action, item.colour, item.shape) for action, item in pairs)
        seed = (config.seed, _TEST_STREAM, index, 1)
        test.append(_write_script(rng, f"test-{index:06d}", seed, pairs, narrated=False))
    return train, test


def _draw_items(rng: np.random.Generator, count: int) -> list[Item]:
    """Returns items of different colours and different shapes."""
    colours = rng.permutation(list(COLOURS))[:count]
    shapes = rng.permutation(list(SHAPES))[:count]
    patterns = rng.choice(PATTERNS, size=count)
    return [
        Item(str(colour), str(pattern), str(shape))
        for colour, pattern, shape in zip(colours, patterns, shapes, strict=True)
    ]


def _draw_steps(
    rng: np.random.Generator, num_steps: int, taken: set[tuple[str, str, str]]
) -> list[tuple[str, Item]]:
    """Draws what is done to what.

    Args:
      rng: the source of randomness.
      num_steps: number of steps.
      taken: combinations of action, colour and shape that may not be used.

    Returns:
      Actions and items, no combination twice, neighbours differing in both.
    """
    while True:
        items = _draw_items(rng, max(2, min(len(COLOURS), (num_steps + 1) // 2)))
        open_pairs = [
            (action, item)
            for action in ACTIONS
            for item in items
            if (action, item.colour, item.shape) not in taken
        ]
        steps: list[tuple[str, Item]] = []
        while len(steps) < num_steps:
            fitting = [
                pair
                for pair in open_pairs
                if not steps or (pair[0] != steps[-1][0] and pair[1] != steps[-1][1])
            ]
            if not fitting:
                break
            steps.append(fitting[rng.integers(len(fitting))])
            open_pairs.remove(steps[-1])
        if len(steps) == num_steps:
            return steps


def _write_script(
    rng: np.random.Generator,
    video_id: str,
    picture_seed: tuple[int, ...],
    pairs: list[tuple[str, Item]],
    narrated: bool,
) -> VideoScript:
    has_intro = rng.random() < 0.4
    first = rng.uniform(2.0, 3.2) if has_intro else rng.uniform(0.0, 0.5)
    edges = np.round(first + np.cumsum([0.0, *rng.uniform(4.5, 6.0, size=len(pairs))]), 2)
    steps = []
    for (action, item), start, end in zip(pairs, edges[:-1], edges[1:], strict=True):
        period = float(rng.uniform(*ACTIONS[action].periods))
        steps.append(Step(float(start), float(end), action, item, period, float(rng.random())))

    width, height = _SIZES[rng.integers(len(_SIZES))]
    frame_rate = _FRAME_RATES[rng.choice(len(_FRAME_RATES), p=_FRAME_RATE_WEIGHTS)]
    num_frames = round((steps[-1].end + rng.uniform(0.4, 1.2)) * frame_rate)
    product = list(_PRODUCTS)[rng.integers(len(_PRODUCTS))]
    lines: list[Line] = []
    music = None
    if narrated:
        lines = _write_lines(rng, steps, has_intro, float(num_frames / frame_rate))
        if lines[0].start > 0.3:
            music = (0.0, lines[0].start)
    return VideoScript(
        video_id=video_id,
        picture_seed=picture_seed,
        width=width,
        height=height,
        frame_rate=frame_rate,
        num_frames=num_frames,
        steps=tuple(steps),
        lines=tuple(lines),
        music=music,
        has_audio=bool(rng.random() < 0.25),
        task=f"How to Make a {steps[0].item.shape.title()} {product.title()}",
        category=_PRODUCTS[product],
        search_rank=int(rng.integers(1, 201)),
        views=100 + int(rng.lognormal(8.5, 1.8)),
    )


def _write_lines(
    rng: np.random.Generator, steps: list[Step], has_intro: bool, duration: float
) -> list[Line]:
    """Writes one line for each step, and a greeting where there is time for one."""
    kinds = narration.plan_kinds(rng, len(steps), int(has_intro))
    fillers = iter(narration.say_fillers(rng, kinds.count(Kind.FILLER)))
    offset = {Kind.MATCH: 0, Kind.EARLY: 1, Kind.LATE: -1}
    spoken: list[tuple[float, Kind, int | None, str]] = []
    if has_intro:
        start = round(float(rng.uniform(0.1, 0.4)), 2)
        spoken.append((start, Kind.FILLER, None, narration.say_intro(rng)))
    for index, kind in enumerate(kinds):
        start = round(steps[index].start + float(rng.uniform(0.05, 0.4)), 2)
        if kind is Kind.FILLER:
            spoken.append((start, kind, None, next(fillers)))
            continue
        described = index + offset[kind]
        step = steps[described]
        text = narration.say_step(rng, step.action, step.item)
        while spoken and text == spoken[-1][-1]:
            text = narration.say_step(rng, step.action, step.item)
        spoken.append((start, kind, described, text))
    ends = [start for start, *_ in spoken[1:]] + [min(duration, round(steps[-1].end + 0.2, 2))]
    return [
        Line(start, end, narration.time_words(rng, text, start, end), text, kind, described)
        for (start, kind, described, text), end in zip(spoken, ends, strict=True)
    ]
