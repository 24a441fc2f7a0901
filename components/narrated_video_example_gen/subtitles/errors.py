"""The one exception of the caption reader."""

EMPTY_SUBTITLE = "empty_subtitle"
UNKNOWN_FORMAT = "unknown_format"
MALFORMED = "malformed_subtitle"
UNSAFE_XML = "unsafe_xml"
UNREADABLE = "unreadable_subtitle"
TOO_LARGE = "subtitle_too_large"
MANY_VIDEOS = "many_videos"
NO_CAPTIONS = "no_captions"
NO_SUBTITLE_TRACK = "no_subtitle_track"
BITMAP_SUBTITLE = "bitmap_subtitle"


class SubtitleError(ValueError):
    """A subtitle file or track that gives no captions.

    Attributes:
      reason: one of the constants of this module, for counting.
      message: one line that says what is wrong and what to do about it.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message
