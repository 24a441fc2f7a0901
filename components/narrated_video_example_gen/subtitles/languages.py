"""Language tags of subtitle tracks and files."""

_TWO_LETTERS = {
    "eng": "en", "spa": "es", "fra": "fr", "fre": "fr", "deu": "de", "ger": "de", "ita": "it",
    "por": "pt", "rus": "ru", "jpn": "ja", "kor": "ko", "zho": "zh", "chi": "zh", "ara": "ar",
    "hin": "hi", "nld": "nl", "dut": "nl", "pol": "pl", "tur": "tr", "swe": "sv", "dan": "da",
    "nor": "no", "fin": "fi", "ces": "cs", "cze": "cs", "ell": "el", "gre": "el", "heb": "he",
    "hun": "hu", "ind": "id", "ron": "ro", "rum": "ro", "tha": "th", "ukr": "uk", "vie": "vi",
}  # fmt: skip


def primary_language(tag: str | None) -> str:
    """Returns the language of a tag without region: `en` for `en-US`, `EN`, `eng` and `en_GB`.

    Args:
      tag: an ISO 639 code, alone or at the beginning of an IETF tag; None and `und` mean unknown.
    """
    primary = (tag or "").replace("_", "-").split("-")[0].strip().lower()
    return "" if primary == "und" else _TWO_LETTERS.get(primary, primary)
