from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.fed.aggregate import GlobalModel, Member, aggregate, groups_of, loss_weights, shapes_of
from octogym.fed.errors import FedError
from tests.fed.toy import same, toy_parameters

SIZES = [(1, 8, 2), (2, 8, 2), (2, 16, 2), (1, 64, 4)]


def client(name, sizes=(2, 8, 2), seed=0, loss=1.0, fill=None):
    parameters = toy_parameters(sizes, seed)
    if fill is not None:
        parameters = {key: np.full_like(array, fill) for key, array in parameters.items()}
    return Member.client(name, loss, parameters)


def own(model, sizes):
    return model.parameters(shapes_of(toy_parameters(sizes, 0)))


def test_one_client_is_identity_in_every_round():
    model = GlobalModel()
    for seed in range(4):
        for weighting in ("loss", "equal"):
            model = aggregate(model, [client("a", seed=seed, loss=-0.3 * seed)], weighting).model
            assert same(own(model, (2, 8, 2)), toy_parameters((2, 8, 2), seed))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_order_of_clients_changes_nothing_to_the_bit(data):
    kinds = data.draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=7))
    losses = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(kinds), max_size=len(kinds)))
    members = [client(f"c{i}", sizes, i, losses[i]) for i, sizes in enumerate(kinds)]
    shuffled = data.draw(st.permutations(members))
    before = aggregate(GlobalModel(), [client("z", kinds[0], 99)]).model
    for start in (GlobalModel(), before):
        one, other = aggregate(start, members), aggregate(start, shuffled)
        assert same(one.model.named(), other.model.named())
        assert one.shares == other.shares


def test_shared_parts_are_plain_averages_with_the_model_one_more_member_after_its_first_round():
    first = aggregate(GlobalModel(), [client("a", fill=3.0, loss=0.1), client("b", fill=6.0, loss=9.0)]).model
    found = own(first, (2, 8, 2))
    assert (found["backbone.w1"] == 4.5).all() and (found["backbone.gain"] == 4.5).all()
    assert (found["value.w"] == 4.5).all()
    second = aggregate(first, [client("a", fill=3.0), client("b", fill=6.0)]).model
    assert (own(second, (2, 8, 2))["value.w"] == np.float32(4.5)).all()
    third = aggregate(first, [client("a", fill=0.0), client("b", fill=0.0)]).model
    assert (own(third, (2, 8, 2))["backbone.w1"] == 1.5).all()
    alone = aggregate(first, [client("a", fill=0.0), client("b", fill=0.0)], mix_global=False).model
    assert (own(alone, (2, 8, 2))["backbone.w1"] == 0).all()


def test_sums_are_exact_beyond_float32():
    model = aggregate(GlobalModel(), [client(n, fill=v) for n, v in (("a", 2.0**24), ("b", 1.0), ("c", 1.0))]).model
    assert (own(model, (2, 8, 2))["value.w"] == np.float32(5592406)).all()


def test_one_client_is_averaged_with_a_model_that_others_made():
    first = aggregate(GlobalModel(), [client("a", fill=2.0), client("b", fill=2.0)]).model
    second = aggregate(first, [client("a", fill=0.0)]).model
    assert (own(second, (2, 8, 2))["backbone.w1"] == 1).all()


def test_heads_of_different_shape_never_mix():
    members = [client(f"c{i}", sizes, fill=float(10**i), loss=i) for i, sizes in enumerate(SIZES)]
    model = aggregate(GlobalModel(), members).model
    for i, sizes in enumerate(SIZES):
        found = own(model, sizes)
        # Equal B does not suffice: the batch head's input has R of the resolution head.
        assert (found["batch.w"] == 10**i).all() and (found["batch.b"] == 10**i).all()
        assert (found["backbone.w1"] == np.float32(1111 / 4)).all()
    # (1, 8, 2) and (1, 64, 4) share the resolution head's shape alone, (2, 8, 2) and (2, 16, 2) the threads' as well.
    assert 1 < own(model, (1, 8, 2))["resolution.w"][0, 0] < 1000
    assert 10 < own(model, (2, 16, 2))["threads.w"][0, 0] < 100


