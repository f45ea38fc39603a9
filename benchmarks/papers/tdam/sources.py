"""The papers that the networks here come from."""

from benchmarks.report.sources import FEEDBACK, Source

SOURCES = {
    FEEDBACK: Source(
        "jaiswal2022tdam",
        "TDAM: Top-Down Attention Module for Contextually Guided Feature Selection in CNNs",
        ("Shantanu Jaiswal", "Basura Fernando", "Cheston Tan"),
        "ECCV", 2022, "2111.13470", "10.1007/978-3-031-19806-9_15",
    ),
    "resnet": Source(
        "he2016resnet",
        "Deep Residual Learning for Image Recognition",
        ("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
        "CVPR", 2016, "1512.03385", "10.1109/CVPR.2016.90",
    ),
    "se": Source(
        "hu2018se",
        "Squeeze-and-Excitation Networks",
        ("Jie Hu", "Li Shen", "Gang Sun"),
        "CVPR", 2018, "1709.01507", "10.1109/CVPR.2018.00745",
    ),
    "cbam": Source(
        "woo2018cbam",
        "CBAM: Convolutional Block Attention Module",
        ("Sanghyun Woo", "Jongchan Park", "Joon-Young Lee", "In So Kweon"),
        "ECCV", 2018, "1807.06521", "10.1007/978-3-030-01234-2_1",
    ),
    "eca": Source(
        "wang2020eca",
        "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
        ("Qilong Wang", "Banggu Wu", "Pengfei Zhu", "Peihua Li", "Wangmeng Zuo", "Qinghua Hu"),
        "CVPR", 2020, "1910.03151", "10.1109/CVPR42600.2020.01155",
    ),
    "fca": Source(
        "qin2021fca",
        "FcaNet: Frequency Channel Attention Networks",
        ("Zequn Qin", "Pengyi Zhang", "Fei Wu", "Xi Li"),
        "ICCV", 2021, "2012.11879", "10.1109/ICCV48922.2021.00082",
    ),
    "mobilenet": Source(
        "howard2019mobilenetv3",
        "Searching for MobileNetV3",
        ("Andrew Howard", "Mark Sandler", "Grace Chu", "Liang-Chieh Chen", "Bo Chen", "Mingxing Tan", "Weijun Wang",
         "Yukun Zhu", "Ruoming Pang", "Vijay Vasudevan", "Quoc V. Le", "Hartwig Adam"),
        "ICCV", 2019, "1905.02244", "10.1109/ICCV.2019.00140",
    ),
    "convnext": Source(
        "liu2022convnext",
        "A ConvNet for the 2020s",
        ("Zhuang Liu", "Hanzi Mao", "Chao-Yuan Wu", "Christoph Feichtenhofer", "Trevor Darrell", "Saining Xie"),
        "CVPR", 2022, "2201.03545", "10.1109/CVPR52688.2022.01167",
    ),
}  # fmt: skip
