"""Every detector on a real photograph, and every kind of picture through one of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gpen
from gpen.faces.detectors import DETECTORS, Detector, open_detector
from gpen.faces.detectors.retinaface import RetinaFaceDetector
from gpen.faces.second_look import BOX_CROP_SIZE, CROP_SIZE
from gpen.weights.locate import Folders

# NASA's portrait of Eileen Collins, as YuNet finds her face.
EYES = np.array([[200, 102], [247, 103]])


@pytest.fixture
def folders(shared: Path) -> Folders:
    return {"detector": [shared / "weights"]}


@pytest.fixture
def nothing_on_disk(tmp_path: Path) -> Folders:
    return {"detector": [tmp_path]}


@pytest.mark.parametrize("name", ["yunet", "retinaface_mobilenet0.25", "mtcnn"])
def test_finds_the_face(astronaut: torch.Tensor, folders: Folders, name: str) -> None:
    faces = gpen.detect_faces(astronaut, name, folders=folders)
    assert len(faces) == 1
    assert np.abs(faces[0].landmarks[:2] - EYES).max() < 8
    left, top, right, bottom = faces[0].box
    assert left < EYES[0, 0] < EYES[1, 0] < right and top < EYES[0, 1] < bottom


def test_resnet50_has_the_layers_of_its_file(tmp_path: Path) -> None:
    # Its released weights are 109 MB and not at hand: the network with random ones is written and read back.
    from facexlib.detection.retinaface import RetinaFace

    file = tmp_path / "detection_Resnet50_Final.pth"
    network = RetinaFace("resnet50", device=torch.device("cpu"))
    torch.save({f"module.{name}": tensor for name, tensor in network.state_dict().items()}, file)
    detector = open_detector("retinaface_resnet50", file)
    assert len(detector(np.zeros((2, 64, 64, 3), np.uint8), 0.99)) == 2


def test_coordinates_do_not_depend_on_the_size(astronaut: torch.Tensor, folders: Folders) -> None:
    large = torch.nn.functional.interpolate(astronaut.movedim(3, 1), scale_factor=4, mode="bilinear").movedim(1, 3)
    small = gpen.detect_faces(astronaut, "yunet", folders=folders)
    found = gpen.detect_faces(large, "yunet", folders=folders).scaled_to(512, 512)
    # YuNet itself moves by a few pixels with the size of the face; coordinates of another size would be far off.
    np.testing.assert_allclose(found[0].landmarks, small[0].landmarks, atol=6)


def test_batch_of_frames(astronaut: torch.Tensor) -> None:
    frames = torch.cat([astronaut, torch.zeros_like(astronaut), astronaut])
    faces = gpen.detect_faces(frames, "mtcnn")
    assert faces.frames == 3 and [face.frame for face in faces] == [0, 2]


class Recording:
    """A detector that looks at two pictures at once and keeps how many it was given."""

    at_once = 2

    def __init__(self, detector: Detector):
        self.detector, self.kind = detector, detector.kind
        self.given: list[int] = []
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, pictures: np.ndarray, threshold: float) -> list[list[gpen.Face]]:
        self.given.append(len(pictures))
        self.sizes.append(pictures.shape[1:3])
        return self.detector(pictures, threshold)


SEARCHES = {
    "plain": gpen.DetectSettings(),
    "all": gpen.DetectSettings(size="short side 480", tiny_faces=True, edges=True, rotated=True),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("name", ["yunet", "retinaface_mobilenet0.25"])
def test_frames_together_are_as_frames_alone(
    astronaut: torch.Tensor, folders: Folders, name: str, search: gpen.DetectSettings
) -> None:
    head = astronaut[:, :220, 100:320]
    frames = torch.cat([head, head.flip(2), torch.zeros_like(head), head.roll(20, 1), head.rot90(1, (1, 2))])
    detector = Recording(gpen.open_detector(name, folders=folders))
    together = gpen.detect_faces(frames, detector, settings=search)
    crops = [(side, side) for side in (CROP_SIZE, BOX_CROP_SIZE)]
    looks = zip(detector.given, detector.sizes, strict=True)
    whole = [given for given, size in looks if size not in crops]
    passes = len(whole) // 3
    assert passes and whole == [2] * 2 * passes + [1] * passes
    assert [len(together.of_frame(frame)) for frame in range(4)] == [1, 1, 0, 1]
    for frame, picture in enumerate(frames):
        alone = gpen.detect_faces(picture[None], detector, settings=search)
        for one, other in zip(alone, together.of_frame(frame), strict=True):
            # In the second look two anchors can be as sure as each other; then a rounding decides, by about a pixel.
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1.5)
            np.testing.assert_allclose(one.box, other.box, atol=0.01)
            assert one.score == pytest.approx(other.score, abs=1e-4)


def test_fewer_at_once_where_memory_runs_out(
    astronaut: torch.Tensor, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = gpen.open_detector("retinaface_mobilenet0.25", folders=folders)
    assert isinstance(detector, RetinaFaceDetector)
    look, given, most = detector.network.batched_detect_faces, [], 1

    def short_of_memory(frames: torch.Tensor, *settings: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
        given.append(len(frames))
        if len(frames) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return look(frames, *settings)

    monkeypatch.setattr(detector.network, "batched_detect_faces", short_of_memory)
    monkeypatch.setattr(RetinaFaceDetector, "at_once", 4)
    assert len(gpen.detect_faces(astronaut.expand(3, -1, -1, -1), detector)) == 3
    assert given[:5] == [3, 1, 2, 1, 1], "halved until it fits"
    most = 0
    with pytest.raises(gpen.OutOfMemory, match=r"not enough memory .* 512×512.*mtcnn"):
        gpen.detect_faces(astronaut, detector)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (1, 1), (16, 2000), (2000, 17), (1, 4000)])
def test_any_size(height: int, width: int, folders: Folders) -> None:
    for name in ("yunet", "retinaface_mobilenet0.25", "mtcnn"):
        assert len(gpen.detect_faces(torch.rand(1, height, width, 3), name, folders=folders)) == 0


def test_alpha_and_grey(astronaut: torch.Tensor) -> None:
    for picture in (torch.cat([astronaut, torch.ones(1, 512, 512, 1)], 3), astronaut.mean(3, keepdim=True)):
        assert len(gpen.detect_faces(picture, "mtcnn")) == 1


def test_auto_takes_the_best_on_disk(shared: Path, tmp_path: Path) -> None:
    def chosen() -> str:
        return type(gpen.open_detector("auto", folders={"detector": [tmp_path]}, download=True)).__name__

    assert chosen() == "MTCNNDetector"
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(
        (shared / "weights" / "face_detection_yunet_2023mar.onnx").read_bytes()
    )
    assert chosen() == "YuNetDetector"


def test_auto_passes_over_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_text("not a model", encoding="utf-8")
    assert type(gpen.open_detector("auto", folders={"detector": [tmp_path]})).__name__ == "MTCNNDetector"


def test_missing_file_is_named(nothing_on_disk: Folders) -> None:
    with pytest.raises(gpen.DownloadError, match="face_detection_yunet_2023mar"):
        gpen.open_detector("yunet", folders=nothing_on_disk, download=False)


def test_wrong_names_and_values(astronaut: torch.Tensor) -> None:
    with pytest.raises(gpen.SettingError, match=r"'retina'.*auto, " + next(iter(DETECTORS))):
        gpen.detect_faces(astronaut, "retina")
    with pytest.raises(gpen.SettingError, match="detection threshold must be a number between 0 and 1"):
        gpen.detect_faces(astronaut, "mtcnn", threshold=1.5)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (torch.full((1, 32, 32, 3), torch.nan), "NaN or infinite"),
        (torch.full((1, 32, 32, 3), torch.inf), "NaN or infinite"),
        (torch.zeros(32, 32, 3), r"\[32, 32, 3\]"),
        (torch.zeros(1, 32, 32, 2), r"\[1, 32, 32, 2\]"),
        (torch.zeros(1, 0, 32, 3), "no pixels"),
        (torch.zeros(1, 32, 32, 3, dtype=torch.uint8), "floating-point"),
    ],
)
def test_bad_pictures_are_refused(picture: torch.Tensor, words: str) -> None:
    with pytest.raises(gpen.PictureError, match=words):
        gpen.detect_faces(picture, "mtcnn")
