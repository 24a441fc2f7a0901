"""A fingerprint of all files that an extraction reads besides the caption records."""

import os
from collections.abc import Iterator

from components.feature_extractor import feature_folder
from components.feature_extractor.config import FeaturesConfig
from components.files_fingerprint import files_fingerprint
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.fingerprint import input_fingerprint
from models import hub_folder


def features_fingerprint(videos: str, config: FeaturesConfig) -> str:
    """Returns a hash that changes when a file that the extraction reads appears, goes or changes.

    Files are known by path, size and time of last change. Subtitles beside the videos count as
    well, which does not matter: the captions that come from them are an input of the extraction.

    Args:
      videos: a folder of videos, a manifest CSV, or empty.
      config: the settings, which name weights, a model or a folder of features.

    Raises:
      ManifestError: the videos cannot be listed.
      ValueError: there is no such model, or no features in the folder.
    """
    of_files = files_fingerprint(_files(config))
    if not videos:
        return of_files
    return input_fingerprint(videos, IngestConfig(store_frames=not config.folder)) + of_files


def _files(config: FeaturesConfig) -> Iterator[str]:
    if config.hub_path:
        folder = hub_folder.version_folder(config.hub_path)
        yield folder
        for name in ("saved_model.pb", "variables/variables.index"):
            yield os.path.join(folder, name)
    elif config.folder:
        for files in feature_folder.find_features(config.folder).values():
            yield from sorted(files.values())
    else:
        yield config.weights_2d
        yield config.weights_3d
