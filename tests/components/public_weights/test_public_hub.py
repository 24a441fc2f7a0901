import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub
from click.testing import CliRunner
from tensorflow.core.framework import attr_value_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from components.public_weights import hub
from components.retrieval_evaluator.text_video_model import TextVideoModel as EvaluatedModel
from components.trainer import milnce_training, starting_point
from components.trainer.config import ModelConfig, TrainingConfig
from models import hub_words, import_hub
from models.hub_graph import ModuleError, ModuleGraph
from models.s3d import S3D
from models.tokenizer import WordTable
from pipeline import cli

WORDS = ["stir", "the", "soup", "don't", "crème", "salt"]
SENTENCES = [
    "stir the soup",
    "STIR The Soup, don't SALT!",
    "nothing known, but crème",
    "",
    "unknown " * 20 + "soup",
    "stir the soup don't crème salt " * 3,
]


@pytest.fixture(scope="module")
def i3d(hub_module, tmp_path_factory):
    """Returns the folder of an I3D module, and its answers."""
    folder = tmp_path_factory.mktemp("i3d") / "module"
    return folder, hub_module(separable=False, epsilon=1e-3).write(folder)


@pytest.fixture
def changed(i3d, tmp_path):
    """Returns a function that writes the I3D module once more with a change in its graph."""

    def write(change) -> pathlib.Path:
        folder = tmp_path / "changed"
        shutil.copytree(i3d[0], folder)
        saved_model = saved_model_pb2.SavedModel.FromString(
            (folder / "saved_model.pb").read_bytes()
        )
        [meta_graph] = [m for m in saved_model.meta_graphs if not m.meta_info_def.tags]
        change({node.name: node for node in meta_graph.graph_def.node}, meta_graph)
        (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString())
        return folder

    return write


@pytest.fixture
def exported(monkeypatch):
    """Returns what would be exported, whose tracing takes long."""
    calls = []
    monkeypatch.setattr(hub, "export_text_video_model", lambda *args: calls.append(args))
    return calls


def _check_model(model, words, answers):
    """Compares a model with a module's answers to the same images and sentences."""
    outputs = dict(model.video_tower(answers["images"], training=False))
    outputs["text_embedding"] = model.embed_text(WordTable(words, 16)(tf.constant(SENTENCES)))
    assert len(outputs) == 3
    for name, output in outputs.items():
        assert np.abs(answers[name]).mean() > 0.05
        np.testing.assert_allclose(output, answers[name], atol=1e-5, rtol=0)


def test_i3d_becomes_a_model_of_ours(i3d, exported, tmp_path):
    folder, answers = i3d
    config = hub.import_hub(folder, tmp_path / "model", verify=True)
    [(model, output, words, max_words, settings)] = exported
    assert (output, words, max_words) == (tmp_path / "model", WORDS, 16)
    assert settings == dataclasses.asdict(config)
    assert (config.backbone, config.width, config.embedding_size) == ("i3d", 0.0625, 6)
    assert config.text_hidden_size == 7
    _check_model(model, words, answers)


