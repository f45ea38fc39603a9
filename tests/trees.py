"""Small trees of ImageNet, CUB, Stanford Dogs and COCO drawn on the spot: real JPEG files, learnable classes."""

import colorsys
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

META_TYPE = [
    ("ILSVRC2012_ID", object),
    ("WNID", object),
    ("words", object),
    ("gloss", object),
    ("num_children", object),
    ("children", object),
    ("wordnet_height", object),
    ("num_train_images", object),
]


def wordnet_ids(classes: int) -> list[str]:
    """The WordNet ids of the trees' classes, sorted; invented but for the first."""
    return [f"n{1_440_764 + 1_213 * label:08d}" for label in range(classes)]


def draw_imagenet(
    root: Path, classes: int = 10, per_class: int = 3, flat_val: bool = False, seed: int = 0
) -> list[str]:
    """Draw ImageNet's folders ``train`` and ``val``.

    Args:
        root: Folder to draw into.
        classes: Number of classes.
        per_class: Images of each class, in train and again in val.
        flat_val: Draw val as the official archive has it, all images in one folder, and write the devkit.
        seed: Decides the pictures and the order of the val images. Both layouts of val hold the same images.

    Returns:
        The WordNet ids in the order of the labels.
    """
    names = wordnet_ids(classes)
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), per_class)).tolist()
    for label, name in enumerate(names):
        for k in range(per_class):
            save(picture(label, classes, [seed, 0, label, k]), root / "train" / name / f"{name}_{k}.JPEG")
    for number, label in enumerate(labels, start=1):
        folder = root / "val" if flat_val else root / "val" / names[label]
        save(picture(label, classes, [seed, 1, number]), folder / f"ILSVRC2012_val_{number:08d}.JPEG")
    if flat_val:
        write_devkit(root / "ILSVRC2012_devkit_t12" / "data", names, labels)
    return names


def draw_imagenet_v2(root: Path, classes: int = 10, per_class: int = 3, seed: int = 0) -> Path:
    """Draw ImageNet-V2 matched-frequency, class folders ``0``, ``1``, ...; returns its folder."""
    folder = root / "imagenetv2-matched-frequency-format-val"
    for label in range(classes):
        for k in range(per_class):
            save(picture(label, classes, [seed, 2, label, k]), folder / str(label) / f"{label:04x}{k:04x}.jpeg")
    return folder


def picture(label: int, classes: int, seed: list[int]) -> Image.Image:
    """A picture without noise: stripes whose color and direction tell the class; their width, phase and size vary.

    Args:
        label: The class.
        classes: Number of classes; colors and directions are spread evenly over them.
        seed: Decides everything else about the picture.
    """
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(60, 121, 2))
    width += width == height
    y, x = np.mgrid[:height, :width]
    angle = np.pi * label / classes
    stripes = np.cos((x * np.cos(angle) + y * np.sin(angle)) / rng.uniform(2, 4) + rng.uniform(0, 2 * np.pi))
    color = 255 * np.array(colorsys.hsv_to_rgb(label / classes, 0.9, 1.0))
    return Image.fromarray(((0.65 + 0.35 * stripes[..., None]) * color).astype(np.uint8))


def save(image: Image.Image, path: Path) -> None:
    """Save an image as JPEG, whatever the extension, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="JPEG", quality=90)


def write_devkit(devkit: Path, names: list[str], labels: list[int]) -> None:
    """Write the devkit's ``meta.mat`` and ground truth.

    As in the official one its class numbers start at 1 and do not follow the WordNet ids (here they run backwards),
    and inner nodes of WordNet follow the classes.

    Args:
        devkit: Folder to write into.
        names: Sorted WordNet ids of the classes.
        labels: Rank of the class of each val image.
    """
    numbers = [len(names) - label for label in range(len(names))]
    rows: list[tuple[object, ...]] = [
        (number, name, "words", "gloss", 0, [], 0, 1300) for number, name in sorted(zip(numbers, names, strict=True))
    ]
    rows.append((len(names) + 1, "n00001740", "entity", "gloss", len(numbers), numbers, 1, 0))
    devkit.mkdir(parents=True, exist_ok=True)
    savemat(devkit / "meta.mat", {"synsets": np.array(rows, dtype=META_TYPE)[:, None]})
    text = "".join(f"{numbers[label]}\n" for label in labels)
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text(text)


def write_solution(root: Path, names: list[str], labels: list[int]) -> None:
    """Write Kaggle's ``LOC_val_solution.csv``; see :func:`write_devkit`. The first image has two boxes."""
    rows = [f"ILSVRC2012_val_{i:08d},{names[label]} 1 2 30 40 " for i, label in enumerate(labels, start=1)]
    rows[0] += f"{names[labels[0]]} 5 6 7 8 "
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows, ""]))


