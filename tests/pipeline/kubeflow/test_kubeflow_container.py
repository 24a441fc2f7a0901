"""What the containers tell TFX of their artifacts."""

import pytest

pytest.importorskip("kfp", reason="kfp is in the extra kubeflow")

from pipeline.kubeflow import container

_LEDGER = {"instanceSchema": "title: components.Ledger"}


def _listed(**artifact) -> dict:
    return {"artifacts": [artifact]}


@pytest.mark.parametrize("told", [{}, {"type": {}}, {"type": {"instanceSchema": ""}}])
def test_types_that_the_cluster_leaves_out_come_from_the_specification(told):
    invocation = {"inputs": {"artifacts": {"ledger": _listed(uri="/a", **told)}}}
    container.prepare(invocation, {"artifacts": {"ledger": {"artifactType": _LEDGER}}})
    assert invocation["inputs"]["artifacts"]["ledger"] == _listed(uri="/a", type=_LEDGER)


def test_types_that_the_cluster_tells_stay():
    told = {"schemaTitle": "tfx.Model"}
    invocation = {"inputs": {"artifacts": {"model": _listed(uri="gs://b/m", type=told)}}}
    container.prepare(invocation, {"artifacts": {"model": {"artifactType": _LEDGER}}})
    assert invocation["inputs"]["artifacts"]["model"] == _listed(uri="gs://b/m", type=told)


def test_inputs_and_outputs_become_the_launchers_copies():
    invocation = {
        "inputs": {"artifacts": {"model": _listed(uri="minio://bucket/m", type=_LEDGER)}},
        "outputs": {"artifacts": {"card": _listed(uri="s3://bucket/c", type=_LEDGER)}},
    }
    container.prepare(invocation, {})
    assert invocation["inputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == "/minio/bucket/m"
    assert invocation["outputs"]["artifacts"]["card"]["artifacts"][0]["uri"] == "/s3/bucket/c"


@pytest.mark.parametrize("address", ["minio://bucket/a/b", "s3://bucket/a"])
def test_an_address_comes_back_from_its_copy(address):
    assert container.copy_of(address) != address
    assert container.original_of(container.copy_of(address)) == address


@pytest.mark.parametrize("address", ["gs://bucket/a", "/mnt/a", "hdfs://a/b"])
def test_other_addresses_have_no_copy(address):
    assert container.copy_of(address) == container.original_of(address) == address


def test_outputs_are_made_and_hold_nothing_of_an_attempt_that_failed(tmp_path):
    half_written = tmp_path / "clips" / "Split-train" / "part"
    half_written.parent.mkdir(parents=True)
    half_written.write_text("half")
    value = tmp_path / "values" / "steps"
    outputs = {
        "artifacts": {
            "clips": _listed(uri=str(tmp_path / "clips")),
            "ledger": _listed(uri=str(tmp_path / "new" / "ledger")),
            "steps": _listed(uri=str(value)),
        },
        "parameters": {"steps": {"outputFile": "/tmp/steps"}},
    }
    container.make_outputs(outputs)
    assert list((tmp_path / "clips").iterdir()) == []
    assert (tmp_path / "new" / "ledger").is_dir()
    assert value.parent.is_dir()
    assert not value.exists()
