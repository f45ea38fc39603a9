"""Names of networks, without torch: what they are made of, and what is wrong with one that is none.

Names are ``<backbone>``, ``<backbone>-<attention>`` or ``<backbone>-td-<kind>-t<steps>-m<distance>``. After the last
may stand, in this order:

- what feeds back in place of channel, then spatial attention (``-parallel``; ``-constant``: nothing does, the looped
  layers run again on their own input),
- ``-l4``: the module in the last stage only; ``-l34``: in every block of the last two,
- ``-live``: the norm that starts at zero is that of the last step and not of the first (``zero_init`` in
  ``tdam.resnet``), so that every path has its gradient; ResNets only,
- ``-r<number>``: the reduction of the attention's hidden layer, where it is not the backbone's own,
- ``-reduced``: the same network after ``tdam.reduce``.

Such as ``resnet50``, ``resnet50-se``, ``resnet50-td-joint-t2-m1-spatial``, ``resnet50-td-top-t2-m3-live``,
``mobilenet_v3_large-td-joint-t2-m1-r16``, ``resnet101-td-joint-t2-m1-l4-reduced``.
"""

import difflib
import functools
import re
from dataclasses import dataclass, replace

# A test holds these equal to the registries of ``baselines`` and ``tdam``, which need torch.
# Backbones by name, with the module of ``baselines`` and of ``tdam`` that builds each.
BACKBONES = {
    "resnet18": "resnet",
    "resnet34": "resnet",
    "resnet50": "resnet",
    "resnet101": "resnet",
    "mobilenet_v3_large": "mobilenet",
    "convnext_tiny": "convnext",
}
ATTENTIONS = ("se", "cbam", "eca", "fca")
KINDS = ("joint", "top", "joint_bilinear")
# What feeds back, in names: orders of the attention, or another module; without one it is channel, then spatial.
TECHNIQUES = {
    "spatial_channel": "spatial->channel",
    "parallel": "channel||spatial",
    "channel": "channel",
    "spatial": "spatial",
    "convolution": "convolution",
    "constant": "constant",
}
CONSTANT = "constant"
# Those that have no hidden layer, and so no reduction.
WITHOUT_HIDDEN_LAYER = ("convolution", CONSTANT)
# Placements other than the backbone's own, in names: in every block of so many last stages.
PLACEMENTS = {"l4": 1, "l34": 2}
# Backbones whose norms start at zero, by their module.
STARTS_AT_ZERO = "resnet"
# Suffix of a network's second measurement under another name: what the two differ by is the run's noise.
TWIN = "~twin"
TIMM = "timm:"
NAME = re.compile(
    r"(?P<backbone>[a-z0-9_]+?)"
    r"(-(?P<attention>(timm:)?[a-z0-9_]+)|-td-(?P<kind>[a-z_]+)-t(?P<steps>[1-9][0-9]*)-m(?P<distance>0|[1-9][0-9]*)"
    rf"(-(?P<technique>{'|'.join(TECHNIQUES)}))?(-(?P<placement>{'|'.join(PLACEMENTS)}))?(?P<live>-live)?"
    r"(-r(?P<reduction>[1-9][0-9]*))?(?P<reduced>-reduced)?)?"
)


