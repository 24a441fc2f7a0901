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
from components.retrieval_evaluator.clips import Clip, ClipSource, join_embeddings
from components.retrieval_evaluator.executor import split_files
from components.retrieval_evaluator.feature_clips import FeatureClips
from components.retrieval_evaluator.frame_clips import FrameClips
from components.retrieval_evaluator.text_video_model import TextVideoModel

CLIPS_KEY = "clips"
FEATURES_KEY = "features"
ANNOTATED_CLIPS_KEY = "annotated_clips"
ANNOTATED_FEATURES_KEY = "annotated_features"
PUSHED_MODEL_KEY = "pushed_model"
INDEX_KEY = "index"
SAMPLING_KEY = "sampling"

ANNOTATED_SPLIT = "annotated"

# Whether the clips of a channel are annotated; in the order of the index.
_ALL_CLIPS = {
    CLIPS_KEY: False,
    FEATURES_KEY: False,
    ANNOTATED_CLIPS_KEY: True,
    ANNOTATED_FEATURES_KEY: True,
}

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
          input_dict: `pushed_model`; `clips` or `features`; where given, `annotated_clips` or
            `annotated_features`.
          output_dict: `index`.
          exec_properties: `sampling`, the settings of `FrameClips` as JSON, empty with features.

        Raises:
          ModelError: the pushed model does not load or fails.
          ValueError: a file of records is damaged.
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
        model = TextVideoModel(path)
        sampling = json.loads(exec_properties[SAMPLING_KEY])
        matrices = []
        lines = []
        for key, annotated in _ALL_CLIPS.items():
            examples = input_dict.get(key) or []
            for split in _splits(examples):
                files = split_files(examples, split)
                source: ClipSource = (
                    FeatureClips(files)
                    if key in (FEATURES_KEY, ANNOTATED_FEATURES_KEY)
                    else FrameClips(files, **sampling)
                )
                embedded = source.embed(model)
                if embedded.clips:
                    matrices.append(embedded.embeddings)
                    name = ANNOTATED_SPLIT if annotated else split
                    lines += [_line(clip, name) for clip in embedded.clips]
                logging.info("Indexed %d clips of split %s of %s.", len(embedded.clips), split, key)
        embeddings = join_embeddings(matrices)
        with fileio.open(os.path.join(folder, search.EMBEDDINGS_FILE), "wb") as stream:
            np.save(stream, embeddings, allow_pickle=False)
        io_utils.write_string_file(os.path.join(folder, search.CLIPS_FILE), "".join(lines))
        _write_json(folder, search.MODEL_FILE, {"pushed_model": path})


def _splits(examples: list[types.Artifact]) -> list[str]:
    """Returns the splits that any of the artifacts has, in the order met."""
    names = (artifact_utils.decode_split_names(artifact.split_names) for artifact in examples)
    return list(dict.fromkeys(itertools.chain.from_iterable(names)))


def _line(clip: Clip, split: str) -> str:
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
