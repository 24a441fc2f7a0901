"""What TensorFlow Serving does with an exported model.

Its server loads a folder through `SavedModelBundle`, here through the same loader of TensorFlow 1,
and answers `Predict` requests by the tensors' names in the signatures.
"""

from collections.abc import Iterator, Mapping

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from models.export import export_text_video_model
from models.i3d import I3D
from models.milnce import TextVideoModel
from models.text_tower import TextTower

predict_pb2 = pytest.importorskip(
    "tensorflow_serving.apis.predict_pb2", reason="tensorflow-serving-api is not installed"
)

WORDS = ["cut", "the", "paper", "crème"]
SENTENCES = ["Cut the paper", "", "now the CRÈME, please", "paper paper paper paper cut"]


class Server:
    """Answers requests as the server's predictor does."""

    def __init__(self, directory: str, session: tf.compat.v1.Session):
        self.session = session
        tags = [tf.saved_model.SERVING]
        with session.graph.as_default():
            self.meta_graph = tf.compat.v1.saved_model.loader.load(session, tags, directory)

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        request = predict_pb2.PredictRequest.FromString(request.SerializeToString())
        default = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        name = request.model_spec.signature_name or default
        signature = self.meta_graph.signature_def[name]
        assert signature.method_name == "tensorflow/serving/predict"
        assert sorted(request.inputs) == sorted(signature.inputs)
        outputs = self.session.run(
            {alias: info.name for alias, info in signature.outputs.items()},
            {
                signature.inputs[alias].name: tf.make_ndarray(value)
                for alias, value in request.inputs.items()
            },
        )
        response = predict_pb2.PredictResponse()
        response.model_spec.signature_name = name
        for alias, value in outputs.items():
            response.outputs[alias].CopyFrom(tf.make_tensor_proto(value))
        return predict_pb2.PredictResponse.FromString(response.SerializeToString())


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> str:
    keras.utils.set_random_seed(2)
    vectors = np.random.default_rng(0).normal(size=(len(WORDS) + 1, 8))
    model = TextVideoModel(
        I3D(0.05, 6, kernel_initializer="he_normal"), TextTower(vectors, 8, 6, text_model="gru")
    )
    folder = tmp_path_factory.mktemp("served") / "milnce" / "1"
    export_text_video_model(model, folder, WORDS, 4, {})
    return str(folder)


@pytest.fixture(scope="module")
def server(directory) -> Iterator[Server]:
    # Not as a context, which would make its graph that of all tests.
    session = tf.compat.v1.Session(graph=tf.Graph())
    yield Server(directory, session)
    session.close()


@pytest.fixture(scope="module")
def loaded(directory):
    return hub.load(directory)


def request(signature: str, **inputs: np.ndarray) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "milnce"
    message.model_spec.signature_name = signature
    for alias, value in inputs.items():
        message.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return message


def arrays(response: predict_pb2.PredictResponse) -> Mapping[str, np.ndarray]:
    return {alias: tf.make_ndarray(value) for alias, value in response.outputs.items()}


@pytest.mark.parametrize(
    ("signature", "shape"),
    [("video", (2, 4, 32, 32, 3)), ("video", (3, 1, 17, 30, 3)), ("", (2, 4, 32, 32, 3))],
)
def test_predict_embeds_clips(server, loaded, signature, shape):
    images = np.random.default_rng(1).random(shape, np.float32)
    outputs = arrays(server.predict(request(signature, images=images)))
    expected = loaded.signatures["video"](images=tf.constant(images))
    assert sorted(outputs) == sorted(expected) == ["mixed_5c", "video_embedding"]
    for name, value in expected.items():
        assert outputs[name].dtype == np.float32
        assert np.ptp(value, axis=0).max() > 1e-3
        np.testing.assert_allclose(outputs[name], value, atol=1e-6)


def test_predict_embeds_sentences(server, loaded):
    response = server.predict(request("text", words=np.array(SENTENCES, object)))
    assert response.model_spec.signature_name == "text"
    expected = loaded.signatures["text"](words=tf.constant(SENTENCES))["text_embedding"]
    assert np.ptp(expected, axis=0).max() > 0.01
    outputs = arrays(response)
    assert list(outputs) == ["text_embedding"]
    np.testing.assert_allclose(outputs["text_embedding"], expected, atol=1e-6)
