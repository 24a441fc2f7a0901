"""The gated model's training step in plain PyTorch: the rival of `benchmarks/gated_step.py`.

Runs as a process of that benchmark, in an environment with PyTorch. It loads the same arrays, then
takes one step for each line that it reads and answers with a line of JSON.
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_MARGIN = 0.1


class _GatedUnit(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(outputs, outputs)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        vectors = self.linear(vectors)
        return functional.normalize(vectors * torch.sigmoid(self.gate(vectors)))


class _Model(nn.Module):
    def __init__(self, weights: dict[str, np.ndarray], vectors: np.ndarray):
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(torch.from_numpy(vectors), freeze=True)
        self.words = nn.Linear(*weights["words.kernel"].shape)
        self.text = _GatedUnit(*weights["text.linear.kernel"].shape)
        self.video = _GatedUnit(*weights["video.linear.kernel"].shape)
        with torch.no_grad():
            for name, layer in self.named_modules():
                if isinstance(layer, nn.Linear):
                    layer.weight.copy_(torch.from_numpy(weights[f"{name}.kernel"].T))
                    layer.bias.copy_(torch.from_numpy(weights[f"{name}.bias"]))

    def forward(self, features: torch.Tensor, word_ids: torch.Tensor) -> torch.Tensor:
        words = functional.relu(self.words(self.vectors(word_ids)))
        text = self.text(torch.max(words, dim=1)[0])
        return self.video(features) @ text.t()


def _loss(scores: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    positives = torch.diagonal(scores)[:, None]
    costs = functional.relu(_MARGIN + scores - positives)
    costs = costs + functional.relu(_MARGIN + scores.t() - positives)
    return (negatives * costs).sum() / negatives.sum()


def main() -> None:
    """Answers each line of the standard input with the loss and the seconds of one more step."""
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(int(sys.argv[2]))
    learning_rate, epsilon = float(sys.argv[3]), float(sys.argv[4])
    with np.load(folder / "weights.npz", allow_pickle=False) as file:
        model = _Model(dict(file), np.load(folder / "vectors.npy", allow_pickle=False))
    features, word_ids, negatives = (
        torch.from_numpy(np.load(folder / f"{name}.npy", allow_pickle=False))
        for name in ("features", "word_ids", "negatives")
    )
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=learning_rate, eps=epsilon)
    for _ in sys.stdin:
        started = time.perf_counter()
        optimizer.zero_grad()
        loss = _loss(model(features, word_ids), negatives)
        loss.backward()
        optimizer.step()
        seconds = time.perf_counter() - started
        answer = {"loss": loss.item(), "seconds": seconds, "torch": torch.__version__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
