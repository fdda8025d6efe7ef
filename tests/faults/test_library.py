"""Any picture, box, mask, landmarks and setting, one call after the other, over every function of the library."""

import math
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test

import gpen
from gpen.options import options_of
from gpen.restorers.gpen import GPENModel
from tests.support.networks import write_small

from .conftest import Trials, of

SECONDS = 5.0
NO_PICTURES = ((3,), (1, 4, 4, 2), (0, 0, 0, 3), (1, 0, 5, 3))
NO_MASKS = (torch.zeros(1, 64, 64), torch.ones(4, 4), torch.full((1, 5, 5), math.nan), torch.zeros(1), "mask")

sides = st.one_of(st.integers(1, 90), st.sampled_from([1, 2, 3, 64, 300]))
wild = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0, -1, 10**400, -(10**400), 1e300, -1e300, 999_999, 20_000, None, "12", "x", True, [], {}]),
)
tame = st.one_of(st.floats(-50, 400), st.integers(-20, 300))
values = st.one_of(tame, tame, tame, wild)


@st.composite
def pictures(draw: st.DrawFn) -> Any:
    """Mostly pictures, of any size and value; some are none."""
    if draw(st.integers(0, 15)) == 0:
        return draw(
            st.sampled_from([None, 7, "picture", torch.zeros(3), torch.zeros(1, 4, 4, 2), torch.zeros(0, 0, 0, 3)])
        )
    shape = draw(st.sampled_from([1, 1, 1, 2, 3])), draw(sides), draw(sides), draw(st.sampled_from([3, 3, 3, 1, 4]))
    kind = draw(st.sampled_from(["random", "random", "flat", "wild", "nan", "half", "integers"]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    picture = torch.rand(shape, generator=generator)
    match kind:
        case "flat":
            return torch.full(shape, draw(st.floats(0, 1)))
        case "wild":
            return (picture - 0.5) * draw(st.sampled_from([4.0, 1e6, 1e30]))
        case "nan":
            picture[0, 0, 0, 0] = draw(st.sampled_from([math.nan, math.inf]))
        case "half":
            return picture.half()
        case "integers":
            return (picture * 255).to(torch.uint8)
    return picture


masks = st.one_of(
    st.none(),
    st.builds(
        lambda *shape: torch.rand(shape, generator=torch.Generator().manual_seed(0)), st.integers(1, 3), sides, sides
    ),
    st.sampled_from(
        [torch.zeros(1, 64, 64), torch.ones(4, 4), torch.full((1, 5, 5), math.nan), torch.zeros(1), "mask"]
    ),
)
boxes = st.recursive(
    st.fixed_dictionaries(
        dict.fromkeys(("x", "y", "width", "height"), values), optional={"score": values, "label": st.text(max_size=5)}
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
) | st.sampled_from([None, 7, "box", [None], [[]], {}, {"x": 1}])


@st.composite
def landmarks(draw: st.DrawFn) -> Any:
    """FACE_LANDMARKS, many of them wrong in one place."""
    frames = []
    for _ in range(draw(st.integers(0, 3))):
        middle, width = draw(st.floats(-300, 600)), draw(st.floats(0, 600))
        points = np.random.default_rng(draw(st.integers(0, 99))).random((478, 2)) * width + middle - width / 2
        face: dict[str, Any] = {"landmarks_xy": points}
        if draw(st.booleans()):
            face["landmarks_xy"] = draw(st.sampled_from([points[:5], points.tolist(), None, "x", [[10**400, 1]] * 478]))
        if draw(st.booleans()):
            face["score"] = draw(values)
        if draw(st.booleans()):
            face["bbox_xyxy"] = draw(st.lists(values, min_size=4, max_size=4))
        frames.append([face])
    size = (draw(values), draw(values)) if draw(st.booleans()) else (300, 300)
    return draw(
        st.sampled_from([{"frames": frames, "image_size": size}] * 9 + [{}, None, {"frames": 3, "image_size": size}])
    )


def any_of(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    """Some settings of a kind, mostly within their range."""
    made: dict[str, st.SearchStrategy[Any]] = {}
    for name, told in options_of(kind).items():
        if told.choices:
            good: st.SearchStrategy[Any] = st.sampled_from(told.choices)
        elif isinstance(told.default, bool):
            good = st.booleans()
        elif isinstance(told.default, str):
            good = st.one_of(st.just(told.default), st.text(max_size=12))
        elif isinstance(told.default, int):
            good = st.integers(int(told.low or 0), int(min(told.high or 300, 300)))
        else:
            good = st.floats(told.low or 0.0, min(told.high or 300.0, 300.0))
        made[name] = st.one_of(good, good, good, good, good, wild)
    return st.fixed_dictionaries({}, optional=made)


class Calls(RuleBasedStateMachine):
    """Functions after each other, as nodes follow each other."""

    faces = Bundle("faces")
    pictures_given = Bundle("pictures")
    model: GPENModel
    trials: Trials

    def call(self, name: str, function: Any, *arguments: Any, **more: Any) -> Any:
        """A trial; None where it was refused."""
        result = None
        with self.trials.trial(f"{name}{arguments!r:.300} {more!r:.300}", gpen.GPENError):
            begun = time.process_time()
            result = function(*arguments, **more)
            took = (time.process_time() - begun) / torch.get_num_threads()  # other programs do not count
            assert took < SECONDS, f"{took:.1f} s"
            check(result)
        return result

    @rule(target=pictures_given, picture=pictures())
    def picture(self, picture: Any) -> Any:
        return picture

    @rule(target=faces, picture=pictures_given, boxes=boxes, options=any_of(gpen.DetectSettings))
    def detect(self, picture: Any, boxes: Any, options: dict[str, Any]) -> Any:
        return made(self.call("detect", gpen.detect_faces, picture, "mtcnn", boxes=boxes, **options))

    @rule(target=faces, picture=pictures_given, landmarks=landmarks())
    def read_landmarks(self, picture: Any, landmarks: Any) -> Any:
        return made(self.call("landmarks", gpen.faces_from_landmarks, picture, landmarks))

    @rule(target=faces, faces=faces, mask=masks, boxes=boxes, options=any_of(gpen.SelectSettings))
    def select(self, faces: Any, mask: Any, boxes: Any, options: dict[str, Any]) -> Any:
        selection = self.call("select", gpen.select_faces, faces, mask=mask, boxes=boxes, **options)
        return made(selection and selection.chosen)

    @rule(target=faces, faces=faces, options=any_of(gpen.TrackSettings))
    def track(self, faces: Any, options: dict[str, Any]) -> Any:
        return made(self.call("track", gpen.track_faces, faces, **options))

    @rule(target=faces, picture=pictures_given, faces=faces, size=st.sampled_from([0, 0, 32, 64, 7, -1, 10**9]))
    def crops(self, picture: Any, faces: Any, size: int) -> Any:
        cut = self.call("crops", gpen.face_crops, picture, faces, size=size)
        return made(cut and self.call("replace", gpen.replace_crops, cut.faces, 1 - cut.crops))

    @rule(target=faces, faces=faces, picture=pictures_given)
    def replace(self, faces: Any, picture: Any) -> Any:
        return made(self.call("replace", gpen.replace_crops, faces, picture))

    @rule(target=faces, picture=pictures_given, faces=faces, mask=masks, options=any_of(gpen.RestoreSettings))
    def restore(self, picture: Any, faces: Any, mask: Any, options: dict[str, Any]) -> Any:
        return made(self.call("restore", gpen.restore_faces, self.model, picture, faces, inpaint_mask=mask, **options))

    @rule(picture=pictures_given, faces=faces, mask=masks, texture=masks, options=any_of(gpen.PasteSettings))
    def paste(self, picture: Any, faces: Any, mask: Any, texture: Any, options: dict[str, Any]) -> None:
        self.call("paste", gpen.paste_faces, picture, faces, custom_mask=mask, keep_texture=texture, **options)

    @rule(picture=pictures_given, strength=values, mask=masks)
    def whole(self, picture: Any, strength: Any, mask: Any) -> None:
        self.call("whole", gpen.restore_aligned, self.model, picture, strength=strength, inpaint_mask=mask)

    @rule(picture=pictures_given, overlap=st.one_of(st.integers(-1, 70), wild))
    def tiles(self, picture: Any, overlap: Any) -> None:
        self.call("tiles", gpen.restore_tiled, self.model, picture, overlap=overlap)

    @rule(picture=pictures_given, strength=values)
    def lens(self, picture: Any, strength: Any) -> None:
        self.call("lens", gpen.correct_lens, picture, strength)


def made(faces: Any) -> Any:
    """For a bundle: the faces, or nothing where the call was refused."""
    return multiple() if faces is None else faces


def check(result: Any) -> None:
    """Raises where what came out has values that are no picture's, or faces that are nowhere."""
    faces = result if isinstance(result, gpen.Faces) else getattr(result, "faces", None)
    for face in faces or ():
        assert np.isfinite(face.landmarks).all() and np.isfinite(face.box).all(), f"a face at {face.box}"
        assert math.isfinite(face.score), "a score that is no number"
        if face.crop is not None:
            _check_picture(face.crop.latest)
    for name in ("image", "mask", "crops"):
        if hasattr(result, name):
            _check_picture(getattr(result, name))
    if isinstance(result, torch.Tensor):
        _check_picture(result)


def _check_picture(tensor: torch.Tensor) -> None:
    assert tensor.isfinite().all(), "NaN"
    if tensor.numel():
        assert tensor.min() >= -1e-4 and tensor.max() <= 1 + 1e-4, f"values in {tensor.min():.3g}..{tensor.max():.3g}"


def test_calls(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pictures, boxes, masks, landmarks and settings over every public call."""
    path = write_small(tmp_path_factory.mktemp("models") / "small.safetensors")
    machine = type("Machine", (Calls,), {"model": gpen.load_model(path, device="cpu"), "trials": trials})
    run_state_machine_as_test(machine, settings=settings(max_examples=of(12, 340), stateful_step_count=of(30, 50)))
    trials.check(of(100, 10_000))
