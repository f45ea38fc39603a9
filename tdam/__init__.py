"""TDAM, top-down attention for CNNs (ECCV 2022). Needs torch, torchvision and ``baselines``, nothing of the suite."""

from baselines.checkpoints import CheckpointError
from tdam.attention import AttentionConfig, TopDownAttention
from tdam.convnext import convnext_tiny
from tdam.feedback import Feedback, add_feedback
from tdam.mobilenet import mobilenet_v3_large
from tdam.reduction import reduce
from tdam.released import authors_state, layout_of, load_released, load_weights
from tdam.resnet import resnet18, resnet34, resnet50, resnet101

__all__ = [
    "AttentionConfig",
    "CheckpointError",
    "Feedback",
    "TopDownAttention",
    "add_feedback",
    "authors_state",
    "convnext_tiny",
    "layout_of",
    "load_released",
    "load_weights",
    "mobilenet_v3_large",
    "reduce",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
]