def test_loss_weights_follow_the_formula():
    assert loss_weights([1.0, 2.0, 4.0]) == pytest.approx([1, (2 + 1e-8) / 3, (2 + 1e-8) / 5])
    assert loss_weights([-1.0, 1.0]) == pytest.approx([1, 1 / 3])
    assert loss_weights([0.0, 0.0]) == [1, 1]
    assert loss_weights([0.7]) == [1]
    assert loss_weights([1.7e308, -1.7e308])[1] == 1
    assert loss_weights([1.7e308, 1.7e308]) == [1, 1]


def test_smaller_loss_weighs_more_in_heads_only_and_equal_weighting_does_not_care():
    members = [client("a", fill=0.0, loss=0.5), client("b", fill=1.0, loss=1.5)]
    result = aggregate(GlobalModel(), members)
    found = own(result.model, (2, 8, 2))
    assert (found["batch.b"] == np.float32(1 / 3)).all()  # weights 1 / 1 and 1 / 2
    assert (found["value.w"] == 0.5).all()
    heads = {label: share for label, share in result.shares.items() if label.startswith("batch@")}
    assert list(heads.values()) == [{"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}]
    equal = aggregate(GlobalModel(), members, "equal").model
    assert (own(equal, (2, 8, 2))["batch.b"] == 0.5).all()


def test_a_known_head_is_one_more_member_with_the_mean_weight():
    first = aggregate(GlobalModel(), [client("a"), client("b")]).model
    result = aggregate(first, [client("a", loss=0.1), client("b", loss=5.0), client("c", loss=2.0)])
    for shares in result.shares.values():
        assert shares[""] == pytest.approx(1 / 4)
        assert sum(shares.values()) == pytest.approx(1)


def test_what_nobody_sends_stays_and_nothing_given_is_changed():
    first = aggregate(GlobalModel(), [client("a", (1, 8, 2), fill=5.0)]).model
    member = client("b", (2, 16, 2), fill=7.0)
    copies = first.named(), {name: array.copy() for name, array in first.named().items()}
    second = aggregate(first, [member]).model
    assert (own(second, (1, 8, 2))["batch.w"] == 5).all()
    assert (own(second, (2, 16, 2))["batch.w"] == 7).all()
    assert same(*copies)
    assert all((array == 7).all() for arrays in member.groups.values() for array in arrays.values())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-(2.0**100), 2.0**100, width=32), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
    )
)
def test_an_average_lies_between_its_members(voices):
    members = [client(f"c{i}", fill=value, loss=loss) for i, (value, loss) in enumerate(voices)]
    for array in aggregate(GlobalModel(), members).model.named().values():
        assert array.dtype == np.float32
        values = np.array([value for value, _ in voices], np.float32)
        assert values.min() <= array.min() and array.max() <= values.max()


def test_a_model_gives_copies_and_only_what_it_knows():
    model = aggregate(GlobalModel(), [client("a", (1, 8, 2), fill=5.0)]).model
    found = own(model, (1, 16, 2))
    assert set(found) == {"backbone.w1", "backbone.gain", "value.w", "resolution.w", "threads.w"}
    found["value.w"][:] = 0
    assert (own(model, (1, 8, 2))["value.w"] == 5).all()


def test_a_model_comes_back_from_flat_names():
    model = aggregate(GlobalModel(), [client(f"c{i}", sizes, i) for i, sizes in enumerate(SIZES)]).model
    again = GlobalModel.restored(model.named(), model.made_by())
    assert (
        same(model.named(), again.named()) and again.makers == model.makers and set(again.groups) == set(model.groups)
    )


def test_groups_are_parts_with_full_shapes():
    groups = groups_of({"batch.w": (50, 8), "batch.b": (8,), "joint.w": (48, 32)})
    assert [group.label for group in groups] == ["batch@8,50x8", "joint@48x32"]


def test_wrong_calls_are_refused():
    with pytest.raises(FedError, match="two members are called 'a'"):
        aggregate(GlobalModel(), [client("a"), client("a", seed=1)])
    with pytest.raises(FedError, match="one of loss, equal"):
        aggregate(GlobalModel(), [client("a")], weighting="size")
