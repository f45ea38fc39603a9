"""Names of networks, without torch: what they are made of, and what is wrong with one that is none.

Names are ``<backbone>``, ``<backbone>-<attention>`` or ``<backbone>-td-<kind>-t<steps>-m<distance>``, the last with an
order of its attention (``-parallel``), with ``-l4`` for the module in the last stage only, and with ``-reduced`` for
the same network after ``tdam.reduce``: ``resnet50``, ``resnet50-se``, ``resnet50-td-joint-t2-m1-spatial``,
``resnet101-td-joint-t2-m1-l4-reduced``.
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
# Orders of the attention in names; without one it is channel, then spatial.
TECHNIQUES = {
    "spatial_channel": "spatial->channel",
    "parallel": "channel||spatial",
    "channel": "channel",
    "spatial": "spatial",
    "convolution": "convolution",
}
# Suffix of a network's second measurement under another name: what the two differ by is the run's noise.
TWIN = "~twin"
TIMM = "timm:"
NAME = re.compile(
    r"(?P<backbone>[a-z0-9_]+?)"
    r"(-(?P<attention>(timm:)?[a-z0-9_]+)|-td-(?P<kind>[a-z_]+)-t(?P<steps>[1-9][0-9]*)-m(?P<distance>0|[1-9][0-9]*)"
    r"(-(?!reduced)(?P<technique>[a-z]{3}[a-z_]+))?(?P<last>-l4)?(?P<reduced>-reduced)?)?"
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
        technique: Order of the attention, a key of ``TECHNIQUES``; None for channel, then spatial.
        last_stage: Whether the feedback is in the last stage only.
        reduced: Whether it runs without the passes whose output is only pooled (``tdam.reduce``).
    """

    backbone: str
    attention: str | None = None
    kind: str | None = None
    steps: int = 1
    distance: int = 0
    technique: str | None = None
    last_stage: bool = False
    reduced: bool = False

    def __str__(self) -> str:
        if self.kind is None:
            return self.backbone if self.attention is None else f"{self.backbone}-{self.attention}"
        suffixes = [self.technique, "l4" if self.last_stage else None, "reduced" if self.reduced else None]
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
    if match["kind"] not in KINDS or (match["technique"] is not None and match["technique"] not in TECHNIQUES):
        return None
    return Model(
        match["backbone"],
        kind=match["kind"],
        steps=int(match["steps"]),
        distance=int(match["distance"]),
        technique=match["technique"],
        last_stage=match["last"] is not None,
        reduced=match["reduced"] is not None,
    )


def parse(name: str) -> Model:
    """The parts of a network's name; an attention that is none of the suite's is a plug-in's or timm's.

    Raises:
        ValueError: The name is not made of known parts.
    """
    model = split_name(name)
    if model is None:
        raise unknown(name)
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
        "BACKBONE-td-KIND-tSTEPS-mDISTANCE[-TECHNIQUE][-l4][-reduced] with BACKBONE one of "
        f"{', '.join(BACKBONES)}; ATTENTION one of {', '.join(attentions)}; KIND one of {', '.join(KINDS)}; TECHNIQUE "
        f"one of {', '.join(TECHNIQUES)}"
    )
