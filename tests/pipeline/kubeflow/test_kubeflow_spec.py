"""What the compiler leaves out is in the completed specification."""

from pipeline.kubeflow import spec


def _compiled() -> dict:
    source = {
        "taskOutputParameter": {"producerTask": "RunSettings_task", "outputParameterKey": "a"}
    }
    return {
        "root": {
            "inputDefinitions": {"parameters": {"steps": {"parameterType": "NUMBER_INTEGER"}}},
            "dag": {
                "tasks": {
                    "RunSettings": {"cachingOptions": {"enableCache": True}},
                    "Trainer": {
                        "cachingOptions": {"enableCache": True},
                        "inputs": {"parameters": {"config": source}},
                    },
                }
            },
        }
    }


def test_tasks_name_tasks_that_exist_and_start_again():
    completed = _compiled()
    spec.complete(
        completed,
        retries={"RunSettings": 0, "Trainer": 5},
        defaults={"steps": 0},
        uncached="RunSettings",
        pipeline_root="/root",
    )
    tasks = completed["root"]["dag"]["tasks"]
    source = tasks["Trainer"]["inputs"]["parameters"]["config"]["taskOutputParameter"]
    assert source == {"producerTask": "RunSettings", "outputParameterKey": "a"}
    assert tasks["Trainer"]["retryPolicy"]["maxRetryCount"] == 5
    assert tasks["Trainer"]["cachingOptions"] == {"enableCache": True}
    assert tasks["RunSettings"] == {}
    assert completed["root"]["inputDefinitions"]["parameters"] == {
        "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0, "isOptional": True}
    }
    assert completed["defaultPipelineRoot"] == "/root"


def test_a_task_whose_name_ends_like_the_compilers_suffix_keeps_it():
    completed = _compiled()
    tasks = completed["root"]["dag"]["tasks"]
    tasks["RunSettings_task"] = {}
    spec.complete(
        completed,
        retries=dict.fromkeys(tasks, 0),
        defaults={"steps": 0},
        uncached="RunSettings",
        pipeline_root="",
    )
    source = tasks["Trainer"]["inputs"]["parameters"]["config"]["taskOutputParameter"]
    assert source["producerTask"] == "RunSettings_task"
