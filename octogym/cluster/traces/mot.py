"""Ground truth of the two video data sets, one row per box: objects per frame are counted from it.

MTMMC (persons): ``sNN/cMM/gt/gt.txt``, rows ``frame,person,left,top,width,height``, frame from 0, or an export of 9
columns with frame from 1; person 0 means "ignore". AI City (vehicles): ``S05/c010/gt/gt.txt`` and ``det/det_*.txt`` in
MOTChallenge form, 10 columns, frame from 1, beside ``cam_timestamp/S05.txt`` (start of each camera in seconds) and,
where present, ``cam_framenum/S05.txt``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.count_json import PERSON_HZ
from octogym.cluster.traces.reading import PathLike, expect_columns, number, provenance, read_table, whole
from octogym.cluster.traces.series import UNAVAILABLE, CountSeries

AICITY_HZ = 10.0
DETECTION_THRESHOLD = 0.25
_LAST_FRAME = 10_000_000


class _Boxes(NamedTuple):
    """Boxes of one file: the frames, one per box, and the lines they stand on."""

    frames: np.ndarray
    lines: np.ndarray


def load_mtmmc(
    path: PathLike,
    rate_hz: float = PERSON_HZ,
    frames: Optional[int] = None,
    first_frame: Optional[int] = None,
    prefix: str = "",
) -> Dict[str, CountSeries]:
    """Persons per frame of every camera of one MTMMC scene.

    Args:
        path: the scene's folder (``sNN``), or one ``gt.txt``.
        rate_hz: frames per second of the replay (OctoCross: 15; the videos: about 23).
        frames: length of the scene; None: up to the last frame that has a person in any camera.
        first_frame: number of the first frame; None: 0 if any camera has a person in frame 0, else 1.
        prefix: before each camera's name, for example ``"campus/s01/"``.

    Raises:
        TraceError: no ``gt.txt``, not 6 or 9 columns, a person twice in a frame, a frame past ``frames``.
    """
    files = _camera_files(Path(path), "gt/gt.txt")
    boxes = {camera: _read_boxes(file, (6, 9), ignore_person_zero=True) for camera, file in files.items()}
    lowest = min((int(one.frames.min()) for one in boxes.values() if len(one.frames)), default=0)
    base = min(lowest, 1) if first_frame is None else first_frame
    if frames is None:
        frames = max((int(one.frames.max()) + 1 - base for one in boxes.values() if len(one.frames)), default=1)
    series = {}
    for camera, file in files.items():
        counts = _per_frame(file, boxes[camera], base, frames)
        series[prefix + camera] = CountSeries(prefix + camera, rate_hz, {"person": counts}, provenance(file))
    return series


def load_aicity_mot(
    scene: PathLike,
    detections: Optional[str] = None,
    threshold: float = DETECTION_THRESHOLD,
    rate_hz: float = 1.0,
    camera_hz: Optional[Dict[str, float]] = None,
    prefix: str = "",
) -> Dict[str, CountSeries]:
    """Vehicles at ``rate_hz`` of every camera of one AI City scene, on the scene's common clock.

    Before a camera starts and after it has ended its stream is unavailable.

    Args:
        scene: the folder of the scene, for example ``train/S01``; ``cam_timestamp/S01.txt`` is looked for beside it and
            one folder up.
        detections: None for the ground truth (it lists only vehicles that two cameras see), or the name of a file of
            each camera's ``det`` folder, for example ``"det_yolo3.txt"``.
        threshold: least confidence of a detection.
        camera_hz: frames per second of cameras that do not have 10 (c015 of S03: 8).
        prefix: before each camera's name.

    Raises:
        TraceError: files missing, rows of other than 10 columns, cameras without a start time.
    """
    scene = Path(scene)
    files = _camera_files(scene, "gt/gt.txt" if detections is None else f"det/{detections}")
    starts = _side_table(scene, "cam_timestamp")
    lengths = _side_table(scene, "cam_framenum")
    if starts is None:
        raise TraceError(scene, None, f"cam_timestamp/{scene.name}.txt is missing beside the scene and one folder up")
    raw: Dict[str, np.ndarray] = {}
    for camera, file in files.items():
        boxes = _read_boxes(file, (10,), threshold=None if detections is None else threshold)
        frames = int(lengths[camera]) if lengths and camera in lengths else int(boxes.frames.max(initial=1))
        if camera not in starts:
            raise TraceError(scene, None, f"cam_timestamp has no start of camera {camera}")
        raw[camera] = _per_frame(file, boxes, 1, frames)
    hz = {camera: (camera_hz or {}).get(camera, AICITY_HZ) for camera in files}
    begin = min(starts[camera] for camera in files)
    end = max(starts[camera] + len(raw[camera]) / hz[camera] for camera in files)
    times = np.arange(max(1, int(np.ceil((end - begin) * rate_hz - 1e-6)))) / rate_hz + begin
    series = {}
    for camera, counts in raw.items():
        index = np.floor((times - starts[camera]) * hz[camera] + 1e-6).astype(np.int64)
        inside = (index >= 0) & (index < len(counts))
        values = np.where(inside, counts[np.clip(index, 0, len(counts) - 1)], UNAVAILABLE)
        source = f"{provenance(files[camera])}; start {starts[camera]:g} s"
        series[prefix + camera] = CountSeries(prefix + camera, rate_hz, {"car": values}, source)
    return series


def _camera_files(path: Path, inner: str) -> Dict[str, Path]:
    """Camera name -> its file, in the order of names."""
    if path.is_file():
        camera = path.parent.parent.name if path.parent.name in ("gt", "det") else path.stem
        return {camera or path.stem: path}
    cameras = sorted(folder for folder in path.glob("c*") if folder.is_dir()) if path.is_dir() else []
    missing = [folder.name for folder in cameras if not (folder / inner).is_file()]
    if missing or not cameras:
        found = f"{', '.join(missing)} without {inner}" if missing else "no camera folder"
        raise TraceError(path, None, f"{found}, expected cNN/{inner} for each camera")
    return {folder.name: folder / inner for folder in cameras}


def _read_boxes(
    path: Path, columns: Sequence[int], ignore_person_zero: bool = False, threshold: Optional[float] = None
) -> _Boxes:
    rows = read_table(path, ends_with_newline=False)
    expect_columns(path, rows, columns)
    expect_columns(path, rows, [len(rows[0].fields)])
    frames: List[int] = []
    lines: List[int] = []
    seen = set()
    for line, fields in rows:
        frame = whole(path, line, fields[0], "frame", 0, _LAST_FRAME)
        identity = whole(path, line, fields[1], "id", -1, 2**31)
        for text, what in zip(fields[2:6], ("left", "top", "width", "height")):
            size = number(path, line, text, what)
            if what in ("width", "height") and size < 0:
                raise TraceError(path, line, f"{what} = {text}, expected a number from 0")
        if threshold is not None and number(path, line, fields[6], "confidence") < threshold:
            continue
        if ignore_person_zero and identity == 0:
            continue
        if identity >= 0 and (frame, identity) in seen:
            raise TraceError(path, line, f"id {identity} stands twice in frame {frame}")
        seen.add((frame, identity))
        frames.append(frame)
        lines.append(line)
    return _Boxes(np.array(frames, dtype=np.int64), np.array(lines, dtype=np.int64))


def _per_frame(path: Path, boxes: _Boxes, base: int, frames: int) -> np.ndarray:
    """Boxes per frame, int64 [frames]; 0 for frames without rows."""
    outside = (boxes.frames < base) | (boxes.frames >= base + frames)
    if outside.any():
        at = int(np.argmax(outside))
        problem = f"frame {boxes.frames[at]}, expected {base} to {base + frames - 1}"
        raise TraceError(path, int(boxes.lines[at]), problem)
    return np.bincount(boxes.frames - base, minlength=frames)


def _side_table(scene: Path, kind: str) -> Optional[Dict[str, float]]:
    """``camera value`` lines of ``kind/SNN.txt``, or None where there is no such file."""
    for folder in (scene.parent, scene.parent.parent):
        path = folder / kind / f"{scene.name}.txt"
        if path.is_file():
            rows = read_table(path, " ", ends_with_newline=False)
            expect_columns(path, rows, [2])
            values = {}
            for row in rows:
                value = number(path, row.line, row.fields[1], kind)
                if value < 0 or row.fields[0] in values:
                    raise TraceError(
                        path, row.line, f"{' '.join(row.fields)!r}, expected each camera once, a number from 0"
                    )
                values[row.fields[0]] = value
            return values
    return None
