"""What the two papers report for the same benchmarks, for the column beside one's own figures.

"HowTo100M" is Miech et al., ICCV 2019; "MIL-NCE" is Miech et al., CVPR 2020, whose "Ours" are meant
where nothing else is said. Shares are fractions, as everywhere.
"""

import dataclasses
from collections.abc import Collection, Mapping


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """One row of a paper's table.

    Attributes:
      method: what was measured.
      source: paper and table.
      metrics: figures by the names of our results.
      by_task: for CrossTask the recall of each task, by the names in CrossTask's release and in the
        order of the paper's table; else empty.
    """

    method: str
    source: str
    metrics: Mapping[str, float]
    by_task: Mapping[str, float] = dataclasses.field(default_factory=dict)


def _retrieval(
    method: str, source: str, r1: float, r5: float, r10: float, median: float
) -> PublishedRow:
    return PublishedRow(
        method,
        source,
        # Rounded anew, as a division may end in 0.151 and a bit.
        {
            "R@1": round(r1 / 100, 6),
            "R@5": round(r5 / 100, 6),
            "R@10": round(r10 / 100, 6),
            "median_rank": median,
        },
    )


def _one(method: str, source: str, name: str, percent: float) -> PublishedRow:
    return PublishedRow(method, source, {name: round(percent / 100, 6)})


def _crosstask(method: str, average: float, *of_tasks: float) -> PublishedRow:
    return PublishedRow(
        method,
        "HowTo100M, table 4",
        {"average_recall": round(average / 100, 6)},
        {
            task: round(percent / 100, 6)
            for task, percent in zip(_CROSSTASK_TASKS, of_tasks, strict=True)
        },
    )


# The tasks of the HowTo100M paper's table 4 in its order. The table shortens the names, such as to
# "Make Kimchi Rice", "Pickle Cucumber", "Build Shelves" and "Make Fish Curry".
_CROSSTASK_TASKS = (
    "Make Kimchi Fried Rice",
    "Make Bread and Butter Pickles",
    "Make Banana Ice Cream",
    "Grill Steak",
    "Jack Up a Car",
    "Make Jello Shots",
    "Change a Tire",
    "Make Lemonade",
    "Add Oil to Your Car",
    "Make a Latte",
    "Build Simple Floating Shelves",
    "Make Taco Salad",
    "Make French Toast",
    "Make Irish Coffee",
    "Make French Strawberry Cake",
    "Make Pancakes",
    "Make Meringue",
    "Make Kerala Fish Curry",
)
_MILNCE_5A, _MILNCE_5B = "MIL-NCE, table 5a", "MIL-NCE, table 5b"
_HOWTO_5, _HOWTO_6, _HOWTO_7 = (f"HowTo100M, table {number}" for number in (5, 6, 7))
_MILNCE_3 = "MIL-NCE, table 3, mean of three splits"

_RECOGNITION = {
    "hmdb51": (("I3D, frozen", 54.8), ("S3D, frozen", 53.1)),
    "ucf101": (("I3D, frozen", 83.4), ("S3D, frozen", 82.7)),
}

