"""What a caption is."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Caption:
    """One line of narration and when it is shown.

    Attributes:
      start: when it appears, in seconds from the start of the video.
      end: when it disappears, in seconds.
      text: what is said, one line without markup.
    """

    start: float
    end: float
    text: str
