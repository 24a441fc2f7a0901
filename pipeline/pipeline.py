"""The pipeline: from a folder of narrated videos to a pushed text-video model and an index."""

import dataclasses
import importlib.resources
import json
from collections.abc import Sequence

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base import base_node

from components import beam_engine
from components.benchmark_evaluator.component import BenchmarkEvaluator
from components.clip_index.component import ClipIndexGen
from components.example_validator.component import CaptionValidator
from components.feature_extractor.component import FeatureExtractor
from components.hub_pusher.component import HubPusher
from components.model_card.component import ModelCardGen
from components.narrated_video_example_gen.component import NarratedVideoExampleGen
from components.retrieval_evaluator.component import RetrievalEvaluator
from components.trainer.component import TextVideoTrainer
from components.word_vectors.component import WordVectorsGen
from pipeline import configs

_RUN_FN = {
    "milnce": "components.trainer.milnce.run_fn",
    "gated": "components.trainer.gated.run_fn",
}


def create_pipeline(config: configs.RunConfig) -> tfx.dsl.Pipeline:
    """Returns the pipeline of a run on one machine; only its output folder is made beforehand.

    Args:
      config: where the files are, and the settings.
    """
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        f"{config.output}/metadata.sqlite"
    )
    return pipeline_of(create_nodes(config), config, metadata)


def create_nodes(config: configs.RunConfig) -> list[base_node.BaseNode]:
    """Returns the nodes of a run, connected with each other.

    Args:
      config: where the files are, and the settings.
    """
    preset = config.preset
    # An engine gets the pipeline's arguments, to which TFX adds a component's own.
    decoding_args = [] if config.engine else beam_engine.engine_arguments((), config.workers)
    nodes: list[base_node.BaseNode] = []

    ingest = NarratedVideoExampleGen(
        videos=config.videos, config=preset.ingest
    ).with_beam_pipeline_args(decoding_args)
    nodes.append(ingest)
    annotated_clips = None
    if config.test_videos:
        annotated = (
            NarratedVideoExampleGen(
                videos=config.test_videos,
                config=dataclasses.replace(
                    preset.ingest,
                    annotations=config.test_annotations,
                    annotation_format="csv",
                    annotation_splits="eval",
                ),
            )
            .with_id("AnnotatedVideoExampleGen")
            .with_beam_pipeline_args(decoding_args)
        )
        nodes.append(annotated)
        annotated_clips = annotated.outputs["clips"]

    statistics = tfx.components.StatisticsGen(examples=ingest.outputs["examples"])
    schema = tfx.components.ImportSchemaGen(
        schema_file=str(importlib.resources.files("schemas") / "captions.pbtxt")
    )
    validator = CaptionValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        materialize=False,
    )
    # Captions with anomalies stop the run here, before anything is learnt from them.
    transform.add_upstream_node(validator)
    words = WordVectorsGen(
        examples=ingest.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        config=preset.words,
    )
    features = annotated_features = None
    if preset.features is not None:
        extractor = FeatureExtractor(
            examples=ingest.outputs["examples"], videos=config.videos, config=preset.features
        ).with_beam_pipeline_args(decoding_args)
        nodes.append(extractor)
        features = extractor.outputs["features"]
        if config.test_videos:
            extractor = (
                FeatureExtractor(
                    examples=annotated.outputs["examples"],
                    videos=config.test_videos,
                    config=preset.features,
                )
                .with_id("AnnotatedFeatureExtractor")
                .with_beam_pipeline_args(decoding_args)
            )
            nodes.append(extractor)
            annotated_features = extractor.outputs["features"]

    def trainer_from(init_from: str) -> TextVideoTrainer:
        return TextVideoTrainer(
            clips=ingest.outputs["clips"] if features is None else features,
            word_vectors=words.outputs["word_vectors"],
            model=preset.model,
            training=preset.training,
            checkpoint_directory=f"{config.storage_root}/checkpoints",
            run_fn=_RUN_FN[preset.kind],
            init_from=init_from,
        )

    trainer = trainer_from(config.init_from)
    target_only_model = None
    if config.is_fine_tuning:
        target_only = trainer_from("").with_id("TargetOnlyTrainer")
        nodes.append(target_only)
        target_only_model = target_only.outputs["model"]
    evaluator = RetrievalEvaluator(
        model=trainer.outputs["model"],
        clips=ingest.outputs["clips"],
        annotated_clips=annotated_clips,
        features=features,
        annotated_features=annotated_features,
        model_run=trainer.outputs["model_run"],
        target_only_model=target_only_model,
        config=dataclasses.replace(
            preset.evaluation,
            hub_directory=config.hub_directory,
            pretrained_model=config.init_from,
        ),
    )
    blessing = evaluator.outputs["blessing"]
    if config.gate is not None:
        gate = BenchmarkEvaluator(
            model=trainer.outputs["model"], config=config.gate, prior_blessing=blessing
        ).with_beam_pipeline_args(decoding_args)
        nodes.append(gate)
        blessing = gate.outputs["blessing"]
    card = ModelCardGen(
        model=trainer.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        ledger=ingest.outputs["ledger"],
        publisher=config.publisher,
        model_name=config.model_name,
        settings=json.dumps(dataclasses.asdict(preset)),
    )
    pusher = HubPusher(
        model=card.outputs["model"],
        model_blessing=blessing,
        hub=config.hub_root,
        publisher=config.publisher,
        model_name=config.model_name,
        kaggle_handle=config.kaggle_handle,
    )
    index = ClipIndexGen(
        clips=ingest.outputs["clips"],
        annotated_clips=annotated_clips,
        features=features,
        annotated_features=annotated_features,
        pushed_model=pusher.outputs["pushed_model"],
        config=preset.evaluation,
    )
    nodes += [statistics, schema, validator, transform, words]
    nodes += [trainer, evaluator, card, pusher, index]
    return nodes


def pipeline_of(
    nodes: Sequence[base_node.BaseNode],
    config: configs.RunConfig,
    metadata: metadata_store_pb2.ConnectionConfig | None = None,
) -> tfx.dsl.Pipeline:
    """Returns the pipeline that runs some nodes.

    Args:
      nodes: all of its nodes.
      config: the run that they were made for.
      metadata: where its metadata are, or None where the orchestrator has its own.
    """
    return tfx.dsl.Pipeline(
        pipeline_name="howto100m",
        pipeline_root=f"{config.storage_root}/pipeline_root",
        metadata_connection_config=metadata,
        components=list(nodes),
        enable_cache=True,
        beam_pipeline_args=beam_engine.engine_arguments(config.engine, workers=1),
    )
