"""The networks: two layers of convolutions for digits, and ResNet-18 as it is used on images of 32 x 32."""

from __future__ import annotations

import torch
from torch import nn

#: Channels of ResNet-18's four stages.
_WIDTHS = (64, 128, 256, 512)


def network(name: str, channels: int, size: int, classes: int) -> nn.Module:
    """A fresh network for images (N, channels, size, size); its logits have the shape (N, classes)."""
    if name == "resnet18":
        return ResNet18(channels, classes)
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (size // 2) ** 2, classes),
    )


class ResNet18(nn.Module):
    """Residual network of 18 layers (arXiv 1512.03385); a first layer of 3 x 3 with no pooling, for small images."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_convolution(channels, _WIDTHS[0], 1), nn.ReLU())
        blocks: list[nn.Module] = []
        before = _WIDTHS[0]
        for width in _WIDTHS:
            blocks += [_Block(before, width, 1 if width == before else 2), _Block(width, width, 1)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(before, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, shape (N, classes)."""
        features = self.blocks(self.first(images)).mean(dim=(2, 3))
        logits: torch.Tensor = self.last(features)
        return logits


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(_convolution(before, width, stride), nn.ReLU(), _convolution(width, width, 1))
        same = before == width and stride == 1
        self.cut: nn.Module = nn.Identity() if same else _convolution(before, width, stride, reach=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.way(images) + self.cut(images)).relu()


def _convolution(before: int, width: int, stride: int, reach: int = 3) -> nn.Module:
    """A convolution and a normalisation over the batch, which makes its bias superfluous."""
    return nn.Sequential(
        nn.Conv2d(before, width, reach, stride=stride, padding=reach // 2, bias=False), nn.BatchNorm2d(width)
    )
