"""The TFX component that turns narrated videos into clips."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import artifacts, fingerprint_driver
from components.narrated_video_example_gen import driver, executor
from components.narrated_video_example_gen.config import IngestConfig


class NarratedVideoExampleGenSpec(types.ComponentSpec):
    """The specification of NarratedVideoExampleGen."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.VIDEOS_KEY: component_spec.ExecutionParameter(type=str),
        executor.CONFIG_KEY: component_spec.ExecutionParameter(type=str),
        fingerprint_driver.FINGERPRINT_KEY: component_spec.ExecutionParameter(
            type=str, optional=True
        ),
    }
    INPUTS = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        executor.EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        executor.CLIPS_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        executor.LEDGER_KEY: component_spec.ChannelParameter(type=artifacts.Ledger),
    }


class NarratedVideoExampleGen(base_beam_component.BaseBeamComponent):
    """Cuts narrated videos into clips, each with the captions nearest to it in time.

    Input is a folder of videos, searched with its subfolders, or a manifest CSV; subtitles are
    found beside or inside each video. Each caption is a clip, as in HowTo100M; the train and eval
    splits share no video. What cannot be used is in the ledger, and ends the run only when more
    than a set share of the videos fails. An unchanged input is a cache hit, a changed one is not.

    Component `outputs` contains:
     - `examples`: Channel of type `standard_artifacts.Examples` with the caption records, without
       frames, for StatisticsGen, ExampleValidator and Transform.
     - `clips`: Channel of type `standard_artifacts.Examples` with the clip records and, unless
       they are not to be stored, their frames, for training and evaluation.
     - `ledger`: Channel of type `artifacts.Ledger`.

    With `IngestConfig.annotations` the captions are those of an annotated set, and the splits are
    its parts; of a set that is only scored, `eval` alone. The outputs name the splits that they
    have: standard components read those, and fail on one without files.

    Example:
      example_gen = NarratedVideoExampleGen(videos="videos", config=IngestConfig(language="en"))
    """

    SPEC_CLASS = NarratedVideoExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(self, videos: str, config: IngestConfig | None = None):
        """Construct a NarratedVideoExampleGen.

        Args:
          videos: a folder of videos, or a manifest CSV; see `manifest.read_videos`. It may be
            empty where the annotations name the videos and no frames are stored.
          config: the settings; those of the MIL-NCE paper, without its filters, if None.
        """
        super().__init__(
            spec=NarratedVideoExampleGenSpec(
                videos=videos,
                ingest_config=(config or IngestConfig()).to_json(),
                examples=types.Channel(type=standard_artifacts.Examples),
                clips=types.Channel(type=standard_artifacts.Examples),
                ledger=types.Channel(type=artifacts.Ledger),
            )
        )
