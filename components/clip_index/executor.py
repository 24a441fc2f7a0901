"""The ClipIndexGen's executor."""

import dataclasses
import itertools
import json
import os
from typing import Any

import numpy as np
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.clip_index import search
from components.retrieval_evaluator import embedding
from components.retrieval_evaluator.executor import clip_files

CLIPS_KEY = "clips"
ANNOTATED_CLIPS_KEY = "annotated_clips"
PUSHED_MODEL_KEY = "pushed_model"
INDEX_KEY = "index"
SAMPLING_KEY = "sampling"

ANNOTATED_SPLIT = "annotated"

# The TFX Pusher's executor gives a PushedModel these custom properties.
_PUSHED_PROPERTY = "pushed"
_DESTINATION_PROPERTY = "pushed_destination"


class Executor(base_executor.BaseExecutor):
    """Embeds every clip of every split with the pushed model."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes embeddings.npy, clips.jsonl and model.json, or after no push the last two alone.

        Args:
          input_dict: `clips`, `pushed_model` and, where given, `annotated_clips`.
          output_dict: `index`.
          exec_properties: `sampling`, the keyword arguments of `embed_clips` as JSON.

        Raises:
          embedding.ModelError: the pushed model does not load or fails.
          ValueError: a file of clip records is damaged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        folder = artifact_utils.get_single_uri(output_dict[INDEX_KEY])
        pushed = artifact_utils.get_single_instance(input_dict[PUSHED_MODEL_KEY])
        if not pushed.get_int_custom_property(_PUSHED_PROPERTY):
            reason = "no model was pushed by this run, as the evaluator blessed none"
            logging.warning("The clip index is empty: %s.", reason)
            _write_json(folder, search.MODEL_FILE, {"pushed_model": "", "reason": reason})
            io_utils.write_string_file(os.path.join(folder, search.CLIPS_FILE), "")
            return
        path = pushed.get_string_custom_property(_DESTINATION_PROPERTY)
        model = embedding.TextVideoModel(path)
        sampling = json.loads(exec_properties[SAMPLING_KEY])
        matrices = []
        lines = []
        for key in (CLIPS_KEY, ANNOTATED_CLIPS_KEY):
            examples = input_dict.get(key) or []
            for split in _splits(examples):
                embedded = embedding.embed_clips(model, clip_files(examples, split), **sampling)
                name = ANNOTATED_SPLIT if key == ANNOTATED_CLIPS_KEY else split
                if embedded.clips:
                    matrices.append(embedded.embeddings)
                    lines += [_line(clip, name) for clip in embedded.clips]
                logging.info("Indexed %d clips of split %s of %s.", len(embedded.clips), split, key)
        embeddings = np.concatenate(matrices) if matrices else np.zeros([0, 0], np.float32)
        with fileio.open(os.path.join(folder, search.EMBEDDINGS_FILE), "wb") as stream:
            np.save(stream, embeddings, allow_pickle=False)
        io_utils.write_string_file(os.path.join(folder, search.CLIPS_FILE), "".join(lines))
        _write_json(folder, search.MODEL_FILE, {"pushed_model": path})


def _splits(examples: list[types.Artifact]) -> list[str]:
    """Returns the splits that any of the artifacts has, in the order met."""
    names = (artifact_utils.decode_split_names(artifact.split_names) for artifact in examples)
    return list(dict.fromkeys(itertools.chain.from_iterable(names)))


def _line(clip: embedding.Clip, split: str) -> str:
    indexed = search.IndexedClip(
        video_id=clip.video_id,
        start=round(clip.clip_start, 3),
        end=round(clip.clip_end, 3),
        caption=clip.caption,
        task=clip.task,
        split=split,
    )
    return json.dumps(dataclasses.asdict(indexed), ensure_ascii=False) + "\n"


def _write_json(folder: str, name: str, content: dict[str, str]) -> None:
    io_utils.write_string_file(os.path.join(folder, name), json.dumps(content, indent=2) + "\n")
