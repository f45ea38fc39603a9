"""The reduced data sets: classes chosen by rule over the WordNet tree, or by the user's list."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.data.errors import DataError
from benchmarks.data.imagenet import open_imagenet, open_training
from benchmarks.data.mini import open_mini
from benchmarks.data.registry import DATA_SETS, Source
from benchmarks.data.selected import Selected, read_class_list
from benchmarks.data.wordnet import every_so_many, leaves_in_order, read_tree, reduced_classes
from benchmarks.papers.tdam.recipes import MINI
from tests.trees import draw_imagenet, wordnet_ids, write_tree

# Two kinds of animals, one of which is also a pet; ids do not follow the tree.
TREE = {
    "n00000009": ["n00000002", "n00000007"],
    "n00000007": ["n00000001", "n00000005"],
    "n00000002": ["n00000006", "n00000003", "n00000005"],
    "n00000001": [],
    "n00000003": [],
    "n00000005": [],
    "n00000006": [],
}
META = Path("ILSVRC2012_devkit_t12") / "data"


def test_leaves_come_in_the_order_of_the_walk() -> None:
    """Children by id; a leaf with two parents counts where it is met first."""
    assert leaves_in_order(TREE) == ["n00000003", "n00000005", "n00000006", "n00000001"]


def test_the_tree_is_read_from_the_devkit(tmp_path: Path) -> None:
    write_tree(tmp_path / META, TREE)
    assert read_tree(tmp_path / META / "meta.mat") == {name: sorted(children) for name, children in TREE.items()}
    assert reduced_classes(tmp_path, 2, None) == ["n00000003", "n00000006"]


def test_classes_are_at_equal_distances() -> None:
    names = [str(i) for i in range(1000)]
    assert every_so_many(names, 200) == names[::5]
    assert every_so_many(names, 3) == ["0", "333", "666"]
    with pytest.raises(DataError, match="cannot choose 1001 of 1000 classes"):
        every_so_many(names, 1001)


def test_each_part_of_the_tree_keeps_its_share() -> None:
    """Of a tree of 10 branches with 10 leaves each, every fifth leaf is two of each branch."""
    tree = {"n0": [f"n1{b}" for b in range(10)], **{f"n1{b}": [f"n2{b}{i}" for i in range(10)] for b in range(10)}}
    tree |= {leaf: [] for branch in list(tree.values())[1:] for leaf in branch}
    chosen = every_so_many(leaves_in_order(tree), 20)
    assert [sum(name.startswith(f"n2{b}") for name in chosen) for b in range(10)] == [2] * 10


def test_without_a_devkit_the_error_names_both_ways(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"meta.mat is missing below .* or name a file of .* with --class-list"):
        reduced_classes(tmp_path, 2, None)


def test_a_users_list_counts(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("# mine\nn00000005\n\nn00000001  # a comment\n")
    assert reduced_classes(tmp_path, 200, path) == ["n00000005", "n00000001"]


@pytest.mark.parametrize(("text", "message"), [("", "names no class"), ("a\nb\na\n", "names a twice")])
def test_bad_lists(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_class_list(path)
    with pytest.raises(DataError, match="cannot read the class list"):
        read_class_list(tmp_path / "none.txt")


def test_selected_images_keep_their_pictures_and_get_new_labels(tmp_path: Path) -> None:
    scenes = open_mini("val", tmp_path, 40)
    few = Selected("few", scenes, ["7", "2"])
    assert few.classes == ["2", "7"]
    assert few.labels == [0, 1] * 4
    assert [few.of.labels[i] for i in few.indices] == [2, 7] * 4
    assert few.image(1).tobytes() == scenes.image(7).tobytes()
    assert few.manifest_hash != Selected("few", scenes, ["7", "3"]).manifest_hash


def test_unknown_classes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 classes that mini-val does not have \(a, b\)"):
        Selected("few", open_mini("val", tmp_path, 10), ["1", "a", "b"])


def test_a_reduced_imagenet(tmp_path: Path) -> None:
    """Every second of four classes, from the devkit of the drawn tree."""
    draw_imagenet(tmp_path, classes=4, per_class=2, flat_val=True)
    names = wordnet_ids(4)
    chosen = reduced_classes(tmp_path, 2, None)
    assert chosen == [names[0], names[2]]
    reduced = Selected("imagenet-reduced", open_imagenet(tmp_path, "train", 4), chosen)
    assert reduced.labels == [0, 0, 1, 1]
    assert all(reduced.classes[label] in name for label, name in zip(reduced.labels, reduced.ids, strict=True))


def test_what_is_held_out_of_a_reduced_imagenet_is_held_out_of_the_whole(tmp_path: Path) -> None:
    """A network of the whole set has seen no image that one of the reduced set is followed on."""
    draw_imagenet(tmp_path, classes=4, per_class=3, flat_val=True)
    source = Source(tmp_path, tmp_path, 4, None, 2, None)
    sets = {part: DATA_SETS["imagenet-reduced"].open(part, source) for part in ("train", "tune")}
    assert {part: images.labels for part, images in sets.items()} == {"train": [0, 0, 1, 1], "tune": [0, 1]}
    for part, images in sets.items():
        assert set(images.ids) < set(open_training(tmp_path, part, 4).ids)


def test_the_reduced_recipe_is_the_backbones_with_what_few_images_change() -> None:
    """The reduced set's own change of a backbone goes before that of all; neither reaches other trainings."""
    reduced = replace(MINI.reduced, recipe={"epochs": 3, "lr": 0.3}, recipes={"resnet18": {"epochs": 5}})
    profile = replace(MINI, recipes={"resnet18": {"batch": 7, "epochs": 2}}, reduced=reduced)
    of_reduced, of_all = profile.recipe_of("resnet18", reduced.train), profile.recipe_of("resnet18")
    assert (of_reduced.epochs, of_reduced.lr, of_reduced.batch) == (5, 0.3, 7)
    assert (of_all.epochs, of_all.lr, of_all.batch) == (2, MINI.recipe_of("resnet50").lr, 7)
    assert profile.recipe_of("resnet50", reduced.train).epochs == 3