_PUBLISHED: Mapping[str, tuple[PublishedRow, ...]] = {
    "youcook2": (
        _retrieval("random", _MILNCE_5A, 0.03, 0.15, 0.3, 1675),
        _retrieval("HGLMM FV CCA, trained on YouCook2", _HOWTO_5, 4.6, 14.3, 21.6, 75),
        _retrieval("HowTo100M, trained on YouCook2", _HOWTO_5, 4.2, 13.7, 21.5, 65),
        _retrieval("HowTo100M, zero-shot", _HOWTO_5, 6.1, 17.3, 24.8, 46),
        _retrieval("HowTo100M, fine-tuned", _HOWTO_5, 8.2, 24.5, 35.3, 24),
        _retrieval("MIL-NCE I3D, zero-shot", _MILNCE_5A, 11.4, 30.6, 42.0, 16),
        _retrieval("MIL-NCE S3D, zero-shot", _MILNCE_5A, 15.1, 38.0, 51.2, 10),
    ),
    "msrvtt": (
        _retrieval("random", _HOWTO_6, 0.1, 0.5, 1.0, 500),
        _retrieval("JSFusion, trained on MSR-VTT", _HOWTO_6, 10.2, 31.2, 43.2, 13),
        _retrieval("HowTo100M, zero-shot", _HOWTO_6, 7.5, 21.2, 29.6, 38),
        _retrieval("HowTo100M, trained on MSR-VTT", _HOWTO_6, 12.1, 35.0, 48.0, 12),
        _retrieval("HowTo100M, fine-tuned", _HOWTO_6, 14.9, 40.2, 52.8, 9),
        _retrieval("MIL-NCE I3D, zero-shot", _MILNCE_5B, 9.4, 22.2, 30.0, 35),
        _retrieval("MIL-NCE S3D, zero-shot", _MILNCE_5B, 9.9, 24.0, 32.4, 29.5),
    ),
    "lsmdc": (
        _retrieval("random", _HOWTO_7, 0.1, 0.5, 1.0, 500),
        _retrieval("JSFusion, trained on LSMDC", _HOWTO_7, 9.1, 21.2, 34.1, 36),
        _retrieval("HowTo100M, zero-shot", _HOWTO_7, 4.0, 9.8, 14.0, 137),
        _retrieval("HowTo100M, trained on LSMDC", _HOWTO_7, 7.2, 18.3, 25.0, 44),
        _retrieval("HowTo100M, fine-tuned", _HOWTO_7, 7.1, 19.6, 27.9, 40),
    ),
    "crosstask": (
        _crosstask(
            "CrossTask, fully supervised",
            31.6,
            *(19.1, 25.3, 38.0, 37.5, 25.7, 28.2, 54.3, 25.8, 18.3),
            *(31.2, 47.7, 12.0, 39.5, 23.4, 30.9, 41.1, 53.4, 17.3),
        ),
        _crosstask(
            "Alayrac et al.",
            13.3,
            *(15.6, 10.6, 7.5, 14.2, 9.3, 11.8, 17.3, 13.1, 6.4),
            *(12.9, 27.2, 9.2, 15.7, 8.6, 16.3, 13.0, 23.2, 7.4),
        ),
        _crosstask(
            "CrossTask, weakly supervised",
            22.4,
            *(13.3, 18.0, 23.4, 23.1, 16.9, 16.5, 30.7, 21.6, 4.6),
            *(19.5, 35.3, 10.0, 32.3, 13.8, 29.5, 37.6, 43.0, 13.3),
        ),
        _crosstask(
            "HowTo100M, zero-shot",
            33.6,
            *(33.5, 27.1, 36.6, 37.9, 24.1, 35.6, 32.7, 35.1, 30.7),
            *(28.5, 43.2, 19.8, 34.7, 33.6, 40.4, 41.6, 41.9, 27.4),
        ),
        _one("MIL-NCE I3D, zero-shot", "MIL-NCE, table 4d", "average_recall", 36.4),
        _one("MIL-NCE S3D, zero-shot", "MIL-NCE, table 4d", "average_recall", 40.5),
    ),
    **{
        name: tuple(
            _one(f"MIL-NCE {method}", _MILNCE_3, "top_1", percent) for method, percent in rows
        )
        for name, rows in _RECOGNITION.items()
    },
    "hmdb51_fine_tuning": (
        _one("MIL-NCE I3D, fine-tuned", _MILNCE_3, "top_1", 59.2),
        _one("MIL-NCE S3D, fine-tuned", _MILNCE_3, "top_1", 61.0),
    ),
    "ucf101_fine_tuning": (
        _one("MIL-NCE I3D, fine-tuned", _MILNCE_3, "top_1", 89.1),
        _one("MIL-NCE S3D, fine-tuned", _MILNCE_3, "top_1", 91.3),
    ),
    "kinetics700": tuple(
        _one(f"I3D, {start}", "MIL-NCE, table 4c, validation", "top_1", percent)
        for start, percent in (
            ("from scratch", 57.0),
            ("inflated from ImageNet", 59.9),
            ("from MIL-NCE", 61.1),
        )
    ),
    "coin": tuple(
        _one(method, "MIL-NCE, table 4a", "frame_accuracy", percent)
        for method, percent in (
            ("ResNet-50 of ImageNet", 52.0),
            ("I3D of Kinetics-400", 52.9),
            ("CBT, S3D of Kinetics-600 and HowTo100M", 53.9),
            ("I3D of Kinetics-700", 54.2),
            ("MIL-NCE I3D", 59.4),
            ("MIL-NCE S3D", 61.0),
        )
    ),
    "youtube8m_segments": tuple(
        _one(method, "MIL-NCE, table 4b", "mAP", percent)
        for method, percent in (
            ("I3D of Kinetics-400", 73.7),
            ("I3D of Kinetics-700", 74.0),
            ("ResNet-50 of ImageNet", 75.0),
            ("MIL-NCE I3D", 77.1),
        )
    ),
}
# Settings that make another protocol of it, whose figures are no neighbours of the papers'.
_DECISIVE = frozenset(
    {
        "frames.output",
        "protocol.captions",
        "protocol.classifier",
        "protocol.cost",
        "protocol.regularization",
        "protocol.row_seconds",
        "protocol.scoring",
        "protocol.splits",
        "protocol.test_videos",
    }
)


def published_rows(
    benchmark: str, is_papers_set: bool, changed: Collection[str]
) -> tuple[PublishedRow, ...]:
    """Returns the papers' rows for the same set and protocol; none where either is another one.

    Args:
      benchmark: its name.
      is_papers_set: whether the items are those that the papers score on.
      changed: the settings that are not the benchmark's own, such as "protocol.scoring".
    """
    if not is_papers_set or not _DECISIVE.isdisjoint(changed):
        return ()
    return _PUBLISHED.get(benchmark, ())
