"""The settings of a whole run, and the named presets.

Each preset says what it is for, the command that runs it, and what to expect. `with_overrides`
changes single settings by their dotted names, as the command line's `--set` does.
"""

import dataclasses
import json
import math
import os
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from components.benchmark_evaluator.config import FILE_SETTINGS, GateConfig
from components.feature_extractor.config import FeaturesConfig
from components.hub_pusher import kaggle
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.config import IngestConfig
from components.retrieval_evaluator.config import EvaluatorConfig
from components.trainer.config import (
    GatedModelConfig,
    GatedTrainingConfig,
    ModelConfig,
    TrainingConfig,
)
from components.word_vectors.config import WordVectorsConfig
from models import description, files, hub_folder
from pipeline.benchmarks.rates import read_rates

# A dataclass whose fields are sections of settings, dataclasses too.
_Settings = TypeVar("_Settings")


@dataclasses.dataclass(frozen=True)
class Preset:
    """Everything about a run but where its files are.

    Attributes:
      description: what the preset is for, its hardware and what to expect.
      ingest: from videos and subtitles to clips.
      words: the frozen word vectors.
      model: the joint model: a `ModelConfig` for the MIL-NCE road, from pixels, or a
        `GatedModelConfig` for the HowTo100M road, from frozen features.
      training: the training run, of the same road.
      evaluation: how the model is scored and when it is blessed.
      features: the frozen features of the HowTo100M road; None on the MIL-NCE road.
      model_name: second level of the hub folder, unless a run says otherwise.
    """

    description: str
    ingest: IngestConfig = dataclasses.field(default_factory=IngestConfig)
    words: WordVectorsConfig = dataclasses.field(default_factory=WordVectorsConfig)
    model: ModelConfig | GatedModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig | GatedTrainingConfig = dataclasses.field(
        default_factory=TrainingConfig
    )
    evaluation: EvaluatorConfig = dataclasses.field(default_factory=EvaluatorConfig)
    features: FeaturesConfig | None = None
    model_name: str = "mil-nce-s3d"

    @property
    def kind(self) -> str:
        """The kind of model, as in a pushed model's description: "milnce" or "gated"."""
        return "gated" if isinstance(self.model, GatedModelConfig) else "milnce"


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One run of the pipeline.

    Attributes:
      output: folder for what the run leaves for people, its metadata and its log; a local one where
        this machine runs the pipeline.
      videos: folder of videos, or a manifest CSV; empty where features and annotations say all.
      preset: the settings.
      test_videos: folder or manifest of annotated videos; empty to score on the eval split alone.
      test_annotations: CSV with `video_id,start,end,caption` of the annotated videos.
      publisher: first level of the hub folder.
      model_name: second level of the hub folder; the version is the third.
      workers: processes that decode videos; 0 for one for each core.
      engine: Beam's arguments for every Beam component, where the work is not for this machine's
        processes.
      init_from: folder of the pushed model that training starts from, or empty.
      gate: a benchmark on which a model must reach a bar to be pushed, or None.
      root: folder or address for data, checkpoints and the hub; empty for the output folder.
      hub: the hub folder, local or remote; empty for `hub` in the output folder.
      kaggle_handle: `<owner>/<model>/<framework>/<variation>` to upload to as well, or empty.
    """

    output: str
    videos: str
    preset: Preset
    test_videos: str = ""
    test_annotations: str = ""
    publisher: str = "local"
    model_name: str = "mil-nce-s3d"
    workers: int = 0
    engine: tuple[str, ...] = ()
    init_from: str = ""
    gate: GateConfig | None = None
    root: str = ""
    hub: str = ""
    kaggle_handle: str = ""

    def __post_init__(self):
        hub_folder.check_names(self.publisher, self.model_name)
        if self.kaggle_handle:
            kaggle.check_handle(self.kaggle_handle)
        if bool(self.test_videos) != bool(self.test_annotations):
            raise ValueError("test videos and test annotations must be given together")
        if self.preset.kind == "milnce":
            self._check_bag_size()

    def _check_bag_size(self) -> None:
        # Not the preset's check: the ablations store more captions than the preset of a cell says.
        wanted = self.preset.training.num_candidates
        stored = self.preset.ingest.bag_size
        if wanted > stored:
            raise ValueError(
                f"training.num_candidates is {wanted}, but ingest.bag_size, the captions stored "
                f"with each clip, is {stored}; raise ingest.bag_size to {wanted}, or lower "
                f"training.num_candidates"
            )

    @property
    def is_fine_tuning(self) -> bool:
        """Whether a pushed model is trained further on an annotated set."""
        return bool(self.init_from and self.preset.ingest.annotations)

    @property
    def storage_root(self) -> str:
        """The folder or address of data, checkpoints and the hub."""
        return self.root or self.output

    @property
    def hub_root(self) -> str:
        """The hub folder, which the publishers' folders are in."""
        return self.hub or f"{self.storage_root}/hub"

    @property
    def hub_directory(self) -> str:
        """The folder whose numbered subfolders are the model's pushed versions."""
        return os.path.join(self.hub_root, self.publisher, self.model_name)


