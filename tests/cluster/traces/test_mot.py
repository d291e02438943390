"""Ground truth of MTMMC and AI City."""

from __future__ import annotations

import pytest

from octogym.cluster.errors import TraceError
from octogym.cluster.traces import load
from octogym.cluster.traces.mot import load_aicity_mot, load_mtmmc

SIX = "0000,063,971.20,135.70,21.3,79.1\n0000,002,1.0,2.0,3.0,4.0\n0002,063,971.2,135.7,21.3,79.1\n"
NINE = "1,63,971.20,135.70,21.3,79.1,1,1,1\n3,63,971.2,135.7,21.3,79.1,1,1,1\n"


def test_six_columns_count_from_frame_0(write):
    series = load_mtmmc(write("s01/c01/gt/gt.txt", SIX))
    assert series["c01"].counts["person"].tolist() == [2, 0, 1]
    assert series["c01"].rate_hz == 15


def test_nine_columns_count_from_frame_1_and_person_0_is_ignored(write):
    path = write("s01/c02/gt/gt.txt", NINE + "2,0,1,1,1,1,1,1,1\n")
    assert load_mtmmc(path)["c02"].counts["person"].tolist() == [1, 0, 1]


def test_a_scene_has_one_length_and_one_first_frame(write):
    path = write("s01/c01/gt/gt.txt", SIX)
    write("s01/c02/gt/gt.txt", "0001,5,1,1,1,1\n0004,5,1,1,1,1\n")
    series = load_mtmmc(path.parents[2], prefix="campus/s01/")
    assert series["campus/s01/c01"].counts["person"].tolist() == [2, 0, 1, 0, 0]
    assert series["campus/s01/c02"].counts["person"].tolist() == [0, 1, 0, 0, 1]
    assert len(load_mtmmc(path.parents[2], frames=10)["c01"]) == 10
    assert list(load(path.parents[2]).counts) == ["s01/c01", "s01/c02"]
    with pytest.raises(TraceError, match="frame 4, expected 0 to 3") as error:
        load_mtmmc(path.parents[2], frames=4)
    assert error.value.line == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0,1,1,1,1\n", 1),
        ("0,1,1,1,1,1\n1,1,1,1,1,1,1,1,1\n", 2),
        ("0,1,1,1,1,1\n1,1,1,1,1,-4\n", 2),
        ("0,1,1,1,1,1\nx,1,1,1,1,1\n", 2),
        ("0,1,1,1,1,1\n0.5,1,1,1,1,1\n", 2),
        ("0,1,1,1,1,1\n-1,1,1,1,1,1\n", 2),
        ("0,1,1,1,nan,1\n", 1),
        ("0,1,1,1,1,1\n0,1,2,2,2,2\n", 2),
    ],
)
def test_damaged_ground_truth_is_refused_with_its_line(write, text, line):
    with pytest.raises(TraceError) as error:
        load_mtmmc(write("s01/c01/gt/gt.txt", text))
    assert error.value.line == line


def test_missing_cameras_are_named(write, tmp_path):
    with pytest.raises(TraceError, match="no camera folder"):
        load_mtmmc(tmp_path)
    write("c01/gt/gt.txt", SIX)
    write("c02/img.txt", "x")
    with pytest.raises(TraceError, match=r"c02 without gt/gt\.txt"):
        load_mtmmc(tmp_path)


def city(write):
    """Two cameras at 10 frames a second: c010 from 0 s to 2 s, c016 from 1 s to 4 s."""
    rows = [f"{frame},95,1020,341,180,120,1,-1,-1,-1" for frame in range(1, 21)]
    write("train/S05/c010/gt/gt.txt", "\n".join(rows))
    rows = [f"{frame},{i},1,1,2,2,1,-1,-1,-1" for frame in range(1, 31) for i in (1, 2)]
    path = write("train/S05/c016/gt/gt.txt", "\n".join(rows))
    write("cam_timestamp/S05.txt", "c010 0\nc016 1.0\n")
    return path.parents[2]


def test_city_cameras_share_a_clock(write):
    series = load_aicity_mot(city(write))
    assert series["c010"].counts["car"].tolist() == [1, 1, -1, -1]
    assert series["c016"].counts["car"].tolist() == [-1, 2, 2, 2]
    assert list(load(city(write)).counts) == ["S05/c010", "S05/c016"]


def test_length_may_come_from_the_list_of_frames(write):
    scene = city(write)
    write("cam_framenum/S05.txt", "c010 50\nc016 30\n")
    assert load_aicity_mot(scene)["c010"].counts["car"].tolist() == [1, 1, 0, 0, 0]
    write("cam_framenum/S05.txt", "c010 5\nc016 30\n")
    with pytest.raises(TraceError, match="frame 6, expected 1 to 5"):
        load_aicity_mot(scene)


def test_other_frame_rates_and_detections(write):
    scene = city(write)
    assert load_aicity_mot(scene, camera_hz={"c010": 5})["c010"].counts["car"].tolist() == [1, 1, 1, 1]
    rows = "1,-1,1,1,2,2,0.9,-1,-1,-1\n1,-1,1,1,2,2,0.3,-1,-1,-1\n1,-1,1,1,2,2,0.1,-1,-1,-1\n"
    for camera in ("c010", "c016"):
        write(f"train/S05/{camera}/det/det_yolo3.txt", rows)
    assert load_aicity_mot(scene, "det_yolo3.txt", rate_hz=10)["c010"].counts["car"][0] == 2


def test_start_times_are_needed(write):
    scene = city(write)
    (scene.parents[1] / "cam_timestamp" / "S05.txt").write_text("c010 0\n")
    with pytest.raises(TraceError, match="no start of camera c016"):
        load_aicity_mot(scene)
    (scene.parents[1] / "cam_timestamp" / "S05.txt").write_text("c010 0\nc010 1\n")
    with pytest.raises(TraceError, match="each camera once") as error:
        load_aicity_mot(scene)
    assert error.value.line == 2
    (scene.parents[1] / "cam_timestamp" / "S05.txt").unlink()
    with pytest.raises(TraceError, match=r"cam_timestamp/S05\.txt is missing"):
        load_aicity_mot(scene)
