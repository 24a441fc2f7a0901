"""Which words are discarded before a caption is embedded.

HowTo100M's captions and its text model are without stop words (Miech et al., 2019, sections 3.2 and
5.1), but neither paper nor data say which words those are. The list here states it.
"""

import pathlib

from models import files
from models import words as words_lib

ENGLISH = "english"
_ENGLISH_FILE = pathlib.Path(__file__).parent / "english_stop_words.txt"


def read_stop_words(setting: str) -> frozenset[str]:
    """Returns the words to discard, lower-cased.

    Args:
      setting: empty for none; "english" for the list beside this file: function words, and what
        narrators say without meaning anything by it; else the path of a UTF-8 text file with other
        words, parted by spaces or lines.

    Raises:
      ValueError: there is no such file, or it is no UTF-8 text.
    """
    if not setting:
        return frozenset()
    path = str(_ENGLISH_FILE) if setting == ENGLISH else setting
    try:
        return frozenset(words_lib.split_words(files.read_text(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"the stop words {setting!r} are neither {ENGLISH!r} nor a text file that can be read: "
            f"{error}"
        ) from error