_HOWTO100M_FILTERS = IngestConfig(
    min_words=100, max_duration=2000.0, language="en", min_views=100, max_search_rank=200
)

PRESETS: Mapping[str, Preset] = {
    "milnce-s3d": Preset(
        description=(
            "The MIL-NCE paper's S3D: 32 frames at 10 fps, 200 pixels, bag of 5, GoogleNews word "
            "vectors by --word-vectors, the HowTo100M filters on. For accelerators; one machine "
            "gives one replica's share of the paper's batch of 8,192."
        ),
        ingest=_HOWTO100M_FILTERS,
    ),
    "milnce-s3d-tpu": Preset(
        description=(
            "The schedule of the MIL-NCE paper's final model: batches of 8,192 clips over the 64 "
            "chips of the TPU that TPU_NAME names, 400,000 steps, 3 days in the paper; statistics "
            "and negatives from the whole batch. We never ran it. The paper's ablations are --set "
            "training.batch_size=512 --set training.steps=500000 on 4 chips."
        ),
        ingest=_HOWTO100M_FILTERS,
        training=TrainingConfig(
            steps=400_000,
            batch_size=8_192,
            mixed_bfloat16=True,
            strategy="tpu",
            synchronized_batch_norm=True,
        ),
    ),
    "howto100m-gated": Preset(
        description=(
            "The HowTo100M paper's model: max-pooled ResNet-152 and ResNeXt-101 features (weights "
            "by --set features.weights_2d and features.weights_3d, or a folder of features by "
            "--features), gated embedding of d = 4096, max-margin with half of the negatives from "
            "the same video, 32 videos x 64 pairs, GoogleNews word vectors by --word-vectors, the "
            "HowTo100M filters on. benchmarks/gated_step.json has the speed on two CPU cores."
        ),
        ingest=dataclasses.replace(_HOWTO100M_FILTERS, store_frames=False),
        words=WordVectorsConfig(stop_words="english"),
        model=GatedModelConfig(),
        training=GatedTrainingConfig(),
        features=FeaturesConfig(),
        model_name="howto100m-gated",
    ),
    "sample-gated": Preset(
        description=(
            "The sample data on the HowTo100M road, as `make demo-gated` runs it: mixed_5c of the "
            "demo's pushed S3D as features (--features hub:PATH), gated embedding of d = 512. Two "
            "CPU cores, a few minutes."
        ),
        ingest=IngestConfig(frame_rate=2.5, short_side=72, eval_fraction=0.1, videos_per_shard=8),
        words=WordVectorsConfig(stop_words="english"),
        model=GatedModelConfig(embedding_size=512, caption_size=512),
        training=GatedTrainingConfig(
            steps=400,
            videos_per_batch=32,
            pairs_per_video=8,
            steps_per_epoch=50,
            validation_batches=1,
        ),
        features=FeaturesConfig(
            hub_rate=1.0, hub_num_frames=8, hub_frame_rate=2.5, hub_image_size=64, batch_size=32
        ),
        model_name="howto100m-gated",
    ),
    "sample": Preset(
        description=(
            "The sample data, as `make demo` runs it: S3D at a quarter of its width on 8 frames of "
            "64 pixels. Two CPU cores, a quarter of an hour, text-to-video R@10 of 87.5 % among "
            "256 test clips (benchmarks/demo.json)."
        ),
        ingest=IngestConfig(frame_rate=2.5, short_side=72, eval_fraction=0.1, videos_per_shard=8),
        words=WordVectorsConfig(),
        model=ModelConfig(width=0.25, text_hidden_size=512),
        training=TrainingConfig(
            steps=1200,
            batch_size=48,
            num_candidates=3,
            num_frames=8,
            frame_rate=2.5,
            image_size=64,
            learning_rate=1e-3,
            warmup_steps=300,
            decay_at=(0.8,),
            steps_per_epoch=100,
            validation_batches=2,
        ),
        evaluation=EvaluatorConfig(num_frames=8, frame_rate=2.5, image_size=64, num_windows=4),
    ),
    "sample-ablation": Preset(
        description=(
            "The sample data, small enough for the MIL-NCE paper's table 2 on two CPU cores, as "
            "`make ablations` runs it: 60 trainings of 1,200 steps, of S3D at a quarter of its "
            "width on 8 frames of 48 pixels that are kept in memory."
        ),
        ingest=IngestConfig(frame_rate=2.5, short_side=54, eval_fraction=0.1, videos_per_shard=8),
        model=ModelConfig(width=0.25, text_hidden_size=512),
        training=TrainingConfig(
            steps=1200,
            batch_size=48,
            num_candidates=3,
            num_frames=8,
            frame_rate=2.5,
            image_size=48,
            learning_rate=1e-3,
            warmup_steps=100,
            decay_at=(0.8,),
            steps_per_epoch=100,
            validation_batches=0,
            cache_frames=True,
        ),
        evaluation=EvaluatorConfig(num_frames=8, frame_rate=2.5, image_size=48, num_windows=4),
    ),
    "small": Preset(
        description=(
            "A folder of real videos on a few CPU cores, in minutes: S3D at a quarter of its width "
            "on 8 frames of 112 pixels. Enough to see the whole road, not enough data for a good "
            "model unless the folder is large."
        ),
        ingest=IngestConfig(frame_rate=5.0, short_side=128, eval_fraction=0.2, videos_per_shard=4),
        model=ModelConfig(width=0.25, text_hidden_size=512),
        training=TrainingConfig(
            steps=200,
            batch_size=16,
            num_candidates=3,
            num_frames=8,
            frame_rate=2.5,
            image_size=112,
            warmup_steps=20,
            steps_per_epoch=50,
            validation_batches=1,
        ),
        evaluation=EvaluatorConfig(num_frames=8, frame_rate=2.5, image_size=112, num_windows=4),
    ),
}


