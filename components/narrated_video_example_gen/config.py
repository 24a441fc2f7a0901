"""What the ingest can be told."""

import dataclasses
import json

ANNOTATION_FORMATS = ("csv", "youcook2", "msrvtt", "lsmdc")
ANNOTATION_SPLITS = ("eval", "own")


@dataclasses.dataclass(frozen=True)
class IngestConfig:
    """Settings of an ingest; the defaults are the MIL-NCE paper's clips, with every filter off.

    Attributes:
      frame_rate: frames sampled for each second of video.
      short_side: pixels of the shorter side of a stored frame. Smaller videos are not enlarged:
        that would add bytes without adding detail.
      jpeg_quality: quality of the stored frames, 1 to 95, as libjpeg counts.
      min_clip_seconds: a shorter caption's window is widened to this.
      max_clip_seconds: longer captions are left out, as they describe no single moment.
      bag_size: captions stored with each clip, its own among them; K of the positive bag.
      eval_fraction: share of the videos that goes to the eval split.
      videos_per_shard: videos that one worker decodes in a row and writes to one file.
      max_failed_fraction: share of the videos that may fail before the run ends with an error.
        Videos left out by a filter or as a duplicate have not failed.
      min_words: words that a transcript needs (100 in HowTo100M); None turns the filter off.
      max_duration: seconds that a video may last (2000 in HowTo100M); None turns it off.
      language: ISO 639-1 code of the narration, such as "en"; None accepts every language.
      min_views: views that a video needs (100 in HowTo100M); None turns it off.
      max_search_rank: last rank in its task's search results that is kept (200 in HowTo100M);
        None turns it off.
      caption_json: path of HowTo100M's caption.json or raw_caption.json with the captions of all
        videos; empty to look for subtitles beside and inside each video.
      annotations: path of a file of annotations, or "train=FILE,eval=FILE" with either or both. It
        makes an annotated set: the annotations take the place of the subtitles, as they are,
        windows are not widened, and no filter applies.
      annotation_format: one of `ANNOTATION_FORMATS`; what each is, is in `annotations/`.
      annotation_splits: "eval" takes the set's evaluation part alone, all of it to the eval split;
        "own" makes the set's training part the train split and its evaluation part the eval split.
        See `annotations.annotated_set.read_annotated_set`.
      exclude_videos: path of a CSV with the columns video_id and benchmark: videos not to read,
        as a benchmark scores them; empty for none. Of an annotated set it leaves out what could be
        trained on, not what is scored on.
      store_frames: whether clip records hold frames. Without them no picture is decoded, and a
        video file may be missing where the manifest or the annotations know the video.
    """

    frame_rate: float = 10.0
    short_side: int = 256
    jpeg_quality: int = 95
    min_clip_seconds: float = 5.0
    max_clip_seconds: float = 60.0
    bag_size: int = 5
    eval_fraction: float = 0.1
    videos_per_shard: int = 16
    max_failed_fraction: float = 0.5
    min_words: int | None = None
    max_duration: float | None = None
    language: str | None = None
    min_views: int | None = None
    max_search_rank: int | None = None
    caption_json: str = ""
    annotations: str = ""
    annotation_format: str = "csv"
    annotation_splits: str = "eval"
    exclude_videos: str = ""
    store_frames: bool = True

    def __post_init__(self):
        for name in ("frame_rate", "short_side", "max_clip_seconds", "bag_size"):
            self._check(name, getattr(self, name) > 0, "greater than 0")
        self._check("jpeg_quality", 1 <= self.jpeg_quality <= 95, "from 1 to 95")
        self._check("min_clip_seconds", self.min_clip_seconds >= 0, "at least 0")
        self._check("videos_per_shard", self.videos_per_shard >= 1, "at least 1")
        for name in ("eval_fraction", "max_failed_fraction"):
            self._check(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name, choices in (
            ("annotation_format", ANNOTATION_FORMATS),
            ("annotation_splits", ANNOTATION_SPLITS),
        ):
            self._check(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")

    def _check(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"ingest.{name} is {getattr(self, name)!r}; it must be {rule}")

    def without_filters(self) -> "IngestConfig":
        """Returns the settings with every filter off."""
        return dataclasses.replace(
            self,
            min_words=None,
            max_duration=None,
            language=None,
            min_views=None,
            max_search_rank=None,
        )

    def to_json(self) -> str:
        """Returns the settings as one line of JSON, the same for equal settings."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "IngestConfig":
        """Returns the settings that `to_json` wrote.

        Args:
          text: one JSON object.

        Raises:
          ValueError: the text names an unknown setting, or a value is out of range.
        """
        values = json.loads(text)
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown ingest settings: {', '.join(sorted(unknown))}")
        return cls(**values)
