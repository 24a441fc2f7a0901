"""The vocabulary in the graph of a hub module: the words of its look-up table."""

import numpy as np

from models.hub_graph import ModuleError, ModuleGraph
from models.import_hub import find_gathers

_LOOKUPS = ("LookupTableFind", "LookupTableFindV2")
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
    line. Where the graph adds 1 to the ids that it looks up, so does this.

    Args:
      graph: a module's graph.
      num_words: the rows of its word vectors besides the padding's, V.

    Raises:
      ModuleError: there is no such table, or its ids are not those of the rows.
    """
    _, passed = graph.trace(graph.output("text", "text_embedding"), ())
    lookups = [node for node in passed if graph.op(node) in _LOOKUPS]
    gathers = [node for node in find_gathers(graph) if node in passed]
    if len(lookups) != 1 or len(gathers) != 1:
        raise ModuleError(
            f"the module looks words up in {len(lookups)} tables and vectors in {len(gathers)}, "
            f"not in one of each; {_ADVICE}"
        )
    words = _read_table(graph, graph.source_of_handle(graph.inputs(lookups[0])[0]))
    _, between = graph.trace(graph.inputs(gathers[0])[1], lookups)
    for offset in (0, 1) if _adds_one(graph, between) else (0,):
        by_row = {row + offset: word for row, word in words.items()}
        # A word at row 0 would be the padding.
        if by_row.keys() == set(range(1, num_words + 1)):
            return [by_row[row] for row in range(1, num_words + 1)]
    raise ModuleError(
        f"the module's table has {len(words)} words with ids from {min(words, default=0)} to "
        f"{max(words, default=0)}, but the rows of its word vectors are 1 to {num_words}; {_ADVICE}"
    )


def _adds_one(graph: ModuleGraph, nodes: list[str]) -> bool:
    added = [
        graph.array(name)
        for node in nodes
        for name in graph.inputs(node)
        if graph.op(node) in ("Add", "AddV2") and graph.op(name) == "Const"
    ]
    return any(np.ravel(array).tolist() == [1] for array in added)


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