def test_command_writes_a_model_that_serves_and_starts_a_training(i3d, tmp_path):
    folder, answers = i3d
    output = tmp_path / "model"
    arguments = ["import-hub", str(folder), "--output", str(output)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.output == f"the model is in {output}\n"
    assert result.exit_code == 0
    signatures = tf.saved_model.load(str(output)).signatures
    served = dict(signatures["video"](tf.constant(answers["images"])))
    served |= signatures["text"](tf.constant(SENTENCES))
    for name in ("mixed_5c", "video_embedding", "text_embedding"):
        np.testing.assert_allclose(served[name], answers[name], atol=1e-5, rtol=0)

    # Settings other than the module's, which its own replace.
    start = starting_point.find(ModelConfig(), [], np.zeros((1, 1)), str(output))
    assert (start.config.backbone, start.config.width, start.words) == ("i3d", 0.0625, WORDS)
    model = milnce_training.build_model(start.config, TrainingConfig(), start.word_vectors())
    start.restore(model)
    _check_model(model, start.words, answers)
    # The momentum of a training, not the module's own.
    assert model.video_tower.conv1.norm.momentum == pytest.approx(0.9)

    again = CliRunner().invoke(cli.main, arguments)
    assert again.exit_code == 1
    assert again.output == f"Error: {output} is already there; give the name of a new folder\n"


@pytest.mark.parametrize(
    "manner", [{}, {"fused": True, "epsilon": 3e-3, "word_file": False}], ids=["plain", "fused"]
)
def test_manners_of_writing_s3d_are_read(hub_module, tmp_path, manner):
    """Fused: one operation for a normalisation, gates as convolutions, words in the graph."""
    answers = hub_module(separable=True, **manner).write(tmp_path / "module")
    graph = ModuleGraph(tmp_path / "module")
    words = hub_words.read_words(graph, len(WORDS))
    assert words == WORDS
    model = import_hub.make_model(graph)
    assert (type(model.video_tower), model.video_tower.stem) == (S3D, "space_to_depth")
    _check_model(model, words, answers)


def test_address_is_downloaded(i3d, exported, tmp_path, monkeypatch):
    folder, _ = i3d
    monkeypatch.setattr(tensorflow_hub, "resolve", {"https://hub.test/i3d/1": str(folder)}.get)
    config = hub.import_hub("https://hub.test/i3d/1", tmp_path / "model", max_words=5)
    assert (config.backbone, config.max_words) == ("i3d", 5)
    assert exported[0][1:4] == (tmp_path / "model", WORDS, 5)

    def fail(address):
        raise OSError("no such host\nsecond line")

    monkeypatch.setattr(tensorflow_hub, "resolve", fail)
    with pytest.raises(ValueError, match=r"i3d/1 cannot be downloaded: no such host; download"):
        hub.import_hub("https://hub.test/i3d/1", tmp_path / "model")


def test_vocabulary_of_the_user_is_compared_with_the_module(i3d, tmp_path):
    folder, _ = i3d
    path = tmp_path / "dict.npy"
    np.save(path, np.array(WORDS[:3]))
    with pytest.raises(ValueError, match=r"dict\.npy has 3 words, but .* has vectors for 6"):
        hub.import_hub(folder, tmp_path / "model", path)
    np.save(path, np.array(WORDS[::-1]))
    message = "answers otherwise than the weights read from it: text_embedding differs by"
    with pytest.raises(ModuleError, match=message):
        hub.import_hub(folder, tmp_path / "model", path, verify=True)
    assert not (tmp_path / "model").exists()


def _set_op(name, op):
    return lambda nodes, _: setattr(nodes[name], "op", op)


def _set_attribute(name, attribute, **value):
    value = attr_value_pb2.AttrValue(**value)
    return lambda nodes, _: nodes[name].attr[attribute].CopyFrom(value)


def _set_numbers(name, attribute, numbers):
    return _set_attribute(name, attribute, list=attr_value_pb2.AttrValue.ListValue(i=numbers))


def _set_constant(name, value):
    return _set_attribute(name, "value", tensor=tf.make_tensor_proto(value))


def _set_input(name, position, source):
    return lambda nodes, _: nodes[name].input.__setitem__(position, source)


def _drop_signature(nodes, meta_graph):
    del meta_graph.signature_def["text"]


def _drop_output(nodes, meta_graph):
    del meta_graph.signature_def["video"].outputs["mixed_5c"]


def _scale_images(nodes, meta_graph):
    images = nodes[_STEM].input[0]
    product = meta_graph.graph_def.node.add(name="scaled", op="Mul", input=[images, images])
    nodes[_STEM].input[0] = product.name


_STEM = "tower/Conv3d_1a/Conv3D"
_BLOCK = "tower/Mixed_4c"
_LOOP = [f"{_BLOCK}/Branch_0/w/read", 0, f"{_BLOCK}/Branch_0/w/read"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_signature, "no graph with the signatures video and text, but video;"),
        (_drop_output, "the signature video has no output mixed_5c, but video_embedding"),
        (_set_input("tower/Relu", 0, "absent"), "graph in .* is damaged: .* depends on a node"),
        (_set_input(*_LOOP), "graph in .* is damaged: .* depends on itself"),
        (_scale_images, "scaled is of type Mul, which our towers do not have there"),
        (_set_op(f"{_BLOCK}/Branch_0/batch_norm/Relu", "Elu"), r"Relu is of type Elu, which"),
        (_set_op("tower/Max", "Min"), r"tower/Max is of type Min"),
        (_set_constant("tower/Max/reduction_indices", 0), "not a ReLU and a maximum over the w"),
        (
            _set_op(f"{_BLOCK}/Branch_3/batch_norm/Relu", "Identity"),
            r"branch 3 of mixed_4c comes from .*Branch_3.*, not from one layer with .* Relu",
        ),
        (
            _set_attribute(f"{_BLOCK}/Branch_2/b/Conv3D", "padding", s=b"VALID"),
            r"Branch_2/b/Conv3D has the layout NDHWC and the padding VALID",
        ),
        (_set_numbers(_STEM, "strides", [1, 1, 2, 2, 1]), r"has the strides \[1, 1, 2, 2, 1\]"),
        (
            _set_numbers("tower/MaxPool3D", "ksize", [1, 3, 3, 3, 1]),
            r"before conv_2b are the max poolings .* \[\(\(3, 3, 3\), \(1, 2, 2\)\)\], not",
        ),
        (
            _set_op(f"{_BLOCK}/Branch_1/a/batch_norm/batchnorm/Rsqrt", "Sqrt"),
            r"what follows .*Branch_1/a/Conv3D is neither a bias nor a batch normalisation",
        ),
        (
            _set_op(f"{_BLOCK}/Branch_1/a/batch_norm/batchnorm/add_1", "Mul"),
            r"what .*Branch_1/a/.* does after .*Branch_1/a/Conv3D is neither a bias nor norm",
        ),
        (
            _set_input(f"{_BLOCK}/concat", 1, f"{_BLOCK}/Branch_0/batch_norm/Relu"),
            "branch 1 of mixed_4c",
        ),
        (
            _set_input(f"{_BLOCK}/Branch_0/Conv3D", 0, "tower/Mixed_3c/concat"),
            "the branches of mixed_4c do not all take the same|before branch 0 of mixed_4c",
        ),
        (
            _set_input(f"{_BLOCK}/Branch_0/Conv3D", 1, "tower/Mixed_4d/Branch_0/w/read"),
            r"Branch_0/Conv3D has a weight of shape \[1, 1, 1, 36, 8\], but mixed_4c/b0/conv/kern",
        ),
        (_set_constant(f"{_BLOCK}/concat/axis", 3), r"Mixed_4c/concat does not join the channels"),
        (_set_constant("tower/Mean/reduction_indices", [1, 2]), "not one mean over time and"),
    ],
)
def test_another_graph_is_refused(changed, change, message):
    with pytest.raises(ModuleError, match=message):
        import_hub.make_model(ModuleGraph(changed(change)))


