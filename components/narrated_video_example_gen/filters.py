"""The filters of the HowTo100M paper, each of them a setting.

A video is judged by what is known of it: a filter on views or on the search rank lets a video pass
whose metadata has no such column.
"""

from collections.abc import Sequence

from components.narrated_video_example_gen import config as config_lib
from components.narrated_video_example_gen.manifest import VideoRow
from components.narrated_video_example_gen.subtitles.caption import Caption

_ENGLISH_NAMES = frozenset({"en", "eng", "english"})

# A (reason, message) pair, or None for a video that passes.
Verdict = tuple[str, str] | None


def check_metadata(row: VideoRow, config: config_lib.IngestConfig) -> Verdict:
    """Applies the filters that need only the manifest.

    Args:
      row: the video.
      config: the limits.
    """
    if config.min_views is not None and row.views is not None and row.views < config.min_views:
        return "too_few_views", f"{row.views} views; at least {config.min_views} are needed"
    rank_limit = config.max_search_rank
    if rank_limit is not None and row.search_rank is not None and row.search_rank > rank_limit:
        return "search_rank", f"search rank {row.search_rank}; at most {rank_limit} is kept"
    if row.duration is not None and (verdict := check_duration(row.duration, config)):
        return verdict
    if config.language is not None and row.language and not _same(row.language, config.language):
        return "language", f"the manifest says {row.language}, not {config.language}"
    return None


def check_duration(duration: float, config: config_lib.IngestConfig) -> Verdict:
    """Applies the filter on the length of the video.

    Args:
      duration: length in seconds.
      config: the limits.
    """
    if config.max_duration is not None and duration > config.max_duration:
        return "too_long_video", f"{duration:.0f} s; at most {config.max_duration:.0f} s are kept"
    return None


def check_transcript(
    row: VideoRow, captions: Sequence[Caption], config: config_lib.IngestConfig
) -> Verdict:
    """Applies the filters that need the narration.

    Args:
      row: the video; if it names a language, that was checked already and is not guessed.
      captions: its narration.
      config: the limits.
    """
    if config.min_words is not None:
        words = sum(len(caption.text.split()) for caption in captions)
        if words < config.min_words:
            return "too_few_words", f"{words} words; at least {config.min_words} are needed"
    if config.language is not None and not row.language:
        guess = detect_language(" ".join(caption.text for caption in captions))
        if guess != config.language.lower():
            return "language", f"the narration reads like {guess}, not {config.language}"
    return None


def detect_language(text: str) -> str:
    """Returns the ISO 639-1 code of the language that the text is most likely in.

    Args:
      text: a transcript.
    """
    # Loading the model takes a while, which only runs with a language filter should pay for.
    import py3langid

    return py3langid.classify(text)[0]


def _same(tag: str, code: str) -> bool:
    """Whether a language tag such as "en-US" is of the language `code`."""
    primary = tag.strip().lower().replace("_", "-").split("-")[0]
    code = code.lower()
    return primary == code or (code in _ENGLISH_NAMES and primary in _ENGLISH_NAMES)
