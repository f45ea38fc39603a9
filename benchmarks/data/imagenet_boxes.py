"""ILSVRC's boxes: one PASCAL-VOC XML file for each image of val, named after it."""

import hashlib
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.data.boxes import AnnotationError, ObjectBox
from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageSet

# Where the XML files are looked for, first hit wins.
PLACES = (
    "ILSVRC/Annotations/CLS-LOC/val",
    "Annotations/CLS-LOC/val",
    "ILSVRC2012_bbox_val_v3/val",
    "ILSVRC2012_bbox_val_v3",
    "bbox_val",
)


class BoxedFiles:
    """The annotations of an image set of files, one each.

    Args:
        images: The image set.
        folder: Holds ``<name>.xml`` for each image ``<name>.JPEG``.
    """

    def __init__(self, images: ImageSet, folder: Path) -> None:
        self.classes, self.ids = images.classes, images.ids
        self.annotations = folder

    def annotation(self, i: int) -> Path:
        """The XML file of image ``i``."""
        return self.annotations / f"{Path(self.ids[i]).stem}.xml"

    def boxes(self, i: int) -> list[ObjectBox]:
        """All boxes, from corner to corner in pixels of the stored image; class -1 is none of the set's."""
        labels = {name: label for label, name in enumerate(self.classes)}
        return [ObjectBox(labels.get(name, -1), *corners) for name, corners in read_voc(self.annotation(i))]

    @cached_property
    def boxes_hash(self) -> str:
        """SHA-256 (hexadecimal) of all annotations."""
        digest = hashlib.sha256()
        for i in range(len(self.ids)):
            path = self.annotation(i)
            digest.update(path.read_bytes() if path.exists() else b"missing")
        return digest.hexdigest()


def read_voc(path: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Class name and (x, y, width, height) of each object of a PASCAL-VOC XML file; may be empty.

    Raises:
        AnnotationError: The file is missing or is none.
    """
    try:
        objects = ElementTree.parse(path).getroot().findall("object")
        named_boxes = []
        for one in objects:
            x0, y0, x1, y1 = (float(one.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
            named_boxes.append((one.findtext("name", ""), (x0, y0, x1 - x0, y1 - y0)))
    except FileNotFoundError as error:
        raise AnnotationError(f"there is no annotation {path}") from error
    except (ElementTree.ParseError, ValueError) as error:
        raise AnnotationError(f"{path} is not a PASCAL-VOC annotation: {error}") from error
    return named_boxes


def open_boxes(images: ImageSet, root: Path) -> BoxedFiles:
    """The boxes of an ImageNet set.

    Raises:
        DataError: There is no folder of annotations below the root.
    """
    for place in PLACES:
        folder = root / place
        if folder.is_dir() and next(folder.glob("*.xml"), None) is not None:
            return BoxedFiles(images, folder)
    raise DataError(
        f"no bounding boxes below {root}: unpack ILSVRC2012_bbox_val_v3.tgz into one of {', '.join(PLACES)}"
    )
