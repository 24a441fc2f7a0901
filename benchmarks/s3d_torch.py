"""MIL-NCE's two towers in plain PyTorch, with the state dict layout of the public checkpoint.

The layout and the maths are those of antoine77340/S3D_HowTo100M and antoine77340/MIL-NCE_HowTo100M
(facts/protocols.md, sections 1 and 2). It is what the imported weights are compared with, and the
rival in the benchmark of training and inference.
"""

import math

import torch
from torch import nn
from torch.nn import functional

SPACE_TO_DEPTH_STEM = "space_to_depth"
CONV_STEM = "conv"

_Size = tuple[int, int, int]

# Output channels of one block: branch 0; branch 1 before and after its separable convolution;
# branch 2 the same; branch 3.
_BLOCKS = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Window and stride of the pooling before a block.
_POOLING = {
    "mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


class ConvUnit(nn.Module):
    """Convolution, batch normalisation and ReLU; with a second size, the same once more."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: _Size = (1, 1, 1),
        second_size: _Size | None = None,
        stride: int = 1,
        padding: _Size | None = None,
    ):
        """Makes the unit.

        Args:
          inputs: input channels.
          outputs: output channels of both convolutions.
          size: kernel size in (T, H, W).
          second_size: that of the second convolution, or None for a unit of one.
          stride: step of the first convolution along each axis.
          padding: zeros on both sides of T, H and W; None is half of the kernel.
        """
        super().__init__()
        padding = tuple(k // 2 for k in size) if padding is None else padding
        self.conv1 = nn.Conv3d(inputs, outputs, size, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.is_separable = second_size is not None
        if second_size is not None:
            padding = tuple(k // 2 for k in second_size)
            self.conv2 = nn.Conv3d(outputs, outputs, second_size, 1, padding, bias=False)
            self.bn2 = nn.BatchNorm3d(outputs)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Maps [B, inputs, T, H, W] to [B, outputs, T', H', W']."""
        video = functional.relu(self.bn1(self.conv1(video)), inplace=True)
        if self.is_separable:
            video = functional.relu(self.bn2(self.conv2(video)), inplace=True)
        return video


def _separable_unit(inputs: int, outputs: int) -> ConvUnit:
    return ConvUnit(inputs, outputs, (1, 3, 3), (3, 1, 1))


class SelfGating(nn.Module):
    """Weights each channel by a sigmoid of a linear map of all channels' means."""

    def __init__(self, channels: int):
        """Makes the gate of a number of channels."""
        super().__init__()
        self.fc = nn.Linear(channels, channels)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Maps [B, C, T, H, W] to the same shape."""
        gates = torch.sigmoid(self.fc(video.mean(dim=(2, 3, 4))))
        return video * gates[:, :, None, None, None]


def max_pool(
    video: torch.Tensor, window: _Size, stride: _Size, is_centred: bool = False
) -> torch.Tensor:
    """Max pooling as in the reference: window minus stride positions more, at the end of each axis.

    Values must not be negative: the reference pads with zeros. Windows that reach over the end
    do as well, so that only odd sizes need padding.

    Args:
      video: [B, C, T, H, W].
      window: size of the window in (T, H, W).
      stride: its step.
      is_centred: whether an odd axis gets a position before it too, as TensorFlow's SAME has it for
        a window of 3 and a step of 2.
    """
    padding = [
        size % step if width > step else 0
        for size, width, step in zip(video.shape[2:], window, stride, strict=True)
    ]
    if any(padding):
        time, height, width = padding
        first = padding if is_centred else (0, 0, 0)
        video = functional.pad(video, (first[2], width, first[1], height, first[0], time))
    return functional.max_pool3d(video, window, stride, ceil_mode=True)


class InceptionBlock(nn.Module):
    """Four branches, each gated by itself, concatenated in order."""

    def __init__(self, inputs: int, channels: tuple[int, int, int, int, int, int]):
        """Makes the block.

        Args:
          inputs: input channels.
          channels: output channels of b0, b1_a, b1_b, b2_a, b2_b and b3.
        """
        super().__init__()
        b0, b1_a, b1_b, b2_a, b2_b, b3 = channels
        self.conv_b0 = ConvUnit(inputs, b0)
        self.conv_b1_a = ConvUnit(inputs, b1_a)
        self.conv_b1_b = _separable_unit(b1_a, b1_b)
        self.conv_b2_a = ConvUnit(inputs, b2_a)
        self.conv_b2_b = _separable_unit(b2_a, b2_b)
        self.conv_b3_b = ConvUnit(inputs, b3)
        self.gating_b0 = SelfGating(b0)
        self.gating_b1 = SelfGating(b1_b)
        self.gating_b2 = SelfGating(b2_b)
        self.gating_b3 = SelfGating(b3)
        self.output_channels = b0 + b1_b + b2_b + b3

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Maps [B, inputs, T, H, W] to [B, output_channels, T, H, W]."""
        pooled = functional.max_pool3d(video, 3, stride=1, padding=1)
        branches = (
            self.gating_b0(self.conv_b0(video)),
            self.gating_b1(self.conv_b1_b(self.conv_b1_a(video))),
            self.gating_b2(self.conv_b2_b(self.conv_b2_a(video))),
            self.gating_b3(self.conv_b3_b(pooled)),
        )
        return torch.cat(branches, dim=1)


class TextTower(nn.Module):
    """A layer on each word's frozen vector, the maximum over the words, a linear layer."""

    def __init__(self, num_words: int, word_size: int, hidden_size: int, embedding_size: int):
        """Makes the tower.

        Args:
          num_words: words of the vocabulary, V, without the padding.
          word_size: size of a word's vector.
          hidden_size: units of the layer on each word.
          embedding_size: size of the joint space, E.
        """
        super().__init__()
        self.word_embd = nn.Embedding(num_words + 1, word_size)
        self.word_embd.weight.requires_grad_(False)
        self.fc1 = nn.Linear(word_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, embedding_size)

    def forward(self, word_ids: torch.Tensor) -> torch.Tensor:
        """Maps word ids, int [B, L] with 0 as padding, to [B, E]."""
        words = functional.relu(self.fc1(self.word_embd(word_ids)), inplace=True)
        return self.fc2(words.amax(dim=1))


class S3D(nn.Module):
    """The S3D tower of MIL-NCE, with the text tower as `text_module`."""

    def __init__(
        self,
        num_words: int,
        word_size: int = 300,
        hidden_size: int = 2048,
        embedding_size: int = 512,
        stem: str = SPACE_TO_DEPTH_STEM,
        width: float = 1.0,
        is_pooling_centred: bool = False,
    ):
        """Makes both towers.

        Args:
          num_words: words of the vocabulary, V, without the padding; 66,249 in the public one.
          word_size: size of a word's vector.
          hidden_size: units of the text tower's layer on each word.
          embedding_size: size of the joint space, E.
          stem: "space_to_depth", the released weights', or "conv", the training code's.
          width: factor on the video tower's channels, rounded to multiples of 4.
          is_pooling_centred: whether the poolings of odd sizes are TensorFlow's; see `max_pool`.
        """
        super().__init__()

        def scaled(channels: int) -> int:
            return 4 * max(1, math.floor(channels * width / 4 + 0.5))

        self.stem = stem
        self.is_pooling_centred = is_pooling_centred
        if stem == SPACE_TO_DEPTH_STEM:
            self.conv1 = ConvUnit(24, scaled(64), (2, 4, 4), padding=(0, 0, 0))
        else:
            self.conv1 = ConvUnit(3, scaled(64), (3, 7, 7), stride=2)
        self.conv_2b = ConvUnit(scaled(64), scaled(64))
        self.conv_2c = _separable_unit(scaled(64), scaled(192))
        self.gating = SelfGating(scaled(192))
        channels = scaled(192)
        for name, outputs in _BLOCKS.items():
            block = InceptionBlock(channels, tuple(scaled(count) for count in outputs))
            self.add_module(name, block)
            channels = block.output_channels
        self.fc = nn.Linear(channels, embedding_size)
        self.text_module = TextTower(num_words, word_size, hidden_size, embedding_size)

    def forward(self, video: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeds clips.

        Args:
          video: float [B, 3, T, H, W] in [0, 1]; T, H and W even with the space-to-depth stem.

        Returns:
          `video_embedding` [B, E] and `mixed_5c` [B, C].
        """
        if self.stem == SPACE_TO_DEPTH_STEM:
            # TensorFlow's SAME padding of a 2x4x4 kernel.
            video = functional.pad(_space_to_depth(video), (1, 2, 1, 2, 0, 1))
        video = max_pool(self.conv1(video), (1, 3, 3), (1, 2, 2), self.is_pooling_centred)
        video = self.gating(self.conv_2c(self.conv_2b(video)))
        for name in _BLOCKS:
            if name in _POOLING:
                video = max_pool(video, *_POOLING[name], self.is_pooling_centred)
            video = self.get_submodule(name)(video)
        features = video.mean(dim=(2, 3, 4))
        return self.fc(features), features


def _space_to_depth(video: torch.Tensor) -> torch.Tensor:
    """Moves 2x2x2 blocks into the channels: offset in time slowest, colour fastest."""
    batch, channels, time, height, width = video.shape
    blocks = video.reshape(batch, channels, time // 2, 2, height // 2, 2, width // 2, 2)
    blocks = blocks.permute(0, 3, 5, 7, 1, 2, 4, 6)
    return blocks.reshape(batch, 8 * channels, time // 2, height // 2, width // 2)
