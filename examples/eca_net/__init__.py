"""ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks (Wang et al., CVPR 2020).

A second paper beside the suite's own, with the counts of its table 3:

    tdam-bench --paper examples/eca_net run
    tdam-bench --paper examples/eca_net report
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report.paper import Paper, read_numbers
from benchmarks.work.profiles import Profile

if TYPE_CHECKING:
    from benchmarks.metrics.rules import Rules

FOLDER = Path(__file__).parent
ATTENTIONS = {"ResNet": "", "SENet": "-se", "CBAM": "-cbam", "ECA-Net": "-eca"}


def printed() -> Mapping[str, Mapping[str, str]]:
    """Table 3's rows of the methods that the suite has, values as printed, by the suite's names of networks."""
    rows = read_numbers(FOLDER, "table3")
    return {row["backbone"] + ATTENTIONS[row["method"]]: row for row in rows}


def rules() -> "Rules":
    """Its networks predict once."""
    from benchmarks.metrics.rules import PLAIN_RULES

    return PLAIN_RULES


PAPER = Paper(
    name="eca_net",
    title="Do ECA-Net's costs reproduce, here?",
    cited="ECA-Net (CVPR 2020)",
    package=__name__,
    numbers=FOLDER,
    experiments=("table3",),
    profiles={"counts": Profile("counts")},
    rules=rules,
    costs=printed,
    # Its authors count in 1024 (issue 35 of BangguWu/ECANet) by thop, whose releases of early 2019 give its digits.
    units=(2.0**20, 2.0**30),
    convention="layers",
    program="tdam-bench --paper examples/eca_net",
)
