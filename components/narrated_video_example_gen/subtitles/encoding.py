"""From the bytes of a subtitle file to text, whatever its encoding."""

import codecs
import re

# UTF-32 before UTF-16: the little-endian mark of the one begins with that of the other.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_XML_DECLARATION = re.compile(rb"""\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
# UTF-8 needs no guess, and a declaration of UTF-16 that can be read as ASCII is wrong.
_UNRELIABLE_DECLARATIONS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7")
_LEGACY_ENCODINGS = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "koi8_r",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
)
# What the letters of Czech, Polish, Croatian... become when windows-1250 is read as windows-1252.
_CENTRAL_EUROPEAN = re.compile(r"[ŠŽšžŸ]|[^\W\d_][£¥¯³¹º¿][^\W\d_]")
_NULS_SAMPLED = 1024


def decode_text(data: bytes) -> str:
    """Decodes the bytes of a text file.

    In this order: the byte order mark; UTF-16 without one, by its zero bytes; what an XML
    declaration names; UTF-8; UTF-8 with a few broken bytes, as in a truncated file; and last a
    legacy encoding by charset-normalizer. That library cannot tell windows-1250 from windows-1252
    in short texts and then names the former; there, text without a letter that only Central
    European languages have is read as windows-1252 (and so Latin-1).

    Args:
      data: the file's bytes.

    Returns:
      The text with line ends as in the file, without a byte order mark, and with U+FFFD in place of
      NUL and of bytes that the encoding does not have.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _replace_nuls(data[len(mark) :].decode(encoding, "replace"))
    encoding = _utf16_by_zero_bytes(data) or _declared_in_xml(data)
    if encoding:
        return _replace_nuls(data.decode(encoding, "replace"))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        lenient = data.decode(errors="replace")
        broken = lenient.count("\ufffd")
        intact = sum(not character.isascii() for character in lenient) - broken
        text = lenient if intact > 10 * broken else _decode_legacy(data)
    return _replace_nuls(text)


def _replace_nuls(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _utf16_by_zero_bytes(data: bytes) -> str | None:
    sample = data[:_NULS_SAMPLED]
    even, odd = sample[::2], sample[1::2]
    if len(odd) < 2:
        return None
    if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def _declared_in_xml(data: bytes) -> str | None:
    declaration = _XML_DECLARATION.match(data)
    if not declaration:
        return None
    try:
        codec = codecs.lookup(declaration[1].decode())
    except LookupError:
        return None
    # Python's own transforms (rot13, zlib, idna...) are codecs too, but not encodings of text.
    is_text = getattr(codec, "_is_text_encoding", True)
    if not is_text or codec.name in (*_UNRELIABLE_DECLARATIONS, "idna", "punycode", "undefined"):
        return None
    if "escape" in codec.name:
        return None
    return codec.name


def _decode_legacy(data: bytes) -> str:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data, cp_isolation=list(_LEGACY_ENCODINGS)).best()
    western = data.decode("cp1252", "replace")
    if best is None or best.encoding == "cp1252":
        return western
    if best.encoding == "cp1250" and "\ufffd" not in western:
        return data.decode("cp1250") if _CENTRAL_EUROPEAN.search(western) else western
    return data.decode(best.encoding, "replace")
