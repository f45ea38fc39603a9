"""The networks that TDAM is compared with: plain backbones and four attention modules. Needs torch and torchvision."""

from baselines.attentions import ATTENTIONS
from baselines.cbam import CBAM
from baselines.checkpoints import CheckpointError
from baselines.convnext import convnext_tiny
from baselines.eca import ECA
from baselines.fca import FCA
from baselines.mobilenet import mobilenet_v3_large
from baselines.published import load_published
from baselines.resnet import resnet18, resnet34, resnet50, resnet101
from baselines.se import SE

__all__ = [
    "ATTENTIONS",
    "CBAM",
    "ECA",
    "FCA",
    "SE",
    "CheckpointError",
    "convnext_tiny",
    "load_published",
    "mobilenet_v3_large",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
]