def with_overrides(settings: _Settings, assignments: Sequence[str]) -> _Settings:
    """Returns settings with some of them changed.

    Args:
      settings: where to start: a `Preset`, the `BenchmarkSettings` of a benchmark, or another
        dataclass whose sections are dataclasses.
      assignments: `section.setting=value`, such as `training.steps=200`; the value is read as the
        setting's type.

    Raises:
      ValueError: an assignment is malformed, or names no setting, or its value has another type.
    """
    changes: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        section_name, dot, setting = name.strip().partition(".")
        if not separator or not dot:
            raise ValueError(f"{assignment!r} is not of the form section.setting=value")
        sections = [
            field.name
            for field in dataclasses.fields(settings)
            if dataclasses.is_dataclass(getattr(settings, field.name))
        ]
        if section_name not in sections:
            raise ValueError(f"no section {section_name!r}; there are {', '.join(sections)}")
        types = typing.get_type_hints(type(getattr(settings, section_name)))
        if setting not in types:
            raise ValueError(f"{section_name} has no {setting!r}; it has {', '.join(types)}")
        value = _parse(text.strip(), types[setting], name.strip())
        changes.setdefault(section_name, {})[setting] = value
    # A section's settings change together: which values go with which is checked at the end, so
    # their order does not matter.
    sections = {
        name: dataclasses.replace(getattr(settings, name), **changed)
        for name, changed in changes.items()
    }
    return dataclasses.replace(settings, **sections)


def _parse(text: str, kind: Any, name: str) -> Any:
    """Returns `text` as a value of the annotated type `kind`."""
    choices = typing.get_args(kind) if typing.get_origin(kind) is not tuple else ()
    if type(None) in choices and text.lower() in ("none", "null", ""):
        return None
    (kind,) = [choice for choice in choices if choice is not type(None)] or [kind]
    if kind is str:
        return text
    try:
        value = json.loads(text.lower() if kind is bool else text)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
    except json.JSONDecodeError:
        value = text
    except OverflowError:
        value = math.inf
    for number in value if isinstance(value, list) else [value]:
        # JSON has no NaN and no infinity, but its reader takes them, and 1e999 too.
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"{name} is {text!r}; it must be finite")
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return tuple(value)
    if type(value) is not kind:
        expected = getattr(kind, "__name__", str(kind))
        raise ValueError(f"{name} is {text!r}; it must be of type {expected}")
    return value


