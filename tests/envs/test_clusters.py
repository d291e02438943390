"""Masks over rows."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.envs.clusters import clusters_of, no_terminal


def test_a_cluster_is_marked_by_all_its_rows() -> None:
    mask = np.repeat([True, False, True], 2)
    assert clusters_of(mask, 3, 2).tolist() == [True, False, True]
    mask[3] = True
    with pytest.raises(ValueError, match="reset_mask marks 1 of the 2 rows of cluster 1; allowed: all or none"):
        clusters_of(mask, 3, 2)


@pytest.mark.parametrize("mask", [None, [True, False], np.array([1, 0]), np.array([True]), np.zeros(2, bool)])
def test_what_is_no_mask_is_refused(mask: object) -> None:
    with pytest.raises(ValueError, match=r"reset_mask = .*; allowed: a bool array of shape \(2,\)"):
        clusters_of(mask, 2, 1)


def test_a_terminal_shows_one_cluster() -> None:
    no_terminal("ansi")
    with pytest.raises(ValueError, match="render_mode = 'human'; allowed: None, 'ansi', 'rgb_array'"):
        no_terminal("human")
