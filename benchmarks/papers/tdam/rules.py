"""What the paper's numbers are counted by."""

from benchmarks.metrics.rules import GRADCAM, LAST, Rules
from benchmarks.papers.tdam.boxes import RELEASED_BOX
from benchmarks.papers.tdam.steps import CONFIDENT, RELEASED

RULES = Rules(version=2, steps=(LAST, CONFIDENT, RELEASED), step_box=RELEASED_BOX, boxes=(GRADCAM, RELEASED_BOX))
