"""The paper's numbers, as they stand in ``results/paper/``. Nothing measured lives there."""

import functools

from benchmarks.papers.tdam import PAPER
from benchmarks.report.paper import read_numbers


def read_paper(table: str) -> list[dict[str, str]]:
    """Rows of one of the paper's tables, values as printed; an empty string where the paper prints none.

    Raises:
        FileNotFoundError: There is no such table.
    """
    return read_numbers(PAPER.numbers, table)


# Table 1's rows in its order: (backbone, method) as in results/paper/table1.csv, and the suite's name.
TABLE1: dict[tuple[str, str], str] = {
    ("resnet50", "ResNet"): "resnet50",
    ("resnet50", "SE"): "resnet50-se",
    ("resnet50", "CBAM"): "resnet50-cbam",
    ("resnet50", "ECA"): "resnet50-eca",
    ("resnet50", "FCA-TS"): "resnet50-fca",
    ("resnet50", "TDjoint (t=2, m=1)"): "resnet50-td-joint-t2-m1",
    ("resnet50", "TDtop (t=2, m=1)"): "resnet50-td-top-t2-m1",
    ("resnet50", "TDtop (t=2, m=3)"): "resnet50-td-top-t2-m3",
    ("resnet101", "ResNet"): "resnet101",
    ("resnet101", "SE"): "resnet101-se",
    ("resnet101", "CBAM"): "resnet101-cbam",
    ("resnet101", "FCA-TS"): "resnet101-fca",
    ("resnet101", "TDjoint (t=2, m=1)"): "resnet101-td-joint-t2-m1",
    ("resnet101", "TDjoint (t=2, m=1, L4)"): "resnet101-td-joint-t2-m1-l4",
}
# Rows of which a choice of ours was read off the printed counts, so that these cannot be reproduced by it.
FITTED = {
    "resnet50-td-top-t2-m3": "fitted: which blocks have the module at m=3 was read off the printed counts",
}
TITLES = {
    "resnet18": "ResNet18",
    "resnet34": "ResNet34",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "mobilenet_v3_large": "MobileNetV3-Large",
    "convnext_tiny": "ConvNeXt-Tiny",
}


@functools.cache
def paper_rows() -> dict[str, dict[str, str]]:
    """Table 1's rows, values as printed, by the suite's model names."""
    return {TABLE1[row["backbone"], row["method"]]: row for row in read_paper("table1")}
