"""Which classes the reduced ImageNet of figure 8 (center) has.

The paper tells their number, 200, and that the subset is hierarchical; its list was not published. Here they follow
from the WordNet tree in ILSVRC's devkit: the tree is walked from its roots, children in the order of their WordNet
ids, and of the 1000 classes in the order in which the walk meets them every fifth is taken, the first included. So each
part of the tree keeps its share of the classes, and of near relatives one stays.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError
from benchmarks.data.imagenet import BASES, DEVKIT, load_meta
from benchmarks.data.selected import read_class_list

META = f"{DEVKIT}/meta.mat"


def reduced_classes(root: Path, count: int, class_list: Path | None) -> list[str]:
    """WordNet ids of the reduced data set.

    Args:
        root: Data folder, with the devkit.
        count: Number of classes.
        class_list: The user's own list instead, a WordNet id on each line.

    Raises:
        DataError: The list or the devkit cannot be read, or there are fewer classes than wanted.
    """
    if class_list is not None:
        return read_class_list(class_list)
    places = [root.expanduser() / base / META for base in BASES]
    meta = next((place for place in places if place.is_file()), None)
    if meta is None:
        raise DataError(
            f"the reduced ImageNet follows the WordNet tree of ILSVRC's devkit, and {META} is missing below {root}; "
            "extract the devkit there, or name a file of WordNet ids with --class-list"
        )
    return every_so_many(leaves_in_order(read_tree(meta)), count)


def read_tree(meta: Path) -> dict[str, list[str]]:
    """Children of each node of the devkit's tree by WordNet id; a class of ImageNet has none.

    Raises:
        DataError: The file is not the devkit's ``meta.mat``, or a child is no node.
    """
    synsets = load_meta(meta)
    names = {int(node["ILSVRC2012_ID"]): str(node["WNID"]) for node in synsets}
    try:
        return {
            str(node["WNID"]): sorted(names[int(child)] for child in np.atleast_1d(node["children"]).tolist())
            if int(node["num_children"])
            else []
            for node in synsets
        }
    except KeyError as error:
        what = f"{meta} has no node {error}, which another one has as a child"
        raise DataError(f"{what}; extract the devkit again") from error


def leaves_in_order(tree: Mapping[str, Sequence[str]]) -> list[str]:
    """Leaves in the order in which a walk from the roots meets them first, roots and children in order of their ids."""
    inner = {child for children in tree.values() for child in children}
    waiting = sorted(set(tree) - inner, reverse=True)
    seen: set[str] = set()
    leaves = []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if not tree[node]:
            leaves.append(node)
        waiting += sorted(tree[node], reverse=True)
    return leaves


def every_so_many(names: Sequence[str], count: int) -> list[str]:
    """``count`` of the names at equal distances, the first included.

    Raises:
        DataError: There are fewer.
    """
    if not 0 < count <= len(names):
        raise DataError(f"cannot choose {count} of {len(names)} classes")
    return [names[i * len(names) // count] for i in range(count)]
