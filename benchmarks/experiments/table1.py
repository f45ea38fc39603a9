"""Table 1: classification accuracy and cost of ResNet50 and ResNet101 with each attention.

The claim: TDjoint (t=2, m=1) beats SE, CBAM, ECA and FCA on ImageNet-V1 and V2, with fewer parameters.
"""

# The table's rows in its order: (backbone, method) as in results/paper/table1.csv, and the suite's name.
MODELS: dict[tuple[str, str], str] = {
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
