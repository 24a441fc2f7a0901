"""Action segmentation: COIN."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from components.benchmark_evaluator.annotations.items import SegmentedSet, SegmentedVideo
from components.benchmark_evaluator.embedding.row_rules import RegularRows
from components.benchmark_evaluator.embedding.run import EmbeddedVideos
from components.benchmark_evaluator.outcome import (
    Failure,
    Items,
    Outcome,
    failures_of,
    reasons_in_words,
)
from components.benchmark_evaluator.protocols import bootstrap, segmentation
from components.benchmark_evaluator.protocols.softmax_regression import (
    RegressionConfig,
    SoftmaxRegression,
)
from components.benchmark_evaluator.settings import SegmentationProtocol
from components.benchmark_evaluator.tasks.located import missing_video
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN


def rules(annotated: SegmentedSet, protocol: SegmentationProtocol) -> dict[str, RegularRows]:
    """Returns which rows each video needs: one for each of its clips.

    Args:
      annotated: the videos.
      protocol: the settings.

    Raises:
      ValueError: a part has no video.
    """
    failures = failures_of(annotated.problems)
    for part in (TRAIN, TEST) if annotated.videos else ():
        if all(video.part != part for video in annotated.videos):
            _refuse_empty(part, len(annotated.videos), annotated, failures)
    rule = RegularRows(protocol.clip_seconds)
    return {video.video_id: rule for video in annotated.videos}


def score(
    annotated: SegmentedSet, embedded: EmbeddedVideos, protocol: SegmentationProtocol
) -> Outcome:
    """Trains a logistic regression on the training videos and labels the frames of the test ones.

    All frames of the annotated duration count. The last clip also labels those of up to one clip
    after it; a video whose features end earlier than that is not used. The features of one video at
    a time are read; the regression holds a few batches.

    Args:
      annotated: the videos.
      embedded: their features, of the videos that are there.
      protocol: the settings.

    Raises:
      ValueError: a part has no video.
    """
    failures = failures_of(annotated.problems)
    usable: dict[str, list[SegmentedVideo]] = {TRAIN: [], TEST: []}
    num_found = 0
    for video in annotated.videos:
        if video.video_id not in embedded:
            failures.append(missing_video(video.video_id, video.video_id))
            continue
        num_found += 1
        rows = embedded.rows(video.video_id)
        failure = rows.problem
        if failure is None:
            failure = next(filter(None, map(rows.failure, range(len(rows.values)))), None)
        if failure is None:
            failure = _too_short(len(rows.values) * protocol.clip_seconds, video, protocol)
        if failure is None:
            usable[video.part].append(video)
        else:
            failures.append(Failure(video.video_id, *failure))
    for part in (TRAIN, TEST):
        if not usable[part]:
            _refuse_empty(part, num_found, annotated, failures)
    regression = SoftmaxRegression(
        lambda group: _sample(usable[TRAIN][group], embedded, protocol),
        len(usable[TRAIN]),
        len(annotated.labels),
        RegressionConfig(
            epochs=protocol.epochs,
            learning_rate=protocol.learning_rate,
            weight_decay=protocol.weight_decay,
            seed=protocol.seed,
        ),
    )
    truth = [_frames(video, protocol) for video in usable[TEST]]
    predicted = []
    for video, labels in zip(usable[TEST], truth, strict=True):
        features = _features(video, embedded, protocol)
        clips = _clips(labels, protocol)
        predicted.append(regression.predict(features)[np.minimum(clips, len(features) - 1)])
    majority = segmentation.majority_label(_frames(video, protocol) for video in usable[TRAIN])
    same = [np.full_like(labels, majority) for labels in truth]

    def accuracy(drawn: np.ndarray) -> float:
        return segmentation.frame_accuracy(
            [predicted[place] for place in drawn], [truth[place] for place in drawn]
        )

    by_video = [float((a == b).mean()) for a, b in zip(predicted, truth, strict=True)]
    return Outcome(
        headline="frame_accuracy",
        metrics={
            "frame_accuracy": segmentation.frame_accuracy(predicted, truth),
            "majority_class_accuracy": segmentation.frame_accuracy(same, truth),
        },
        intervals={"frame_accuracy": bootstrap.interval(accuracy, len(truth))},
        drawn="test videos",
        items=Items(
            "videos", annotated.num_annotated, num_found, sum(map(len, usable.values())), failures
        ),
        details={
            "num_train": len(usable[TRAIN]),
            "num_test": len(usable[TEST]),
            "num_labels": len(annotated.labels),
            "majority_class": annotated.labels[majority],
            "num_frames": int(sum(map(len, truth))),
            "mean_accuracy_of_videos": float(np.mean(by_video)),
            "num_repeated_label_names": len(annotated.labels) - len(set(annotated.labels)),
        },
    )


def _refuse_empty(
    part: str, num_found: int, annotated: SegmentedSet, failures: Sequence[Failure]
) -> NoReturn:
    raise ValueError(
        f"there is no video to {'train' if part == TRAIN else 'score'} on: COIN needs its training "
        f"and its testing subset, and {num_found} of {annotated.num_annotated} videos are there "
        f"({reasons_in_words(failures)})"
    )


def _too_short(
    seconds: float, video: SegmentedVideo, protocol: SegmentationProtocol
) -> tuple[str, str] | None:
    """Returns reason and message where features of so many seconds are not those of the video."""
    # Files end a little before the annotated duration, which is rounded; clips are rounded up.
    if round(video.duration - seconds, 6) <= protocol.clip_seconds:
        return None
    return (
        "too_short",
        f"its features end at {seconds:g} s, and {video.duration:g} s are annotated",
    )


def _frames(video: SegmentedVideo, protocol: SegmentationProtocol) -> np.ndarray:
    """Returns the annotated label of each frame of a video, int64 [F]."""
    segments = [(segment.label, segment.start, segment.end) for segment in video.segments]
    return segmentation.frame_labels(segments, video.duration, protocol.label_rate)


def _clips(labels: np.ndarray, protocol: SegmentationProtocol) -> np.ndarray:
    """Returns which clip each frame is in, int64 [F]."""
    return segmentation.clip_of_frames(len(labels), protocol.label_rate, protocol.clip_seconds)


def _features(
    video: SegmentedVideo, embedded: EmbeddedVideos, protocol: SegmentationProtocol
) -> np.ndarray:
    """Returns what the classifier sees of a video's clips, float32 [N, D]."""
    rows = embedded.rows(video.video_id).values
    return segmentation.clip_features(rows, protocol.position_size)


def _sample(
    video: SegmentedVideo, embedded: EmbeddedVideos, protocol: SegmentationProtocol
) -> tuple[np.ndarray, np.ndarray]:
    """Returns features and labels of a video's clips, as far as both are known."""
    labels = _frames(video, protocol)
    of_clips = segmentation.clip_labels(labels, _clips(labels, protocol))
    features = _features(video, embedded, protocol)
    count = min(len(features), len(of_clips))
    return features[:count], of_clips[:count]