def test_words_that_cannot_be_told_from_the_graph_are_asked_for(changed):
    folder = changed(_set_constant("tower/Const", np.int64(-2)))
    message = "6 words with ids from 0 to 5, but .* are 1 to 6; give the vocabulary as a .npy"
    with pytest.raises(ModuleError, match=message):
        hub_words.read_words(ModuleGraph(folder), len(WORDS))
    (folder / "assets" / "vocabulary.txt").unlink()
    with pytest.raises(ModuleError, match=r"vocabulary\.txt cannot be read: No such file"):
        hub_words.read_words(ModuleGraph(folder), len(WORDS))


def test_words_outside_the_module_are_not_opened(changed, tmp_path):
    (tmp_path / "secret.txt").write_text("".join(f"{word}\n" for word in WORDS))

    def lead_outside(nodes, meta_graph):
        for packed in meta_graph.collection_def["saved_model_assets"].any_list.value:
            asset = meta_graph_pb2.AssetFileDef()
            assert packed.Unpack(asset)
            asset.filename = "../../secret.txt"
            packed.Pack(asset)

    graph = ModuleGraph(changed(lead_outside))
    with pytest.raises(ModuleError, match="from something else than a file of a word a line"):
        hub_words.read_words(graph, len(WORDS))


def test_damaged_files_are_refused(i3d, tmp_path):
    folder = tmp_path / "module"
    with pytest.raises(ModuleError, match=r"saved_model\.pb cannot be read: No such file"):
        ModuleGraph(folder)
    shutil.copytree(i3d[0], folder)
    (folder / "variables" / "variables.index").write_bytes(b"damaged")
    with pytest.raises(ModuleError, match=r"variables in .* cannot be read"):
        ModuleGraph(folder)
    (folder / "saved_model.pb").write_bytes(b"\x12\xff")
    with pytest.raises(ModuleError, match=r"saved_model\.pb is damaged or no SavedModel"):
        hub.import_hub(folder, tmp_path / "model")


def test_a_module_is_evaluated_as_it_is(i3d, tmp_path):
    source, answers = i3d
    folder = tmp_path / "module"
    shutil.copytree(source, folder)
    # What tells the format of a downloaded module; its content does not matter here.
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    model = EvaluatedModel(str(folder))
    assert model.takes_images
    assert model.video_outputs == {"video_embedding", "mixed_5c"}
    np.testing.assert_allclose(model.embed_text(SENTENCES), answers["text_embedding"], atol=1e-6)
    windows = np.round(255 * answers["images"]).astype(np.uint8)
    for output in ("video_embedding", "mixed_5c"):
        found = model.embed_video(windows, output)
        # The frames were rounded to bytes.
        np.testing.assert_allclose(found, answers[output], rtol=0.1, atol=0.01)
