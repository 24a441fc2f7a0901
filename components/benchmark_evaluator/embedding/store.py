"""Embeddings that were computed are kept: an evaluation that was interrupted goes on."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from components.benchmark_evaluator.embedding.row_rules import RowRule
from components.benchmark_evaluator.embedding.rows import Rows, RowSource
from components.files_fingerprint import files_fingerprint
from models import files


class EmbeddingStore:
    """A folder with the rows of each video, by all that decides them.

    A video of which nothing could be made is tried again the next time: its file may have been
    somewhere else for a while. What is damaged, as after a crash of the machine, is made again too.
    """

    def __init__(self, folder: str):
        """Prepares the folder.

        Args:
          folder: a local one, made where it is missing.

        Raises:
          ValueError: it is an address.
        """
        if files.is_address(folder):
            raise ValueError(f"the store of embeddings {folder} must be a local folder")
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def read(self, key: str) -> Rows | None:
        """Returns the rows that are kept, or None where there are none that can be read.

        Args:
          key: see `row_key`.

        Raises:
          OSError: there are some, and the system does not give them.
        """
        return self._read(key, None)

    def write(self, key: str, rows: Rows) -> None:
        """Keeps rows. What is said of them is written first: rows that are there are complete.

        Args:
          key: see `row_key`.
          rows: the rows.
        """
        remarks_path, values_path = self._paths(key)
        if rows.problem is not None or rows.cut_off:
            with files.written(remarks_path) as stream:
                json.dump({"problem": rows.problem, "cut_off": rows.cut_off}, stream)
        else:
            remarks_path.unlink(missing_ok=True)
        if rows.values is None:
            values_path.unlink(missing_ok=True)
        else:
            with files.replacing(values_path) as stream:
                np.save(stream, rows.values, allow_pickle=False)

    def forget(self, key: str) -> None:
        """Lets go of what is known of a video.

        Args:
          key: see `row_key`.
        """
        for path in self._paths(key):
            path.unlink(missing_ok=True)

    def is_done(self, key: str) -> bool:
        """Tells whether it is known what became of a video.

        Args:
          key: see `row_key`.
        """
        return any(path.exists() for path in self._paths(key))

    def has_rows(self, key: str) -> bool:
        """Tells whether the rows of a video are kept and can be read.

        Args:
          key: see `row_key`.

        Raises:
          OSError: there are some, and the system does not give them.
        """
        rows = self._read(key, "r")
        return rows is not None and rows.values is not None

    def _read(self, key: str, mmap_mode: Literal["r"] | None) -> Rows | None:
        """Returns what is kept, and forgets it where it is damaged."""
        remarks_path, values_path = self._paths(key)
        values, remarks = None, {"problem": None, "cut_off": []}
        try:
            if values_path.exists():
                values = np.load(values_path, mmap_mode=mmap_mode, allow_pickle=False)
                if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype != "f4":
                    raise ValueError("these are no rows")
            if remarks_path.exists():
                remarks = json.loads(remarks_path.read_text())
            problem = tuple(remarks["problem"]) if remarks["problem"] is not None else None
            rows = Rows(values, problem, tuple(remarks["cut_off"]))
        except OSError:
            raise  # It may be there again the next time.
        # NumPy meets any bytes that a crash left; it names no fixed set of errors.
        except Exception:
            self.forget(key)
            return None
        return rows if values is not None or problem is not None else None

    def _paths(self, key: str) -> tuple[pathlib.Path, pathlib.Path]:
        return self._folder / f"{key}.json", self._folder / f"{key}.npy"


def row_key(source: RowSource, paths: Sequence[str], rule: RowRule) -> str:
    """Returns a name for all that decides a video's rows.

    Args:
      source: what makes the rows.
      paths: the video's files, known by path, size and time of last change.
      rule: which rows.
    """
    described = [source.described(), type(rule).__name__, dataclasses.asdict(rule)]
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update(files_fingerprint(map(files.absolute, paths)).encode())
    return digest.hexdigest()[:32]