def write_voc(path: Path, objects: list[tuple[str, float, float, float, float]]) -> None:
    """Write a PASCAL-VOC annotation: class name, xmin, ymin, xmax and ymax of each object."""
    objects_text = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0:g}</xmin><ymin>{y0:g}</ymin>"
        f"<xmax>{x1:g}</xmax><ymax>{y1:g}</ymax></bndbox></object>"
        for name, x0, y0, x1, y1 in objects
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{path.stem}</filename>{objects_text}</annotation>")


def draw_cub(root: Path, classes: int = 4, per_class: int = 3, seed: int = 0) -> Path:
    """Draw CUB-200-2011: of each class all images but the last are for training; returns its folder."""
    folder = root / "CUB_200_2011"
    names = [f"{label + 1:03d}.Bird_{label}" for label in range(classes)]
    images = [(label, f"{names[label]}/Bird_{label}_{k:04d}.jpg") for label in range(classes) for k in range(per_class)]
    for place, (label, name) in enumerate(images):
        save(picture(label, classes, [seed, 3, place]), folder / "images" / name)
    numbered = list(enumerate(images, start=1))
    write_lines(folder / "classes.txt", [f"{label} {name}" for label, name in enumerate(names, start=1)])
    write_lines(folder / "images.txt", [f"{i} {name}" for i, (_, name) in numbered])
    write_lines(folder / "image_class_labels.txt", [f"{i} {label + 1}" for i, (label, _) in numbered])
    write_lines(folder / "train_test_split.txt", [f"{i} {int(i % per_class != 0)}" for i, _ in numbered])
    return folder


def draw_dogs(root: Path, classes: int = 4, per_class: int = 3, seed: int = 0) -> Path:
    """Draw Stanford Dogs: of each class all images but the last are for training; returns its folder."""
    folder = root / "StanfordDogs"
    names = [f"n{2_085_620 + label:08d}-Dog_{label}" for label in range(classes)]
    lists: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for label, breed in enumerate(names):
        for k in range(per_class):
            name = f"{breed}/{breed.partition('-')[0]}_{k}.jpg"
            save(picture(label, classes, [seed, 4, label, k]), folder / "Images" / name)
            lists["test" if k == per_class - 1 else "train"].append((name, label + 1))
    for split, rows in lists.items():
        write_dog_list(folder / f"{split}_list.mat", rows)
    return folder


def write_dog_list(path: Path, rows: list[tuple[str, int]]) -> None:
    """Write a list of Stanford Dogs from paths and labels, which start at 1."""
    files = np.array([name for name, _ in rows], dtype=object)[:, None]
    savemat(path, {"file_list": files, "labels": np.array([[label] for _, label in rows], np.uint8)})


def draw_coco(root: Path, images: int = 6, seed: int = 0) -> Path:
    """Draw MS-COCO 2014 with three categories; the last image of each split has no object; returns its folder."""
    folder = root / "coco"
    numbers = [1, 18, 90]
    for split in ("train", "val"):
        rows, objects = [], []
        for i in range(images):
            name = f"COCO_{split}2014_{i:012d}.jpg"
            rows.append({"id": 100 + i, "file_name": name})
            shown = {i % 3, (i * i) % 3} if i < images - 1 else set()
            objects += [{"image_id": 100 + i, "category_id": numbers[k], "iscrowd": 0} for k in sorted(shown)]
            save(picture(i % 3, 3, [seed, 5, split == "val", i]), folder / f"{split}2014" / name)
        categories = [{"id": number, "name": f"thing {number}"} for number in numbers]
        write_instances(folder, split, {"images": rows, "annotations": objects, "categories": categories})
    return folder


def write_instances(folder: Path, split: str, content: object) -> None:
    """Write a COCO file of instances."""
    path = folder / "annotations" / f"instances_{split}2014.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))


def write_tree(devkit: Path, children: dict[str, list[str]]) -> None:
    """Write a ``meta.mat`` of a WordNet tree: the children of each node by WordNet id; leaves are numbered first."""
    names = sorted(children, key=lambda name: (bool(children[name]), name))
    number = {name: i for i, name in enumerate(names, start=1)}
    rows: list[tuple[object, ...]] = [
        (number[name], name, "words", "gloss", len(children[name]), [number[one] for one in children[name]], 0, 0)
        for name in names
    ]
    devkit.mkdir(parents=True, exist_ok=True)
    savemat(devkit / "meta.mat", {"synsets": np.array(rows, dtype=META_TYPE)[:, None]})
