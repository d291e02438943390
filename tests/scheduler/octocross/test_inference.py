"""The model without torch says what it says with torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross import attention, inference, lanes
from octogym.scheduler.octocross.config import PRESETS
from octogym.scheduler.octocross.inference import Inference

from .situations import SMALL, SPARSE, lively, random_cluster


def of(model):
    return Inference(model.config, {name: x.detach().numpy() for name, x in model.state_dict().items()})


def plain(cluster):
    return [x[0].numpy() for x in cluster]


def say(model, cluster):
    with torch.inference_mode():
        said = model(*cluster)
    return said.forecast[0].numpy(), said.scores[0].numpy()


def busy(config):
    """A model in which the views count in the encoder, too."""
    model = lively(config)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in model.blocks:
            block.view_bias.weight.normal_(generator=draw)
    return model


# Heads of 4, 2, 5 and 6 channels; times that fill their vectors and that do not.
SIZES = {
    "small": SMALL,
    "sparse": SPARSE,
    "two": replace(SMALL, width=8, heads=4),
    "odd": replace(SMALL, width=10, heads=2, history=17, horizon=3, ffn=1),
    "six": replace(SMALL, width=12, heads=2, history=16, blocks=1),
    "fast": PRESETS["fast"],
    "paper": PRESETS["paper"],
}


@pytest.mark.parametrize("config", SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("nodes", [1, 9, 16])
def test_says_what_torch_says(config, nodes):
    model, cluster = busy(config), random_cluster(nodes, config=config)
    forecast, scores = say(model, cluster)
    said = of(model)(*plain(cluster))
    assert said.forecast.shape == (nodes, config.horizon) and said.scores.shape == (nodes, nodes)
    np.testing.assert_allclose(said.forecast, forecast, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(said.scores, scores, rtol=1e-5, atol=1e-5)


def test_in_a_large_cluster_it_looks_at_the_same_neighbours():
    model, cluster = busy(PRESETS["fast"]), random_cluster(150, config=PRESETS["fast"])
    forecast, scores = say(model, cluster)
    said = of(model)(*plain(cluster))
    np.testing.assert_allclose(said.forecast, forecast, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(said.scores, scores, rtol=1e-5, atol=1e-5)


def test_among_equal_neighbours_both_take_the_first():
    model, cluster = busy(SPARSE), random_cluster(9, config=SPARSE)
    even = cluster._replace(views=torch.full_like(cluster.views, 0.5) * (1 - torch.eye(9)))
    forecast, _ = say(model, even)
    np.testing.assert_allclose(of(model)(*plain(even)).forecast, forecast, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", [SMALL, SPARSE], ids=["dense", "sparse"])
def test_missing_nodes_change_nothing(config):
    model, cluster = busy(config), random_cluster(9, config=config)
    kept = [0, 1, 3, 4, 5, 7, 8]
    valid = torch.zeros(1, 9, dtype=torch.bool)
    valid[:, kept] = True
    history, views = cluster.history.clone(), cluster.views.clone()
    history[:, [2, 6]], views[:, :, 2], views[..., 6] = np.nan, np.nan, 1e6
    decide = of(model)
    masked = decide(*plain(cluster._replace(history=history, views=views, valid=valid)))
    alone = decide(*plain(cluster.pick(kept)))
    np.testing.assert_allclose(masked.forecast[kept], alone.forecast, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(masked.scores[np.ix_(kept, kept)], alone.scores, rtol=1e-5, atol=1e-5)
    assert not masked.forecast[[2, 6]].any() and not masked.scores[[2, 6]].any() and not masked.scores[:, [2, 6]].any()


def test_a_cluster_without_any_node_is_no_error():
    cluster = random_cluster(4)
    said = of(lively())(*plain(cluster._replace(valid=torch.zeros_like(cluster.valid))))
    assert not said.forecast.any() and not said.scores.any()


def test_one_decision_leaves_nothing_for_the_next():
    decide = of(busy(SMALL))
    one, two = (plain(random_cluster(nodes, seed=nodes)) for nodes in (6, 9))
    first = decide(*one)
    decide(*two)
    again = decide(*one)
    assert np.array_equal(first.forecast, again.forecast) and np.array_equal(first.scores, again.scores)


def test_order_of_nodes_goes_through():
    decide, cluster = of(busy(SMALL)), random_cluster(9)
    order = np.random.default_rng(0).permutation(9)
    said, turned = decide(*plain(cluster)), decide(*plain(cluster.pick(order)))
    np.testing.assert_allclose(said.forecast[order], turned.forecast, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(said.scores[np.ix_(order, order)], turned.scores, rtol=1e-5, atol=1e-5)


def test_samples_may_be_of_double_precision():
    decide, cluster = of(busy(SMALL)), plain(random_cluster(5))
    double = [x.astype(np.float64) if x.dtype == np.float32 else x for x in cluster]
    np.testing.assert_allclose(decide(*double).forecast, decide(*cluster).forecast, rtol=1e-5, atol=1e-5)


def test_weights_are_copied():
    model, cluster = busy(SMALL), plain(random_cluster(5))
    decide = of(model)
    before = decide(*cluster)
    with torch.no_grad():
        for x in model.parameters():
            x.zero_()
    assert np.array_equal(before.forecast, decide(*cluster).forecast)


def test_a_missing_parameter_is_named():
    weights = {name: x.detach().numpy() for name, x in lively().state_dict().items()}
    for name in ("blocks.1.gate.weight", "head.key.weight", "decoder.bias"):
        with pytest.raises(SchedulerError, match=name):
            Inference(SMALL, {other: x for other, x in weights.items() if other != name})


@pytest.mark.parametrize("at", range(5), ids=["history", "capacity", "views", "valid", "ids"])
def test_shapes_that_do_not_fit_are_refused(at):
    cluster = plain(random_cluster(4))
    cluster[at] = cluster[at][..., :-1]
    with pytest.raises(SchedulerError, match="expected"):
        of(lively())(*cluster)


def test_a_mask_of_numbers_is_refused():
    cluster = plain(random_cluster(4))
    cluster[3] = cluster[3].astype(np.float32)
    with pytest.raises(SchedulerError, match="bool"):
        of(lively())(*cluster)


def test_all_agree_on_how_long_a_vector_is():
    assert inference._LANES == attention._LANES == lanes.LANES
