"""`octogym rack up`."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.cli import main


def rack(capsys, *words):
    status = main(["rack", "up", *words])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


def test_a_rack_runs_and_its_last_line_says_how_it_went(capsys):
    status, out, _ = rack(
        capsys, "--scenario", "traffic-2", "--seconds", "5", "--speed", "2", "--fault", "cut:cam-1@1.2+1.5"
    )
    assert out[0].startswith("3 simulated nodes of traffic-2")
    assert out[-1].startswith("5 steps, 0 late, ") and "LINK_DOWN 1" in out[-1]
    assert status == 0


def test_a_rack_that_ends_with_a_silent_node_has_failed(capsys):
    status, out, _ = rack(
        capsys, "--scenario", "traffic-2", "--seconds", "3", "--speed", "2", "--fault", "cut:cam-1@0.2+60"
    )
    assert status == 1 and out[-2] == "not heard in the last window: cam-1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nodes", "0"], "--nodes 0: expected at least 1"),
        (["--nodes", "4", "--scenario", "traffic-2"], "--nodes 4: traffic-2 has 3 devices"),
        (["--scenario", "traffic-2", "--speed", "0"], "speed = 0; allowed: above 0"),
        (["--scenario", "traffic-2", "--fault", "cut:cam-7@1+1"], "fault 'cut:cam-7@1+1': device: expected one of"),
        (["--scenario", "traffic-2", "--fault", "cut:cam-1@1+1", "--processes"], "--fault with --processes"),
        (["--scenario", "traffic-2", "--policy", "statc"], "statc"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
    ],
)
def test_arguments_that_cannot_be_used(capsys, words, message):
    status, _, err = rack(capsys, *words)
    assert status == 2 and message in err
