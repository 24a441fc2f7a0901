"""The vocabulary in the graph of a hub module: the words of its look-up table."""

from models.hub_graph import ModuleError, ModuleGraph
from models.import_hub import find_gathers

_LOOKUPS = ("LookupTableFind", "LookupTableFindV2")
# What gives unknown words ids of their own.
_BUCKETS = ("StringToHashBucket", "StringToHashBucketFast", "StringToHashBucketStrong")
_FILE_INITIALIZERS = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")
_VALUE_INITIALIZERS = (
    "InitializeTable",
    "InitializeTableV2",
    "LookupTableImport",
    "LookupTableImportV2",
)
# What a file's initialiser calls "the whole line" and "the number of the line".
_LINE, _LINE_NUMBER = -2, -1

_ADVICE = "give the vocabulary as a .npy array of its words, by row of the word vectors from 1"


def read_words(graph: ModuleGraph, num_words: int) -> list[str]:
    """Returns the words of a module by the rows of its word vectors, from 1.

    The table's words and ids are constants of the graph or a text file in its assets, a word a
    line. Row 0 is the padding's, so ids from 0 need 1 added, which is believed where the table
    says -1 of an unknown word.

    Args:
      graph: a module's graph.
      num_words: the rows of its word vectors besides the padding's, V.

    Raises:
      ModuleError: there is no such table, or its ids are not those of the rows.
    """
    _, passed = graph.trace(graph.output("text", "text_embedding"), ())
    lookups = [node for node in passed if graph.op(node) in _LOOKUPS]
    gathers = [node for node in find_gathers(graph) if node in passed]
    buckets = [node for node in passed if graph.op(node) in _BUCKETS]
    if len(lookups) != 1 or len(gathers) != 1 or buckets:
        raise ModuleError(
            f"the module looks words up in {len(lookups)} tables and vectors in {len(gathers)}, "
            f"not in one of each, or gives unknown words vectors; {_ADVICE}"
        )
    table, _, default = graph.inputs(lookups[0])
    words = _read_table(graph, graph.source_of_handle(table))
    # Where unknown words are -1, the graph adds 1 to make them the padding.
    adds_one = graph.array(graph.source(default)).tolist() == -1
    for offset in (0, 1) if adds_one else (0,):
        by_row = {row + offset: word for row, word in words.items()}
        if by_row.keys() == set(range(1, num_words + 1)):
            return [by_row[row] for row in range(1, num_words + 1)]
    raise ModuleError(
        f"the module's table has {len(words)} words with ids from {min(words, default=0)} to "
        f"{max(words, default=0)}, but the rows of its word vectors are 1 to {num_words}; {_ADVICE}"
    )


def _read_table(graph: ModuleGraph, table: str) -> dict[int, str]:
    """Returns the words of a table by their ids."""
    for node in graph.nodes(*_FILE_INITIALIZERS, *_VALUE_INITIALIZERS):
        handle, *rest = graph.inputs(node)
        if graph.source_of_handle(handle) != table:
            continue
        if graph.op(node) in _FILE_INITIALIZERS:
            return dict(enumerate(_read_lines(graph, node, rest[0])))
        words, ids = (graph.array(graph.source(name)).tolist() for name in rest)
        return {int(i): _decode(word, node) for i, word in zip(ids, words, strict=True)}
    raise ModuleError(f"nothing in the module fills the table {table}; {_ADVICE}")


def _read_lines(graph: ModuleGraph, node: str, name: str) -> list[str]:
    path = graph.asset(graph.source(name))
    columns = [graph.attribute(node, column).i for column in ("key_index", "value_index")]
    if path is None or columns != [_LINE, _LINE_NUMBER]:
        raise ModuleError(
            f"{node} fills its table from something else than a file of a word a line in the "
            f"module's assets; {_ADVICE}"
        )
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ModuleError(f"{path} cannot be read: {error.strerror or error}") from error
    if lines[-1] == b"":
        lines.pop()
    return [_decode(line, str(path)) for line in lines]


def _decode(word: bytes, where: str) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModuleError(f"{where} has the word {word!r}, which is not UTF-8") from error
