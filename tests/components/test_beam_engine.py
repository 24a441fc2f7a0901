import os

import pytest

from components import beam_engine


def test_arguments_are_split_as_a_shell_does():
    text = """--runner=PortableRunner --environment_config='{"command": "/opt/boot"}'"""
    assert beam_engine.parse_arguments(text) == (
        "--runner=PortableRunner",
        '--environment_config={"command": "/opt/boot"}',
    )
    assert beam_engine.parse_arguments("--parallelism 4 --runner FlinkRunner") == (
        *("--parallelism", "4"),
        *("--runner", "FlinkRunner"),
    )
    assert beam_engine.parse_arguments(" ") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--runner='Flink", "cannot be split: No closing quotation"),
        ("FlinkRunner", "begin with 'FlinkRunner'; an option begins with --"),
        ("--flink_master=host:8081", "name no engine; add --runner=…"),
    ],
)
def test_what_names_no_engine_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        beam_engine.parse_arguments(text)


def test_without_an_engine_the_processes_of_this_machine_decode():
    in_process = f"--runner={beam_engine.FN_API_RUNNER}"
    assert beam_engine.engine_arguments((), 1) == [in_process, "--direct_num_workers=1"]
    assert beam_engine.engine_arguments((), 3) == [
        in_process,
        "--direct_num_workers=3",
        "--direct_running_mode=multi_processing",
    ]
    assert f"--direct_num_workers={os.cpu_count()}" in beam_engine.engine_arguments((), 0)


def test_an_engine_gets_its_own_arguments_alone():
    given = ("--runner=FlinkRunner", "--parallelism=8")
    assert beam_engine.engine_arguments(given, 3) == list(given)


@pytest.mark.parametrize(
    ("arguments", "threads"),
    [
        ([f"--runner={beam_engine.FN_API_RUNNER}", "--direct_num_workers=1"], 8),
        ([f"--runner={beam_engine.FN_API_RUNNER}", "--direct_num_workers=3"], 2),
        (["--runner=DirectRunner", "--direct_num_workers=0"], 1),
        (["--direct_num_workers=16"], 1),
        (["--runner=FlinkRunner"], 1),
        (["--runner=PortableRunner", "--direct_num_workers=1"], 1),
    ],
)
def test_decoders_share_the_cores_of_this_machine_but_not_those_of_an_engine(
    arguments, threads, monkeypatch
):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert beam_engine.decoder_threads(arguments) == threads
