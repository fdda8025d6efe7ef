"""Restorers other than GPEN: each gives what a direct call of its network gives, on the same steps."""

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gpen
from gpen.image.picture import resized
from gpen.restorers.kinds import KINDS
from gpen.restorers.through_spandrel import SpandrelModel
from tests.support import tolerances
from tests.support.measure import psnr
from tests.support.restorers import SIDE, codeformer, faces, small_gfpgan, small_restoreformer, write

pytest.importorskip("spandrel", reason="spandrel is not installed")

SMALL = {"GFPGAN": small_gfpgan, "RestoreFormer": small_restoreformer}


@pytest.fixture(autouse=True)
def small_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of the table, for the small networks of these tests."""
    for name in SMALL:
        monkeypatch.setitem(KINDS, name, dataclasses.replace(KINDS[name], size=SIDE))
    # Spandrel's row of GFPGAN knows the released size alone.
    architecture = import_module("spandrel.architectures.GFPGAN")

    small = {"out_size": SIDE, "num_style_feat": 64, "num_mlp": 2, "narrow": 0.125}
    whole = architecture.GFPGAN
    monkeypatch.setattr(architecture, "GFPGAN", lambda **sizes: whole(**{**sizes, **small}))


def direct(name: str, network: nn.Module, crops: Tensor) -> Tensor:
    """What official code does: the crop in -1..1, and the network's first output back in 0..1."""
    x = crops.movedim(3, 1).contiguous() * 2 - 1
    with torch.inference_mode():
        y = network(x, randomize_noise=False)[0] if name == "GFPGAN" else network(x)[0]
    return ((y + 1) / 2).clamp(0, 1).movedim(1, 3)


def written(name: str, folder: Path) -> tuple[Path, nn.Module]:
    network = SMALL[name]()
    return write(folder / f"{name}.pth", network), network