def absolute_source(source: str) -> str:
    """Returns a source of features, `hub:PATH` or a folder, with its path absolute.

    Args:
      source: what `--features` says; of a pushed model's versions the newest is named.

    Raises:
      ValueError: there is no such model or folder.
    """
    if source.startswith("hub:"):
        return "hub:" + files.absolute(hub_folder.version_folder(source.removeprefix("hub:")))
    if not files.is_remote(source) and not os.path.isdir(source):
        raise ValueError(f"--features {source}: neither hub:PATH nor a folder of features")
    return files.absolute(source)


def absolute_annotations(annotations: str) -> str:
    """Returns annotation files, `FILE` or `train=FILE,eval=FILE`, with their paths absolute.

    Args:
      annotations: what `--annotations` says.
    """
    return ",".join(
        f"{split}={files.absolute(path)}" if split else files.absolute(path)
        for split, path in annotation_files(annotations)
    )


def check_output(output: str) -> None:
    """Refuses an output folder that is an address: SQLite's metadata and the log are local files.

    Args:
      output: the folder.

    Raises:
      ValueError: it is an address.
    """
    if files.is_address(output):
        raise ValueError(
            f"the output folder {output} must be a local one, for the metadata and the log; "
            f"--root {output} puts data, checkpoints and pushed models there"
        )


