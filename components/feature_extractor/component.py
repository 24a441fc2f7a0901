"""The TFX component that computes the frozen features of whole videos."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import artifacts, fingerprint_driver
from components.feature_extractor import driver, executor
from components.feature_extractor.config import FeaturesConfig


class FeatureExtractorSpec(types.ComponentSpec):
    """The specification of FeatureExtractor."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.VIDEOS_KEY: component_spec.ExecutionParameter(type=str),
        executor.CONFIG_KEY: component_spec.ExecutionParameter(type=str),
        fingerprint_driver.FINGERPRINT_KEY: component_spec.ExecutionParameter(
            type=str, optional=True
        ),
    }
    INPUTS = {  # noqa: RUF012
        executor.EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.FEATURES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        executor.LEDGER_KEY: component_spec.ChannelParameter(type=artifacts.Ledger),
    }


class FeatureExtractor(base_beam_component.BaseBeamComponent):
    """Computes the frozen features of each captioned video once, however many captions it has.

    The features are those of ResNet-152 and ResNeXt-101, as in HowTo100M, or `mixed_5c` of a pushed
    model; or they exist already, as one file for each video and stream. A video without usable
    features is in the ledger and has no record. An unchanged input is a cache hit.

    Component `outputs` contains:
     - `features`: Channel of type `standard_artifacts.Examples` with a feature record for each
       video (`schemas.video_features`), in uncompressed TFRecords; the splits that have videos.
     - `ledger`: Channel of type `artifacts.Ledger`.

    Example:
      extractor = FeatureExtractor(
          examples=example_gen.outputs["examples"],
          videos="videos",
          config=FeaturesConfig(source="hub:runs/demo/hub/local/mil-nce-s3d"),
      )
    """

    SPEC_CLASS = FeatureExtractorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(
        self,
        examples: types.BaseChannel,
        videos: str = "",
        config: FeaturesConfig | None = None,
    ):
        """Construct a FeatureExtractor.

        Args:
          examples: Channel of type `Examples` with the caption records of NarratedVideoExampleGen.
          videos: the folder of videos, or the manifest CSV, that the captions belong to; may be
            empty with a folder of features.
          config: the settings; those of the HowTo100M paper if None, which lack the weights.

        Raises:
          ValueError: there are no weights, or the source of the features is missing.
        """
        config = config or FeaturesConfig()
        config.check_source()
        super().__init__(
            spec=FeatureExtractorSpec(
                examples=examples,
                videos=videos,
                features_config=config.to_json(),
                features=types.Channel(type=standard_artifacts.Examples),
                ledger=types.Channel(type=artifacts.Ledger),
            )
        )
