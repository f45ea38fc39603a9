"""Boxes around the contours of gray maps above every threshold, from one sweep over their levels.

Above a threshold a map falls into components (pixels that share a side or a corner) and holes (what lies below, inside
of them; pixels that share a side). Each has one contour, of which a box needs the extent only. Components grow and join
as the threshold falls, holes as it rises, so neither need be followed anew at each:

- Every row is cut where it stops falling and rises. From each pixel of a piece the way to its peak never falls, so
  wherever the pixel lies above a threshold, the peak is in the same component. A piece whose peak has a higher pixel
  beside it, in the row above or below, belongs with that pixel's piece; what remains are basins, one for each summit.
- Two basins are one component above all thresholds below the highest of their passes. A pass is a pair of neighbors,
  one in each, and as high as the lower of them. Passes in descending order join basins as a spanning tree does, and put
  them in an order in which each component, at every level, is a run of basins.
- A component has a pixel in a row or column just where it has a peak of that row or column: peaks give its extent.

Holes are the components of the map turned upside down, within a ring that stands for the outside of the image. Where
the largest contour, by the area that it encloses, cannot be told from components alone, as holes count as area, OpenCV
traces the one threshold.

Tables by level have the highest level first: at place r, components are of pixels of at least level 255 - r.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

HIGHEST = 255
LEVELS = HIGHEST + 1
FAR = np.iinfo(np.int32).max // 2
TABLE_AT_MOST = 2**20  # pairs of basins; above, sorting takes less memory

Ints = npt.NDArray[np.integer]
Heights = npt.NDArray[np.uint16]
Gray = npt.NDArray[np.uint8]


class Contours(NamedTuple):
    """The contours of N gray maps above every threshold from 0 to 254.

    Attributes:
        of: The map of each contour (n,).
        threshold: The threshold above which it is there (n,).
        boxes: Around it, as x, y, w, h (n, 4).
        largest: Around the contour that encloses the largest area (N, 255, 4), by threshold; zeros where none is.
    """

    of: Ints
    threshold: Ints
    boxes: Ints
    largest: Ints


class Basins(NamedTuple):
    """Maps, each within its ring, one below the other, cut into basins.

    Attributes:
        level: Of each pixel, from 0 to 255, of all rows in one (n,).
        basin: Of each pixel (n,), from 0.
        rows: Pixels that are peaks of their row.
        columns: Pixels that are peaks of their column.
        summits: The pixel of each basin's summit, ascending.
        width: Of a row, the ring included.
        diagonal: Whether pixels that share a corner only are neighbors.
    """

    level: Gray
    basin: Ints
    rows: Ints
    columns: Ints
    summits: Ints
    width: int
    diagonal: bool


class Runs(NamedTuple):
    """Basins in an order in which each component at every place is a run of them.

    Basins that a place does not reach stand in the run before them, or before the first; there is nothing of them yet.

    Attributes:
        position: Of each basin in that order (basins,).
        begin: Where each run begins, place after place: place * basins + position (n,).
        first: The first basin of each run (n,).
    """

    position: Ints
    begin: Ints
    first: Ints


def contours(heights: Heights) -> Contours:
    """The contours that OpenCV gives above each threshold, outer ones and those of holes.

    Args:
        heights: Maps (N, h, w): 256 times a pixel's level from 0 to 255, plus what tells it from others of that level.
            The more it tells, the fewer basins there are; the outcome is that of the levels alone.

    Returns:
        See the class. Of several contours that enclose the largest area the first in OpenCV's order counts.
    """
    count, height, width = heights.shape[0], heights.shape[1] + 2, heights.shape[2] + 2
    surface = np.zeros((count, height, width), np.uint16)
    surface[:, 1:-1, 1:-1] = heights
    surface = surface.reshape(-1, width)
    solid, hollow = basins(surface, diagonal=True), basins(~surface, diagonal=False)
    runs, hollow_runs = runs_of(solid), runs_of(hollow)
    boxes, around = boxes_of(solid, runs, height), boxes_of(hollow, hollow_runs, height)
    is_hole = hollow_runs.first > 0  # the first basin holds the outside
    # Above threshold t are the levels from t + 1, at place 254 - t; a hole holds what is upside down 255 - t and above.
    threshold = HIGHEST - 1 - runs.begin // len(solid.summits)
    hole_threshold = hollow_runs.begin[is_hole] // len(hollow.summits)
    of = solid.summits[runs.first] // (height * width)
    of_hole = hollow.summits[hollow_runs.first[is_hole]] // (height * width)
    has_holes = np.zeros((count, HIGHEST), dtype=bool)
    has_holes[of_hole, hole_threshold] = True
    outer = Contours(of, threshold, boxes, np.zeros((count, HIGHEST, 4), np.int64))
    find_largest(outer, enclosed(solid, runs), has_holes, heights)
    return Contours(
        np.append(of, of_hole),
        np.append(threshold, hole_threshold),
        # The contour of a hole runs outside of it.
        np.concatenate([outer.boxes, around[is_hole] + np.array([-1, -1, 2, 2])]),
        outer.largest,
    )


def basins(surface: Heights, diagonal: bool) -> Basins:
    """Cut maps into basins. Each lies within a ring that is level, and nowhere above the map or nowhere below it.

    Args:
        surface: Heights (h, w), of which the first and last row and column are ring.
        diagonal: Whether pixels that share a corner only are neighbors.
    """
    width = surface.shape[1]
    flat = surface.ravel()  # rows follow each other by way of the ring
    rises = flat[1:] > flat[:-1]
    starts = np.flatnonzero(rises[1:] & ~rises[:-1]) + 2
    rows = np.append(0, np.flatnonzero(rises[:-1] & ~rises[1:]) + 1)
    lengths = np.diff(starts, prepend=0, append=len(flat))
    climbs = flat[width:] > flat[:-width]
    columns = np.flatnonzero(climbs[:-width] & ~climbs[width:]) + width
    small = np.int16 if len(rows) <= np.iinfo(np.int16).max else np.int32
    piece: Ints = np.repeat(np.arange(len(rows)).astype(small), lengths)
    leads_to = highest_reached(flat, piece, rows, width, diagonal)
    is_summit = leads_to == np.arange(len(rows))
    basin_of = (np.cumsum(is_summit) - 1)[leads_to].astype(small)
    level = (flat >> 8).astype(np.uint8)
    return Basins(level, np.repeat(basin_of, lengths), rows, columns, rows[is_summit], width, diagonal)


def highest_reached(flat: Heights, piece: Ints, peaks: Ints, width: int, diagonal: bool) -> Ints:
    """The piece that the way up from each piece's peak ends in, by neighbors in the row above or below.

    On level ground the way leads up the rows only, so that it never comes back.
    """
    sides = np.array((-1, 0, 1) if diagonal else (0,))[:, None]
    above, below = np.maximum(peaks + (sides - width), 0), np.minimum(peaks + (sides + width), len(flat) - 1)
    height = flat[peaks]
    beside = np.concatenate([above, below])
    leads = np.concatenate([flat[above] >= height, flat[below] > height])
    which = leads.argmax(axis=0)
    everywhere = np.arange(len(peaks))
    leads_to = np.where(leads[which, everywhere], piece[beside[which, everywhere]], everywhere)
    while not np.array_equal(further := leads_to[leads_to], leads_to):
        leads_to = further
    return leads_to


def passes(cut: Basins) -> tuple[Ints, Ints, Ints]:
    """The highest pass between each two basins that touch, as level and the two; the highest first.

    Neighbors by a corner count only where both of the other two pixels there are lower; elsewhere those lead over.
    """
    count, width, level, basin = len(cut.summits), cut.width, cut.level, cut.basin
    corners = ((width + 1, (1, width)), (width - 1, (-1, width))) if cut.diagonal else ()
    pairs, levels = [], []
    for offset, others in ((1, ()), (width, ()), *corners):
        near = np.flatnonzero(basin[:-offset] != basin[offset:])
        lower = np.minimum(level[near], level[near + offset])
        if others:
            alone = np.maximum(level[near + others[0]], level[near + others[1]]) < lower
            near, lower = near[alone], lower[alone]
        one, other = basin[near].astype(np.int64), basin[near + offset].astype(np.int64)
        pairs.append(np.minimum(one, other) * count + np.maximum(one, other))
        levels.append(lower)
    pair, height = highest_of(np.concatenate(pairs), np.concatenate(levels), count**2)
    order = np.argsort(-height.astype(int))
    return height[order], *np.divmod(pair[order], count)


def highest_of(pair: Ints, level: Gray, kinds: int) -> tuple[Ints, Ints]:
    """Each pair once, with its highest level; of level 0 only if there are too many kinds of pairs for a table."""
    if kinds <= TABLE_AT_MOST:
        table = np.zeros(kinds, np.uint8)
        np.maximum.at(table, pair, level)
        some = np.flatnonzero(table)
        return some, table[some]
    order = np.lexsort((level, pair))
    pair = pair[order]
    last = np.append(pair[1:] != pair[:-1], True)
    return pair[last], level[order][last]


def runs_of(cut: Basins) -> Runs:
    """The components of basins at every place but the last, where there is everything.

    What joins is put behind what it joins, and is one with it from the pass's place on.
    """
    count = len(cut.summits)
    joined, last, behind = list(range(count)), list(range(count)), [-1] * count
    from_place = [LEVELS] * count
    for level, *pair in zip(*(array.tolist() for array in passes(cut)), strict=True):
        one, other = root_of(pair[0], joined), root_of(pair[1], joined)
        if one == other or not level:
            continue
        one, other = min(one, other), max(one, other)
        behind[last[one]], last[one], joined[other] = other, last[other], one
        from_place[other] = HIGHEST - level
    order = []
    for basin in (basin for basin in range(count) if joined[basin] == basin):
        while basin >= 0:
            order.append(basin)
            basin = behind[basin]
    places = np.arange(HIGHEST)[:, None]
    reached = HIGHEST - cut.level[cut.summits[order]].astype(int) <= places
    begin = np.flatnonzero(reached & (places < np.array(from_place)[order]))
    return Runs(np.argsort(order), begin, np.array(order)[begin % count])


def root_of(basin: int, joined: list[int]) -> int:
    """What a basin has been joined to in the end."""
    while joined[basin] != basin:
        joined[basin] = joined[joined[basin]]
        basin = joined[basin]
    return basin


def boxes_of(cut: Basins, runs: Runs, height: int) -> Ints:
    """Boxes around components (n, 4) as x, y, w, h.

    Args:
        cut: The basins.
        runs: The components.
        height: Of each map, its ring included.
    """
    count = len(cut.summits)
    table = np.full((LEVELS, 4, count), FAR, np.int32)  # first column and row, and the negative of the last ones
    flat = table.reshape(-1)
    for axis, peaks in enumerate((cut.columns, cut.rows)):
        at = (peaks // cut.width % height if axis else peaks % cut.width).astype(np.int32) - 1
        place = HIGHEST - cut.level[peaks].astype(np.int64)
        where = (4 * place + axis) * count + runs.position[cut.basin[peaks]]
        np.minimum.at(flat, where, at)
        np.minimum.at(flat, where + 2 * count, -at)
    np.minimum.accumulate(table, axis=0, out=table)
    x0, y0, x1, y1 = (np.minimum.reduceat(table[:HIGHEST, side].ravel(), runs.begin) for side in range(4))
    return np.stack([x0, y0, 1 - x1 - x0, 1 - y1 - y0], axis=1)


def enclosed(cut: Basins, runs: Runs) -> Ints:
    """Twice the area between the centers of each component's pixels, without its holes (n,).

    Of the square between four centers half lies inside once three of them do, and all of it once all four do. They are
    in one component then, and the higher of any two of them is one of the three. Of two in a row the right one has the
    basin of the higher: where basins change it is the higher.
    """
    level, width, count = cut.level, cut.width, len(cut.summits)
    left, right = level[:-1], level[1:]
    low, high = np.minimum(left, right), np.maximum(left, right)
    four = np.minimum(low[:-width], low[width:])
    three = np.minimum(np.maximum(low[:-width], low[width:]), np.minimum(high[:-width], high[width:]))
    owner = cut.basin[1:-width].astype(np.int32) * LEVELS + HIGHEST
    table = np.bincount(owner - three, minlength=LEVELS * count) + np.bincount(owner - four, minlength=LEVELS * count)
    by_place = np.empty((LEVELS, count), np.int64)
    by_place[:, runs.position] = table.reshape(count, LEVELS).T
    return np.asarray(np.add.reduceat(by_place.cumsum(axis=0)[:HIGHEST].reshape(-1), runs.begin))


def find_largest(outer: Contours, area: Ints, has_holes: npt.NDArray[np.bool_], heights: Heights) -> None:
    """Put in the box of the largest contour above each threshold.

    Holes add to the area of what they lie in. Where there are any, a component is known to be the largest only if it is
    larger without its own than the boxes of the others are.

    Args:
        outer: The contours of components, those above one threshold after each other, and so those of each map.
        area: Twice what each component encloses without its holes (n,).
        has_holes: Whether there is any, of whichever component (N, 255).
        heights: The maps (N, h, w).
    """
    if not len(area):
        return
    group = outer.threshold * len(heights) + outer.of
    begins = np.append(0, np.flatnonzero(group[1:] != group[:-1]) + 1)
    of, threshold, total = outer.of[begins], outer.threshold[begins], len(area)
    # The largest and, in the same number, which it is: the first of equals.
    best = np.maximum.reduceat(area * total + np.arange(total)[::-1], begins)
    most, which = best // total, total - 1 - best % total
    at_most = np.where(has_holes[outer.of, outer.threshold], 2 * (outer.boxes[:, 2:] - 1).prod(axis=1), area)
    at_most[which] = -1
    sure = (most > np.maximum.reduceat(at_most, begins)) & ((most > 0) | ~has_holes[of, threshold])
    outer.largest[of, threshold] = outer.boxes[which]
    for one, at in zip(of[~sure].tolist(), threshold[~sure].tolist(), strict=True):
        outer.largest[one, at] = traced_largest(heights[one] >> 8, at)


def traced_largest(level: Ints, threshold: int) -> tuple[int, ...]:
    """The box of the largest contour of a map's levels (h, w) above one threshold, by OpenCV."""
    import cv2

    traced, _ = cv2.findContours((level > threshold).view(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    return tuple(cv2.boundingRect(max(traced, key=cv2.contourArea)))
