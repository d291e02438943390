"""`octogym run`, end to end."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from octogym.cli import main
from octogym.cli.provenance import IDENTITY

pyarrow = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("matplotlib")

COMMON = ["run", "traffic-2", "--traces", "synthetic", "--horizon", "20"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("OCTOGYM_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "out"
    assert (
        main(
            [*COMMON, "--compare", "random,static:batch=4,pre=2,post=1,rate-rule", "--seed", "0..1", "--out", str(out)]
        )
        == 0
    )
    return out


def png_size(file: Path) -> tuple[int, int]:
    head = file.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_the_table_names_policies_figures_and_what_is_synthetic(tmp_path, capsys):
    assert main([*COMMON, "--compare", "static,rate-rule", "--seed", "3..4", "--out", str(tmp_path), "--no-plots"]) == 0
    text = capsys.readouterr().out
    assert "traffic-2: two Jetsons" in text
    assert "SYNTHETIC traces, SYNTHETIC profiles" in text and "SYNTHETIC device profiles and traces" in text
    for title in (
        "throughput, results/s",
        "effective throughput",
        "on time, % of generated",
        "latency mean, ms",
        "latency p99, ms",
        "requests dropped",
        "reward mean",
        "link-bound",
        "points over static",
    ):
        assert title in text
    assert "±" in text


def test_results_are_parquet_with_provenance(done):
    folder = done / "static_batch=4_pre=2_post=1" / "seed-1"
    windows = pyarrow.read_table(folder / "windows.parquet")
    assert windows.num_rows == 20
    assert {"t_s", "generated", "on_time_results", "latency_p95_ms", "reward", "q1", "q5", "link_bound_share"} <= set(
        windows.column_names
    )
    instances = pyarrow.read_table(folder / "instances.parquet")
    assert instances.num_rows == 20 * 5
    assert set(instances["instance"].to_pylist()) >= {"cam-1/traffic.yolov5n", "server/traffic.carbrand"}
    assert set(instances["batch"].to_pylist()) == {4}
    assert pyarrow.read_table(folder / "links.parquet").num_rows == 20 * 6
    cameras = pyarrow.read_table(folder / "cameras.parquet")
    assert sum(cameras["generated"].to_pylist()) == sum(windows["generated"].to_pylist())
    origin = json.loads(windows.schema.metadata[b"octogym"])
    assert set(IDENTITY) <= set(origin)
    assert origin["seed"] == 1 and origin["horizon_s"] == 20 and origin["policy"] == "static:batch=4,pre=2,post=1"
    assert origin["synthetic_traces"] is True and origin["synthetic_profiles"] is True
    assert origin["command_line"].startswith("octogym run traffic-2") and "synthetic" in origin["profiles"]
    assert all(
        len(origin[name]) == 64 for name in ("scenario_sha256", "traces_sha256", "workload_sha256", "policy_sha256")
    )
    assert origin["numpy"] and origin["numba"] and origin["cpu"]


def test_plots_are_readable_pictures(done):
    names = {file.stem for file in (done / "plots").glob("*.png")}
    assert names == {"random", "static_batch=4_pre=2_post=1", "rate-rule", "comparison"}
    assert all(min(png_size(file)) >= 900 for file in (done / "plots").glob("*.png"))


def test_summary_holds_means_and_paired_differences(done):
    summary = json.loads((done / "summary.json").read_text())
    assert summary["complete"] is True and summary["provenance"]["seeds"] == [0, 1]
    rule = summary["policies"]["rate-rule"]
    shares = [rule["figures"][seed]["on_time_share"] for seed in ("0", "1")]
    assert rule["mean"]["on_time_share"][0] == pytest.approx(np.mean(shares))
    base = [summary["policies"]["random"]["figures"][seed]["on_time_share"] for seed in ("0", "1")]
    assert rule["on_time_points_over_first"][0] == pytest.approx(100 * (np.mean(shares) - np.mean(base)))


def test_a_seed_gives_the_same_figures_alone_and_with_others(done, tmp_path):
    assert main([*COMMON, "--policy", "random", "--seed", "1", "--out", str(tmp_path), "--no-plots"]) == 0
    alone = json.loads((tmp_path / "random" / "seed-1" / "figures.json").read_text())
    beside = json.loads((done / "random" / "seed-1" / "figures.json").read_text())
    assert alone["figures"] == beside["figures"]


def test_json_is_the_whole_of_stdout(tmp_path, capsys):
    assert main([*COMMON, "--policy", "static", "--seed", "0", "--json", "--no-plots", "--out", str(tmp_path)]) == 0
    content = json.loads(capsys.readouterr().out)
    mean, half = content["policies"]["static"]["mean"]["throughput"]
    assert mean > 0 and half is None


def test_resume_runs_only_what_is_missing_or_came_from_other_inputs(tmp_path, capsys):
    command = [*COMMON, "--compare", "static,rate-rule", "--out", str(tmp_path), "--no-plots", "--resume"]
    assert main([*command, "--seed", "0..1"]) == 0
    kept = tmp_path / "static" / "seed-0" / "figures.json"
    stamps = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/seed-*/figures.json")}
    (tmp_path / "rate-rule" / "seed-1" / "figures.json").unlink()
    stopped = json.loads(kept.read_text())
    stopped["complete"] = False
    kept.write_text(json.dumps(stopped))
    capsys.readouterr()
    assert main([*command, "--seed", "0..2"]) == 0
    text = capsys.readouterr().out
    assert "static: 1 of 3 seeds are there" in text and "rate-rule: 1 of 3 seeds are there" in text
    same = {file for file, stamp in stamps.items() if file.stat().st_mtime_ns == stamp}
    assert same == {tmp_path / "static" / "seed-1" / "figures.json", tmp_path / "rate-rule" / "seed-0" / "figures.json"}
    assert json.loads(kept.read_text())["complete"] is True
    assert main([*command, "--seed", "0..1", "--slo-ms", "200"]) == 0
    assert "seeds are there" not in capsys.readouterr().out


def test_tuned_static_is_searched_on_the_training_split_once(tmp_path, capsys, monkeypatch):
    from octogym.agents.tuning import Budget
    from octogym.cli import run

    monkeypatch.setattr(run, "DEFAULT", Budget(seeds=(0,), horizon_s=10, sweeps=1))
    command = [*COMMON, "--compare", "static,tuned-static", "--seed", "0", "--no-plots"]
    assert main([*command, "--out", str(tmp_path / "a")]) == 0
    assert "tuning" in capsys.readouterr().err
    tuned = json.loads((tmp_path / "a" / "tuned-static.json").read_text())
    assert tuned["provenance"]["split"] == "train"
    assert main([*command, "--out", str(tmp_path / "b")]) == 0
    assert "tuning" not in capsys.readouterr().err


def test_ctrl_c_leaves_what_was_run(tmp_path, capsys, monkeypatch):
    from octogym.cli import progress

    advance = progress.Bar.advance

    def stop(self, count=1, **facts):
        advance(self, count, **facts)
        self.passed = getattr(self, "passed", 0) + count
        if self.passed == 7 and self._title == "rate-rule":
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Bar, "advance", stop)
    command = [*COMMON, "--compare", "static,rate-rule,random", "--seed", "0", "--out", str(tmp_path)]
    assert main(command) == 130
    assert "(interrupted)" in capsys.readouterr().out
    assert json.loads((tmp_path / "summary.json").read_text())["complete"] is False
    assert json.loads((tmp_path / "static" / "seed-0" / "figures.json").read_text())["complete"] is True
    assert pyarrow.read_table(tmp_path / "rate-rule" / "seed-0" / "windows.parquet").num_rows == 7
    assert not (tmp_path / "random").exists()


def test_an_slo_of_the_users_replaces_every_pipelines(tmp_path):
    shares = []
    for slo in ("250", "60"):
        assert (
            main(
                [
                    *COMMON,
                    "--policy",
                    "static",
                    "--seed",
                    "0",
                    "--slo-ms",
                    slo,
                    "--no-plots",
                    "--out",
                    str(tmp_path / slo),
                ]
            )
            == 0
        )
        content = json.loads((tmp_path / slo / "summary.json").read_text())
        shares.append(content["policies"]["static"]["mean"]["on_time_share"][0])
    assert shares[0] > shares[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "traffic-3"], "traffic-3: scenario = 'traffic-3'"),
        ([*COMMON, "--policy", "fast"], "no policy 'fast'; there are bcedge, best-in-hindsight"),
        ([*COMMON, "--policy", "static:batch=none"], "setting batch=none: 'none': expected a whole number from 1"),
        ([*COMMON, "--policy", "rate-rule:-1"], "expected FRACTION"),
        ([*COMMON, "--policy", "static", "--policy", "random"], "policies static and random both set pack"),
        ([*COMMON, "--seed", "4..2"], "--seed 4..2: expected N or N..M"),
        ([*COMMON, "--seed", "-1"], "--seed -1"),
        (["run", "traffic-2", "--horizon", "0.5"], "--horizon 0.5: expected seconds, a multiple of the window"),
        ([*COMMON, "--slo-ms", "0"], "--slo-ms 0: expected milliseconds above 0"),
        ([*COMMON, "--envs", "0"], "--envs 0: expected at least 1"),
        ([*COMMON, "--backend", "cloud"], "no backend 'cloud'; there are rack files"),
        ([*COMMON, "--set", "horizon"], "--set horizon: expected KEY=VALUE"),
        ([*COMMON, "--set", "hoirzon_s=3"], "hoirzon_s"),
        ([*COMMON, "--policy", "tuned-static:nowhere.json"], "nowhere.json: cannot be read"),
    ],
)
def test_a_users_error_is_one_line_and_code_2(arguments, message, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert error.startswith("octogym: error: ") and error.count("\n") == 1


@pytest.mark.parametrize(("package", "way_out"), [("pyarrow", "--no-parquet"), ("matplotlib", "--no-plots")])
def test_a_package_that_is_missing_is_named_with_its_extra(package, way_out, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    command = [*COMMON, "--policy", "static", "--seed", "0", "--out", str(tmp_path)]
    assert main(command) == 2
    assert f'{package} is not installed; it comes with: pip install "octogym[plot]"' in capsys.readouterr().err
    assert main([*command, way_out, "--no-plots"]) == 0
    assert (tmp_path / "summary.json").exists()


def test_an_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*COMMON, "--sedd", "3"])
    assert stopped.value.code == 2 and "--sedd" in capsys.readouterr().err
