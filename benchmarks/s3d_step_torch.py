"""MIL-NCE's training step in plain PyTorch: the rival of `benchmarks/s3d_step.py`.

Runs as a process of that benchmark, in an environment with PyTorch. It makes the weights,
writes them down, then does what each line of its input asks for and answers with a line of JSON.
"""

import contextlib
import copy
import json
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from s3d_torch import S3D
from torch import nn

_PLAIN = "float32"
_TUNED = "channels_last_3d bfloat16"


def _make_model(num_words: int) -> S3D:
    torch.manual_seed(1)
    # TensorFlow's poolings, as ours: 200 pixels leave an odd number of rows to one of them.
    model = S3D(num_words, is_pooling_centred=True)
    for layer in model.modules():
        if isinstance(layer, nn.Conv3d):
            # As Keras's Glorot; PyTorch's own default is smaller than its ReLUs call for.
            nn.init.xavier_uniform_(layer.weight)
    return model


def _loss(video: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Returns the MIL-NCE loss of [B, E] and [B*K, E] (its paper's equation 1)."""
    clips = len(video)
    scores = (video @ text.T).view(clips, clips, -1)
    own = scores.diagonal().T
    others = ~torch.eye(clips, dtype=torch.bool)
    reverse = scores.transpose(0, 1)[others].view(clips, -1)
    both = torch.cat([scores.reshape(clips, -1), reverse], dim=1)
    return (both.logsumexp(1) - own.logsumexp(1)).mean()


class _Side:
    """A model with its optimiser, in one of the two ways to compute."""

    def __init__(self, model: S3D, name: str, learning_rate: float, epsilon: float):
        self.is_tuned = name == _TUNED
        self.layout = torch.channels_last_3d if self.is_tuned else torch.contiguous_format
        self.model = copy.deepcopy(model).to(memory_format=self.layout)
        self.learned = [w for w in self.model.parameters() if w.requires_grad]
        self.optimizer = torch.optim.Adam(self.learned, lr=learning_rate, eps=epsilon)

    def batch(self, path: pathlib.Path) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the clips, uint8 [B, 3, T, H, W], and the words, int [B*K, L]."""
        with np.load(path, allow_pickle=False) as file:
            video, word_ids = (torch.from_numpy(file[name]) for name in ("video", "word_ids"))
        video = video.permute(0, 4, 1, 2, 3).contiguous(memory_format=self.layout)
        return video, word_ids.flatten(0, 1)

    def _precision(self) -> contextlib.AbstractContextManager:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.is_tuned)

    def _embed(
        self, video: torch.Tensor, word_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with self._precision():
            embeddings, _ = self.model(video.float() / 255.0)
            text = self.model.text_module(word_ids)
        return embeddings.float(), text.float()

    def step(self, video: torch.Tensor, word_ids: torch.Tensor) -> float:
        """Trains on a batch; returns its loss."""
        self.model.train()
        self.optimizer.zero_grad()
        loss = _loss(*self._embed(video, word_ids))
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def gradients(
        self, video: torch.Tensor, word_ids: torch.Tensor, path: pathlib.Path, training: bool
    ) -> list[np.ndarray]:
        """Returns each weight's gradient of the embeddings' product with the arrays of a file."""
        stored = copy.deepcopy(self.model.state_dict())
        self.model.train(training)
        self.optimizer.zero_grad()
        with np.load(path, allow_pickle=False) as file:
            upstream = [torch.from_numpy(file[name]) for name in ("video", "text")]
        torch.autograd.backward(self._embed(video, word_ids), upstream)
        self.model.load_state_dict(stored)
        return [weight.grad.numpy() for weight in self.learned]

    @torch.inference_mode()
    def infer(self, video: torch.Tensor) -> None:
        """Embeds clips."""
        self.model.eval()
        with self._precision():
            self.model(video.float() / 255.0)


def _timed(work: Callable[..., float | None], *batch: torch.Tensor) -> dict[str, float | None]:
    started = time.perf_counter()
    loss = work(*batch)
    return {"loss": loss, "seconds": time.perf_counter() - started}


def main() -> None:
    """Answers each line of the standard input; see `_Rival` in `benchmarks/s3d_step.py`."""
    folder = pathlib.Path(sys.argv[1])
    settings = json.loads(sys.argv[2])
    torch.set_num_threads(settings["cores"])
    sizes = settings["learning_rate"], settings["epsilon"]
    model = _make_model(settings["num_words"])
    np.savez(folder / "weights.npz", **model.state_dict())
    sides = {name: _Side(model, name, *sizes) for name in (_PLAIN, _TUNED)}
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        side = sides[request["side"]]
        video, word_ids = side.batch(folder / request["batch"])
        match request["work"]:
            case "step":
                answer = _timed(side.step, video, word_ids)
            case "inference":
                answer = _timed(side.infer, video)
            case "gradients":
                upstream = folder / "upstream.npz"
                arrays = side.gradients(video, word_ids, upstream, request["training"])
                np.savez(folder / "gradients.npz", *arrays)
                answer = {"names": [n for n, w in side.model.named_parameters() if w.requires_grad]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