@pytest.mark.parametrize("name", SMALL)
class TestSpandrel:
    def test_equals_a_direct_call(self, name: str, tmp_path: Path) -> None:
        file, network = written(name, tmp_path)
        model, crops = gpen.load_model(file, device="cpu"), faces(2)
        expected = direct(name, network, crops)
        assert expected.std() > 0.05, "a plain picture shows nothing"
        torch.testing.assert_close(model.restore(crops), expected, atol=tolerances.PICTURE, rtol=0)
        assert model.size == SIDE and model.alignment.name == "ffhq" and model.task.name == "restoration"

    def test_same_picture_each_time_and_in_each_batch(self, name: str, tmp_path: Path) -> None:
        model, crops = gpen.load_model(written(name, tmp_path)[0], device="cpu"), faces(3)
        together = model.restore(crops)
        torch.testing.assert_close(model.restore(crops[1:2]), together[1:2], atol=tolerances.PICTURE, rtol=0)

    def test_bf16_is_near(self, name: str, tmp_path: Path) -> None:
        """RestoreFormer chooses from a list of codes, and random ones are so near that it chooses others in bf16 (26 dB
        where it has 32 of them): here it has one."""
        network = small_restoreformer(1, (1, 2, 2, 4, 4, 8)) if name == "RestoreFormer" else SMALL[name]()
        file = write(tmp_path / f"{name}.pth", network)
        whole, half = (gpen.load_model(file, device="cpu", precision=which) for which in ("fp32", "bf16"))
        assert half.dtype == torch.bfloat16
        crops = faces()
        assert psnr(2 * half.restore(crops), 2 * whole.restore(crops)) >= tolerances.HALF_PSNR[torch.bfloat16]

    def test_whole_picture(self, name: str, tmp_path: Path, astronaut: Tensor) -> None:
        model = gpen.load_model(written(name, tmp_path)[0], device="cpu")
        done = gpen.restore(model, astronaut, "mtcnn", paste=gpen.PasteSettings(mask="oval"))
        (face,) = done.faces
        assert face.outcome.kind == "restored" and face.crop is not None
        assert face.crop.template is model.alignment.template
        changed = (done.image - astronaut).abs().amax(dim=3)
        assert changed[done.mask > 0.9].mean() > 0.01 and changed[done.mask == 0].max() == 0

    def test_in_tiles(self, name: str, tmp_path: Path, astronaut: Tensor) -> None:
        model = gpen.load_model(written(name, tmp_path)[0], device="cpu")
        picture = astronaut[:, :100, 180:280]
        assert gpen.restore_tiled(model, picture, overlap=8).shape == picture.shape
        found = gpen.detect_faces(astronaut, "mtcnn")
        (large,) = gpen.restore_faces(model, resized(astronaut, 340, 340), found, tiles=True)
        assert large.crop is not None and large.crop.size > SIDE

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"precision": "fp8"}, "no weights in 8 bits"),
            ({"precision": "fp16"}, "cannot be run in fp16; choose auto, fp32, bf16"),
            ({"precision": "int4"}, "unknown precision 'int4'"),
            ({"memory": "low"}, "cannot be run in strips"),
            ({"pruning": "25%"}, "only GPEN networks can be pruned"),
            ({"fidelity": 0.9}, "has no fidelity; leave it at 0.5"),
            ({"values": "0..1"}, "has no values; leave it at auto"),
            ({"zeal": 1}, "unknown setting 'zeal'"),
        ],
    )
    def test_what_it_cannot_do_is_refused(self, name: str, tmp_path: Path, asked: dict[str, Any], words: str) -> None:
        with pytest.raises(gpen.SettingError, match=words):
            gpen.load_model(written(name, tmp_path)[0], device="cpu", **asked)

    def test_quick_look_is_refused(self, name: str, tmp_path: Path, astronaut: Tensor) -> None:
        model = gpen.load_model(written(name, tmp_path)[0], device="cpu")
        with pytest.raises(gpen.SettingError, match="no quick look"):
            gpen.restore_faces(model, astronaut, gpen.detect_faces(astronaut, "mtcnn"), detail="half")

    def test_out_of_memory_is_said(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = gpen.load_model(written(name, tmp_path)[0], device="cpu")
        assert isinstance(model, SpandrelModel)

        def full(*_: object) -> Tensor:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

        model.kind = dataclasses.replace(model.kind, run=full)
        with pytest.raises(gpen.OutOfMemory, match="not enough memory for one face at 64×64"):
            gpen.restore_tiled(model, torch.rand(1, 100, 100, 3), overlap=8)

    def test_a_network_that_breaks_is_named(self, name: str, tmp_path: Path) -> None:
        network = SMALL[name]()
        with torch.no_grad():
            next(network.parameters()).fill_(float("nan"))
        with pytest.raises(gpen.CheckpointError, match=f"{name} made NaN"):
            gpen.load_model(write(tmp_path / f"{name}.pth", network), device="cpu").restore(faces())


def test_restoreformer_of_a_training(tmp_path: Path) -> None:
    """As its authors publish it: the network under a prefix, beside what only training uses."""
    network = small_restoreformer()
    state = {f"vqvae.{name}": value for name, value in network.state_dict().items()}
    file = tmp_path / "RestoreFormer.ckpt"
    torch.save({"state_dict": {**state, "loss.discriminator.0.weight": torch.zeros(3)}}, file)
    model = gpen.load_model(file, device="cpu")
    torch.testing.assert_close(
        model.restore(faces()), direct("RestoreFormer", network, faces()), atol=tolerances.PICTURE, rtol=0
    )


def test_restoreformer_that_spandrel_cannot_build_is_said(tmp_path: Path) -> None:
    """RestoreFormer++ has attention in one layer more."""
    state = small_restoreformer().state_dict()
    own = "decoder.up.5.attn"
    more = {name.replace("up.5", "up.4"): value.clone() for name, value in state.items() if own in name}
    assert more
    torch.save({**state, **more}, tmp_path / "RestoreFormer++.pth")
    with pytest.raises(gpen.CheckpointError, match="looks like a RestoreFormer network, but not one that spandrel can"):
        gpen.load_model(tmp_path / "RestoreFormer++.pth", device="cpu")


def test_codeformer_and_its_fidelity(tmp_path: Path) -> None:
    """The network is run once, as it takes long: what it was given and what it gave back are looked at."""
    file = write(tmp_path / "codeformer.pth", codeformer())
    model, crops = gpen.load_model(file, device="cpu", fidelity=0.8), faces(side=512)
    assert isinstance(model, SpandrelModel) and model.size == 512
    seen: list[Any] = []
    model.network.register_forward_hook(lambda _, x, how, y: seen.extend([x[0], how, y[0]]), with_kwargs=True)
    restored = model.restore(crops)
    torch.testing.assert_close(seen[0], crops.movedim(3, 1) * 2 - 1, atol=tolerances.PICTURE, rtol=0)
    assert seen[1] == {"weight": 0.8}
    expected = ((seen[2] + 1) / 2).clamp(0, 1).movedim(1, 3)
    torch.testing.assert_close(restored, expected, atol=tolerances.PICTURE, rtol=0)
