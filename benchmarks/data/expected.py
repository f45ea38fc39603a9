"""Data sets that are not here yet, as large as they were published: enough to say what showing them will take."""

from PIL import Image

from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageSet
from benchmarks.data.registry import Source


class Expected(ImageSet):
    """So many images, none of which can be shown.

    Args:
        name: Of the data set and split.
        count: How many there will be.
    """

    def __init__(self, name: str, count: int) -> None:
        super().__init__(name, [], [], [])
        self.count = count

    def __len__(self) -> int:
        return self.count

    def size(self, i: int) -> int:
        return 0

    def image(self, i: int) -> Image.Image:
        raise DataError(f"{self.name} is not here, only its size is known; name the folder of the data, --data-root")


def expected(name: str, split: str, source: Source) -> Expected:
    """A split of a data set that lies on disk, as published; of chosen classes their share of all.

    Raises:
        DataError: Nothing is known of its size.
    """
    from benchmarks.data import coco, cub, dogs, imagenet

    counts: dict[str, dict[str, int]] = {
        "imagenet": imagenet.SETS,
        "cub": cub.PUBLISHED,
        "dogs": dogs.PUBLISHED,
        "coco": coco.PUBLISHED,
    }
    whole, _, chosen = name.partition("-")
    if split not in counts.get(whole, {}):
        raise DataError(f"how many images {name}/{split} has is not known; name the folder of the data, --data-root")
    count = counts[whole][split]
    return Expected(f"{name}-{split}", round(count * source.reduced_classes / source.num_classes) if chosen else count)
