import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from octogym.bridge.protocol.limits import Bucket, Gate, Rates

SECOND = 10**9


def test_a_burst_passes_then_the_rate():
    bucket = Bucket(per_second=10, burst=3)
    assert [bucket.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert not bucket.take(SECOND // 10 - 1)
    assert bucket.take(SECOND // 10)


@settings(max_examples=100)
@given(st.integers(1, 50), st.integers(1, 50), st.lists(st.integers(0, SECOND // 5), max_size=100))
def test_never_more_than_burst_and_rate_allow(per_second, burst, waits):
    bucket, now, taken = Bucket(per_second, burst), 0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
        assert taken <= burst + now * per_second / SECOND + 1


def test_messages_and_bytes_are_limited_apart():
    gate = Gate(Rates(messages=10, message_burst=10, bytes=1000, byte_burst=2000))
    assert gate.passes(0, 1500) and not gate.passes(0, 600) and gate.passes(0, 400)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0)])
def test_a_limit_of_nothing_is_a_mistake(rate, burst):
    with pytest.raises(ValueError, match="allowed"):
        Bucket(rate, burst)
