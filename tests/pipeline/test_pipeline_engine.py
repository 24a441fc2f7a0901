"""Which of Beam's arguments TFX hands to the executors of the compiled pipeline."""

import pytest
from tfx.dsl.compiler import compiler
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2

from components import beam_engine
from components.benchmark_evaluator.config import GateConfig
from pipeline import configs
from pipeline.pipeline import create_pipeline

DECODE = {
    "NarratedVideoExampleGen",
    "AnnotatedVideoExampleGen",
    "FeatureExtractor",
    "AnnotatedFeatureExtractor",
    "BenchmarkEvaluator",
}
READ_CAPTIONS = {"StatisticsGen", "Transform"}


@pytest.fixture(name="arguments_of")
def fixture_arguments_of(tmp_path):
    """Returns a function from settings of a run to Beam's arguments of each Beam node."""
    (tmp_path / "features").mkdir()

    def compiled(**settings):
        config = configs.RunConfig(
            output=str(tmp_path / "output"),
            videos="videos",
            preset=configs.with_overrides(
                configs.PRESETS["sample-gated"], [f"features.source={tmp_path / 'features'}"]
            ),
            test_videos="test",
            test_annotations="test.csv",
            gate=GateConfig("csv", annotations="clips.csv", features="features"),
            **settings,
        )
        spec = compiler.Compiler().compile(create_pipeline(config))
        deployment = pipeline_pb2.IntermediateDeploymentConfig()
        spec.deployment_config.Unpack(deployment)
        found = {}
        for name, executor in deployment.executor_specs.items():
            beam = executable_spec_pb2.BeamExecutableSpec()
            if executor.Unpack(beam):
                found[name] = [
                    argument.value.string_value for argument in beam.beam_pipeline_args_placeholders
                ]
        return found

    return compiled


def test_one_setting_reaches_every_beam_executor(arguments_of):
    engine = ("--runner=FlinkRunner", "--flink_master=flink:8081", "--environment_type=DOCKER")
    assert arguments_of(engine=engine, workers=4) == {
        name: list(engine) for name in DECODE | READ_CAPTIONS
    }


def test_without_it_this_machines_processes_decode(arguments_of):
    found = arguments_of(workers=4)
    assert found.keys() == DECODE | READ_CAPTIONS
    for name, arguments in found.items():
        assert arguments[:2] == [
            f"--runner={beam_engine.FN_API_RUNNER}",
            "--direct_num_workers=1",
        ]
        # The later of two equal options counts.
        assert arguments[2:] == (beam_engine.engine_arguments((), 4) if name in DECODE else [])
