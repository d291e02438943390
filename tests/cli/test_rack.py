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


def test_a_run_is_recorded_replayed_and_simulated_again(capsys, tmp_path):
    pytest.importorskip("pyarrow")
    file = tmp_path / "run.parquet"
    words = ["--scenario", "traffic-2", "--seconds", "6", "--speed", "4", "--seed", "2"]
    status, out, _ = rack(capsys, *words, "--policy", "rate-rule", "--record", str(file))
    assert status == 0 and out[-1].startswith("6 steps, 0 late, 0 faults") and file.is_file()
    assert main(["rack", "replay", str(file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == [
        "traffic-2, recorded: 6 windows, seed 2; rate-rule",
        "6 windows, every decision as recorded",
    ]
    assert main(["rack", "replay", str(file), "--policy", "static:batch=3"]) == 1
    assert "window 0: batch of cam-1/traffic.yolov5n: recorded " in capsys.readouterr().out
    plain = ["--no-plots", "--no-parquet", "--out", str(tmp_path / "out")]
    assert main(["run", str(file), "--policy", "rate-rule", "--seed", "0", *plain]) == 0
    said = capsys.readouterr().out
    assert said.startswith("traffic-2-recorded: recorded on traffic-2") and "; 6 s, seeds 0, all split" in said
    for wrong, message in (
        (["rack", "replay", str(file), "--episode", "1"], "--episode 1: there are 1, from 0"),
        (["rack", "replay", str(tmp_path / "none.parquet")], "no such file"),
        (["rack", "up", *words, "--record", str(file)], "is there already"),
        (["rack", "up", *words, "--record", "run.txt"], "expected a file that ends in .parquet"),
        (["run", str(file), "--slo-ms", "100", *plain], "a recorded run has its own"),
        (["run", str(file), "--split", "test", *plain], "a recorded run has no other parts"),
        (["run", str(file), "--policy", "tuned-static", *plain], "has no training split"),
    ):
        assert main(wrong) == 2
        assert message in capsys.readouterr().err
