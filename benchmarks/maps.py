"""Class activation maps at the last feature map (Grad-CAM, Selvaraju et al., ICCV 2017, equations 1 and 2)."""

import torch
from torch import Tensor

from baselines.backbone import Backbone


def class_maps(network: Backbone, feature_map: Tensor, classes: Tensor) -> Tensor:
    """Signed maps of the given classes, before Grad-CAM's ReLU.

    Grad-CAM weighs each channel by the spatial mean of the class score's gradient. The gradient runs through the head
    only, never through the network, so a map costs next to nothing beside the forward pass.

    Args:
        network: The network that made the feature map.
        feature_map: Last feature map (N, C, h, w).
        classes: Class indices (N, k).

    Returns:
        Maps (N, k, h, w).
    """
    maps = []
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = feature_map.detach().clone().requires_grad_()
        logits = network.classify(leaf)
        for column in classes.clone().unbind(dim=1):
            score = logits.gather(1, column[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, leaf, retain_graph=True)
            maps.append(torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), leaf.detach()))
    return torch.stack(maps, dim=1)