# What is said of a benchmark besides its name, and the options that say it.
_GATE_OPTIONS = {
    "benchmark_annotations": "--benchmark-annotations",
    "benchmark_videos": "--benchmark-videos",
    "benchmark_features": "--benchmark-features",
    "benchmark_minimum": "--benchmark-minimum",
    "benchmark_settings": "--benchmark-set",
    "benchmark_rates": "--benchmark-rate",
    "benchmark_require_complete": "--benchmark-allow-missing",
}


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What a person says of a run; `run.json` in the output folder holds it.

    Attributes:
      videos: folder of videos, a manifest CSV, or empty.
      output: local folder for what the run leaves for people, its metadata and its log.
      preset: name of a preset.
      overrides: `section.setting=value`, each.
      test_videos: folder or manifest of annotated videos, or empty.
      test_annotations: their CSV, or empty.
      publisher: first level of the hub folder.
      model_name: second level of the hub folder; empty for the preset's.
      workers: processes that decode videos; 0 for one for each core.
      engine: Beam's arguments for every Beam component, or none for this machine's processes.
      init_from: folder of a pushed model, or of its versions, to start training from, or empty.
      benchmark: name of a benchmark that gates the push, or empty.
      benchmark_annotations: its annotation files.
      benchmark_videos: folder of its videos, or empty.
      benchmark_features: folder of their features in place of videos, or empty.
      benchmark_minimum: least value of its headline figure, as a fraction.
      benchmark_settings: its settings that differ from the papers', `section.setting=value`, each.
      benchmark_rates: rows a second of streams of its features, `stream=rate`, each.
      benchmark_require_complete: whether a model is refused where a part of it cannot be scored.
      root: folder or address for data, checkpoints and the hub; empty for the output folder.
      hub: the hub folder, local or remote; empty for `hub` in the output folder.
      kaggle_handle: `<owner>/<model>/<framework>/<variation>` to upload to as well, or empty.
    """

    videos: str
    output: str
    preset: str = "small"
    overrides: tuple[str, ...] = ()
    test_videos: str = ""
    test_annotations: str = ""
    publisher: str = "local"
    model_name: str = ""
    workers: int = 0
    engine: tuple[str, ...] = ()
    init_from: str = ""
    benchmark: str = ""
    benchmark_annotations: str = ""
    benchmark_videos: str = ""
    benchmark_features: str = ""
    benchmark_minimum: float = 0.0
    benchmark_settings: tuple[str, ...] = ()
    benchmark_rates: tuple[str, ...] = ()
    benchmark_require_complete: bool = True
    root: str = ""
    hub: str = ""
    kaggle_handle: str = ""

    def resolve(self) -> RunConfig:
        """Returns the run with its preset looked up and its paths absolute.

        With `init_from` the model's settings are those of the pushed model.

        Raises:
          ValueError: there is no such preset or setting, or no pushed model of the preset's kind,
            or the options of a benchmark do not fit each other or the preset, or a name or a
            handle cannot be one.
        """
        if self.preset not in PRESETS:
            raise ValueError(f"no preset {self.preset!r}; there are {', '.join(PRESETS)}")
        preset = with_overrides(PRESETS[self.preset], self.overrides)
        init_from = ""
        if self.init_from:
            init_from = files.absolute(hub_folder.version_folder(self.init_from))
            preset = _with_pushed_model(preset, init_from)
        return RunConfig(
            output=files.absolute(self.output),
            videos=files.absolute(self.videos),
            preset=preset,
            test_videos=files.absolute(self.test_videos),
            test_annotations=files.absolute(self.test_annotations),
            publisher=self.publisher,
            model_name=self.model_name or preset.model_name,
            workers=self.workers or os.cpu_count() or 1,
            engine=self.engine,
            init_from=init_from,
            gate=self._gate(preset),
            root=files.absolute(self.root),
            hub=files.absolute(self.hub),
            kaggle_handle=self.kaggle_handle,
        )

    def _gate(self, preset: Preset) -> GateConfig | None:
        """Returns what the options say of the gate; `benchmarks.gate.check_gate` looks at files."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        given = [
            option
            for name, option in _GATE_OPTIONS.items()
            if getattr(self, name) != defaults[name]
        ]
        if not self.benchmark:
            if given:
                raise ValueError(f"{', '.join(given)}: say which one by --benchmark")
            return None
        if not self.benchmark_annotations:
            raise ValueError("--benchmark needs --benchmark-annotations")
        if bool(self.benchmark_videos) == bool(self.benchmark_features):
            raise ValueError("--benchmark needs either --benchmark-videos or --benchmark-features")
        if self.benchmark_rates and self.benchmark_videos:
            raise ValueError("--benchmark-rate goes with --benchmark-features")
        from components.benchmark_evaluator.benchmarks import find_benchmark

        benchmark = find_benchmark(self.benchmark)
        if preset.kind == "gated" and not benchmark.needs_text:
            raise ValueError(
                f"{self.benchmark} cannot gate this preset: it is about frames, and the preset "
                f"trains a gated model, which takes features"
            )
        if preset.kind == "gated" and self.benchmark_videos:
            raise ValueError(
                "this preset trains a gated model, which takes features, not frames: give "
                "--benchmark-features"
            )
        if preset.kind == "milnce" and self.benchmark_features:
            raise ValueError(
                "this preset trains a model of frames, which has no part in a benchmark of "
                "features: give --benchmark-videos"
            )
        settings = with_overrides(benchmark.defaults, self.benchmark_settings).as_dict()
        for name in FILE_SETTINGS:
            if name in settings["protocol"]:
                settings["protocol"][name] = files.absolute(settings["protocol"][name])
        return GateConfig(
            benchmark=self.benchmark,
            annotations=absolute_annotations(self.benchmark_annotations),
            videos=files.absolute(self.benchmark_videos),
            features=files.absolute(self.benchmark_features),
            minimum=self.benchmark_minimum,
            settings=settings,
            store=f"{files.absolute(self.output)}/benchmark_embeddings",
            require_complete=self.benchmark_require_complete,
            feature_rates=read_rates(self.benchmark_rates, "--benchmark-rate"),
        )

    def save(self, path: pathlib.Path) -> None:
        """Writes the options as JSON.

        Args:
          path: the file.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json() + "\n")

    def to_json(self) -> str:
        """Returns the options as JSON, the same for equal ones."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "RunOptions":
        """Returns the options that JSON holds.

        Args:
          text: one JSON object; what it leaves out has its default.

        Raises:
          TypeError: it names an unknown option, or lacks one that has no default.
          ValueError: it is no JSON.
        """
        values = json.loads(text)
        # JSON has no tuples.
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _with_pushed_model(preset: Preset, folder: str) -> Preset:
    """Returns the preset with the model's settings of a pushed model."""
    pushed = description.read_description(folder)
    if pushed.kind != preset.kind:
        raise ValueError(
            f"{folder} is a {pushed.kind} model, but this preset trains a {preset.kind} one; "
            f"choose a preset of its kind"
        )
    return dataclasses.replace(preset, model=type(preset.model)(**pushed.config))


def load_run(path: pathlib.Path) -> RunConfig:
    """Returns the run that a `run.json` describes.

    Args:
      path: the file.

    Raises:
      ValueError: the file is missing or is not a `run.json`.
    """
    return load_options(path).resolve()


def load_options(path: pathlib.Path) -> RunOptions:
    """Returns the options that a `run.json` holds.

    Args:
      path: the file.

    Raises:
      ValueError: the file is missing or is not a `run.json`.
    """
    try:
        return RunOptions.from_json(path.read_text())
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist; `howto100m run` writes one, and HOWTO100M_RUN names it"
        ) from None
    except (TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no run.json: {error}") from error
