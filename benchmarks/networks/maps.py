"""Class activation maps at the last feature map (Grad-CAM, Selvaraju et al., ICCV 2017, equations 1 and 2)."""

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from baselines.backbone import Backbone

PROBES = 2
HEADS: WeakKeyDictionary[nn.Module, nn.Linear | None] = WeakKeyDictionary()


def class_maps(network: Backbone, feature_map: Tensor, classes: Tensor) -> Tensor:
    """Signed maps of the given classes, before Grad-CAM's ReLU.

    Grad-CAM weighs each channel by the spatial mean of the class score's gradient. Under global average pooling and one
    linear layer that is the class's weight vector over H * W, and no backward pass is needed. Under another head the
    gradient runs through the head only, never through the network.

    Args:
        network: The network that made the feature map, in evaluation mode.
        feature_map: Last feature map (N, C, h, w).
        classes: Class indices (N, k).

    Returns:
        Maps (N, k, h, w).
    """
    if network not in HEADS:
        HEADS[network] = pooled_linear(network, feature_map)
    head = HEADS[network]
    if head is None:
        return gradient_maps(network, feature_map, classes)
    area = feature_map.shape[2] * feature_map.shape[3]
    maps = torch.bmm(head.weight.detach()[classes], feature_map.flatten(2)) / area
    return maps.view(*classes.shape, *feature_map.shape[2:])


def pooled_linear(network: Backbone, feature_map: Tensor) -> nn.Linear | None:
    """The linear layer of a head that is global average pooling and this layer; None of another head.

    The only linear layer outside the blocks is taken for the head if it computes what the head does.
    """
    inside = {id(module) for block in network.blocks() for module in block.modules()}
    layers = [m for m in network.modules() if isinstance(m, nn.Linear) and id(m) not in inside]
    if len(layers) != 1 or layers[0].in_features != feature_map.shape[1]:
        return None
    # A head with anything between pooling and layer gives other numbers.
    probe = feature_map[:PROBES]
    same = torch.allclose(network.classify(probe), layers[0](probe.mean((2, 3))), rtol=1e-3, atol=1e-5)
    return layers[0] if same else None


def gradient_maps(network: Backbone, feature_map: Tensor, classes: Tensor) -> Tensor:
    """Signed maps (N, k, h, w) by the gradient of each class's logit through the head; as :func:`class_maps`."""
    maps = []
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = feature_map.detach().clone().requires_grad_()
        logits = network.classify(leaf)
        for column in classes.clone().unbind(dim=1):
            score = logits.gather(1, column[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, leaf, retain_graph=True)
            maps.append(torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), leaf.detach()))
    return torch.stack(maps, dim=1)