@dataclass(frozen=True)
class Model:
    """A network by the parts of its name.

    Attributes:
        backbone: One of ``BACKBONES``.
        attention: A feedforward attention in every block: a name in ``ATTENTIONS``, a plug-in's, or ``timm:<name>``.
        kind: Of the feedback, one of ``KINDS``; None without feedback.
        steps: Computation steps t, 1 without feedback.
        distance: Feedback distance m.
        technique: What feeds back, a key of ``TECHNIQUES``; None for channel, then spatial attention.
        placement: Where the feedback is, a key of ``PLACEMENTS``; None for the backbone's own placement.
        live: Whether the last step's norm starts at zero and not the first step's.
        reduction: Of the attention's hidden layer, None for the backbone's own.
        reduced: Whether it runs without the passes whose output is only pooled (``tdam.reduce``).
    """

    backbone: str
    attention: str | None = None
    kind: str | None = None
    steps: int = 1
    distance: int = 0
    technique: str | None = None
    placement: str | None = None
    live: bool = False
    reduction: int | None = None
    reduced: bool = False

    def __str__(self) -> str:
        if self.kind is None:
            return self.backbone if self.attention is None else f"{self.backbone}-{self.attention}"
        marks = {
            "live": self.live,
            f"r{self.reduction}": self.reduction,
            "reduced": self.reduced,
        }
        suffixes = [self.technique, self.placement, *(mark for mark, meant in marks.items() if meant)]
        return "-".join([f"{self.backbone}-td-{self.kind}-t{self.steps}-m{self.distance}", *filter(None, suffixes)])

    @property
    def feedback(self) -> bool:
        """Whether it has a feedback loop."""
        return self.kind is not None

    @property
    def plain(self) -> "Model":
        """The network without any attention on the same backbone."""
        return Model(self.backbone)

    @property
    def is_plain(self) -> bool:
        """Whether it has neither attention nor feedback."""
        return self == self.plain

    @property
    def whole(self) -> "Model":
        """The network that a reduced one is equal to; itself where it is not reduced."""
        return replace(self, reduced=False)

    @property
    def is_control(self) -> bool:
        """Whether it is there to tell what another network's gain is due to: its start, or the second pass alone."""
        return self.live or self.technique == CONSTANT

    @property
    def from_outside(self) -> bool:
        """Whether its attention is none of the suite's own."""
        return self.attention is not None and self.attention not in ATTENTIONS


@functools.cache
def split_name(name: str) -> Model | None:
    """The parts of a name, whatever its attention is called; None if it is not made of known parts."""
    match = NAME.fullmatch(name)
    if match is None or match["backbone"] not in BACKBONES:
        return None
    if match["kind"] is None:
        return Model(match["backbone"], match["attention"])
    if match["kind"] not in KINDS:
        return None
    return Model(
        match["backbone"],
        kind=match["kind"],
        steps=int(match["steps"]),
        distance=int(match["distance"]),
        technique=match["technique"],
        placement=match["placement"],
        live=match["live"] is not None,
        reduction=None if match["reduction"] is None else int(match["reduction"]),
        reduced=match["reduced"] is not None,
    )


def parse(name: str) -> Model:
    """The parts of a network's name; an attention that is none of the suite's is a plug-in's or timm's.

    Raises:
        ValueError: The name is not made of known parts, or of parts that do not go together.
    """
    model = split_name(name)
    if model is None:
        raise unknown(name)
    if model.live and BACKBONES[model.backbone] != STARTS_AT_ZERO:
        raise ValueError(f"{name}: no norm of {model.backbone} starts at zero, so there is no -live; only of ResNets")
    if model.reduction is not None and model.technique in WITHOUT_HIDDEN_LAYER:
        raise ValueError(f"{name}: -{model.technique} has no hidden layer to reduce; leave -r{model.reduction} out")
    return model


def unknown(name: str, attentions: tuple[str, ...] = ATTENTIONS) -> ValueError:
    """What to say of a name that is none: what is near, and what is allowed.

    Args:
        name: It.
        attentions: Names of the attentions that there are, plug-ins included.
    """
    whole = [f"{backbone}{end}" for backbone in BACKBONES for end in ("", *(f"-{one}" for one in attentions))]
    loops = [f"{backbone}-td-{kind}-t2-m1" for backbone in BACKBONES for kind in KINDS]
    near = difflib.get_close_matches(name, [*whole, *loops], n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return ValueError(
        f"unknown model {name!r}{hint}; names are BACKBONE, BACKBONE-ATTENTION or "
        "BACKBONE-td-KIND-tSTEPS-mDISTANCE[-TECHNIQUE][-PLACEMENT][-live][-rREDUCTION][-reduced] with BACKBONE one of "
        f"{', '.join(BACKBONES)}; ATTENTION one of {', '.join(attentions)}; KIND one of {', '.join(KINDS)}; TECHNIQUE "
        f"one of {', '.join(TECHNIQUES)}; PLACEMENT one of {', '.join(PLACEMENTS)}"
    )
