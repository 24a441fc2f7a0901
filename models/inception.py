"""The layout that the video towers S3D and I3D share: Inception v1 in three dimensions.

Facts: facts/protocols.md, section 1; Carreira and Zisserman, "Quo Vadis, Action Recognition?".
"""

# Output channels of one block: branch 0; branch 1 before and after its 3x3x3 convolution; branch 2
# the same; branch 3.
INCEPTION_BLOCKS = {
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
# Before the stage of the key: name, window and stride (time, height, width) of a max pooling.
POOLING = {
    "conv_2b": ("maxpool_2a", (1, 3, 3), (1, 2, 2)),
    "mixed_3b": ("maxpool_3a", (1, 3, 3), (1, 2, 2)),
    "mixed_4b": ("maxpool_4a", (3, 3, 3), (2, 2, 2)),
    "mixed_5b": ("maxpool_5a", (2, 2, 2), (2, 2, 2)),
}
