"""Action segmentation: COIN."""

import numpy as np

from components.benchmark_evaluator.annotations.items import SegmentedSet, SegmentedVideo
from components.benchmark_evaluator.annotations.parts import TEST, TRAIN
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


def rules(annotated: SegmentedSet, protocol: SegmentationProtocol) -> dict[str, RegularRows]:
    """Returns which rows each video needs: one for each of its clips.

    Args:
      annotated: the videos.
      protocol: the settings.
    """
    rule = RegularRows(protocol.clip_seconds)
    return {video.video_id: rule for video in annotated.videos}


def score(
    annotated: SegmentedSet, embedded: EmbeddedVideos, protocol: SegmentationProtocol
) -> Outcome:
    """Trains a logistic regression on the training videos and labels the frames of the test ones.

    The features of one video at a time are read; the regression holds a few batches.

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
            usable[video.part].append(video)
        else:
            failures.append(Failure(video.video_id, *failure))
    for part, name in ((TRAIN, "train"), (TEST, "score")):
        if not usable[part]:
            raise ValueError(
                f"there is no video to {name} on: COIN needs its training and its testing subset, "
                f"and {num_found} of {annotated.num_annotated} videos are there "
                f"({reasons_in_words(failures)})"
            )
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
    truth = [_frames(video, embedded, protocol) for video in usable[TEST]]
    predicted = []
    for video, labels in zip(usable[TEST], truth, strict=True):
        features, _ = _sample(video, embedded, protocol)
        clips = segmentation.clip_of_frames(len(labels), protocol.label_rate, protocol.clip_seconds)
        predicted.append(regression.predict(features)[np.minimum(clips, len(features) - 1)])
    majority = segmentation.majority_label(
        _frames(video, embedded, protocol) for video in usable[TRAIN]
    )
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


def _frames(
    video: SegmentedVideo, embedded: EmbeddedVideos, protocol: SegmentationProtocol
) -> np.ndarray:
    """Returns the annotated label of each frame of a video, as long as its features last."""
    seconds = len(embedded.rows(video.video_id).values) * protocol.clip_seconds
    segments = [(segment.label, segment.start, segment.end) for segment in video.segments]
    return segmentation.frame_labels(segments, min(seconds, video.duration), protocol.label_rate)


def _sample(
    video: SegmentedVideo, embedded: EmbeddedVideos, protocol: SegmentationProtocol
) -> tuple[np.ndarray, np.ndarray]:
    """Returns features and labels of a video's clips, as far as both are known."""
    labels = _frames(video, embedded, protocol)
    clips = segmentation.clip_of_frames(len(labels), protocol.label_rate, protocol.clip_seconds)
    of_clips = segmentation.clip_labels(labels, clips)
    features = segmentation.clip_features(
        embedded.rows(video.video_id).values, protocol.position_size
    )
    return features[: len(of_clips)], of_clips
