"""Smaller networks: exact where they say so, otherwise near, and everything works with them."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gpen
from gpen.cli import main
from gpen.image.picture import to_uint8
from gpen.model.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gpen.model.config import GPENConfig
from gpen.model.memory import activation_bytes
from gpen.model.network import GPEN
from gpen.model.precision import Precision
from gpen.model.strips import run_in_strips
from gpen.prune.prune import PRUNING, parameters, prune
from gpen.prune.synthetic_faces import synthetic_faces
from gpen.restorers.gpen import GPENModel, build_network
from gpen.weights.catalogue import PREVIEW
from tests.support import tolerances
from tests.support.measure import peak_bytes, psnr
from tests.support.networks import random_checkpoint
from tests.support.photograph import Damage, damaged, face_psnr, photograph

"""Of a picture in -1..1, in float32."""
SMALL = GPENConfig.released(64, 1, 1 / 32, style_dim=32, mapping_layers=2)


def checkpoint(config: GPENConfig = SMALL) -> Checkpoint:
    return Checkpoint(random_checkpoint(config), config, {}, Path("random"))


def seen(count: int, size: int, seed: int) -> torch.Tensor:
    """Faces as a network sees them: (count, 3, size, size) in -1..1."""
    return synthetic_faces(count, size, seed).movedim(3, 1) * 2 - 1


def output(of: Checkpoint) -> torch.Tensor:
    x = seen(2, of.config.input_size, 5)
    with torch.inference_mode():
        return build_network(of, Precision(torch.float32))(x)


def with_dead_channels() -> Checkpoint:
    """Channels 2 and 5 of three maps are read by nothing, or by what is read by nothing."""
    dead, tensors = [2, 5], random_checkpoint(SMALL)
    hidden = SMALL.generator_channels[2]
    tensors["generator.convs.2.conv.weight"][:, :, dead] = 0  # reads the output of the third convolution
    tensors["generator.to_rgbs.0.conv.weight"][:, :, dead] = 0
    tensors["generator.convs.3.conv.modulation.weight"][dead] = 0  # as good as no weights
    tensors["generator.convs.3.conv.modulation.bias"][dead] = 0
    level = 2  # its map stands beside convolutions 3 and 4, which convolutions 4 and 5 and one to_rgb read
    beside = [SMALL.generator_channels[3] + i for i in dead], [SMALL.generator_channels[4] + i for i in dead]
    tensors["generator.convs.3.conv.weight"][:, :, beside[0]] = 0
    tensors["generator.convs.4.conv.weight"][:, :, beside[1]] = 0
    tensors["generator.to_rgbs.1.conv.weight"][:, :, beside[1]] = 0
    tensors[f"ecd{level + 1}.0.1.weight"][:, dead] = 0
    assert hidden > max(dead)
    return Checkpoint(tensors, SMALL, {}, Path("dead"))


class TestExact:
    def test_dead_channels_go_and_the_picture_stays(self) -> None:
        whole = with_dead_channels()
        small = prune(whole, "exact")
        count = SMALL.generator_channels[2] - 2
        assert small.config.generator_channels[2:4] == (count, count)
        assert small.config.encoder_channels[2] == SMALL.encoder_channels[2] - 2
        assert parameters(small) < parameters(whole)
        torch.testing.assert_close(output(small), output(whole), atol=tolerances.PICTURE, rtol=0)

    def test_half_precision_files_stay_exact(self) -> None:
        whole = with_dead_channels()
        whole = replace(whole, tensors={name: tensor.half() for name, tensor in whole.tensors.items()})
        torch.testing.assert_close(output(prune(whole, "exact")), output(whole), atol=tolerances.PICTURE, rtol=0)

    def test_what_makes_nothing_but_counts_in_a_norm_stays(self) -> None:
        tensors = random_checkpoint(SMALL)
        tensors["generator.convs.1.noise.weight"].zero_()
        tensors["generator.convs.1.activate.bias"].zero_()
        whole = Checkpoint(tensors, SMALL, {}, Path("silent"))
        assert prune(whole, "exact").config == SMALL
        torch.testing.assert_close(output(prune(whole, "exact")), output(whole), atol=tolerances.PICTURE, rtol=0)

    def test_a_map_that_is_dead_keeps_a_channel(self) -> None:
        tensors = random_checkpoint(SMALL)
        for name in ("generator.convs.0.conv.weight", "generator.to_rgb1.conv.weight"):
            tensors[name].zero_()
        whole = Checkpoint(tensors, SMALL, {}, Path("dead map"))
        small = prune(whole, "exact")
        assert small.config.generator_channels[0] == small.config.constant_channels == 1
        torch.testing.assert_close(output(small), output(whole), atol=tolerances.PICTURE, rtol=0)

    def test_noise_of_smaller_inputs_stays_as_it_is(self) -> None:
        whole = checkpoint(GPENConfig.released(64, 1, 1 / 32, 32, 2, input_size=16))
        torch.testing.assert_close(output(prune(whole, "exact")), output(whole), atol=tolerances.PICTURE, rtol=0)

    def test_leftovers_of_training_do_not_reach_the_file(self, tmp_path: Path) -> None:
        tensors = with_dead_channels().tensors
        contents = {
            "g_ema": {**tensors, "ecd1.0.0.kernel": torch.ones(4, 4)},
            "g": copy.deepcopy(tensors),
            "d": copy.deepcopy(tensors),
        }
        torch.save(contents, tmp_path / "GPEN-Inpainting-1024.pth")
        target = tmp_path / "small.safetensors"
        assert main(["prune", str(tmp_path / "GPEN-Inpainting-1024.pth"), str(target), "--exact"]) == 0
        assert target.stat().st_size < (tmp_path / "GPEN-Inpainting-1024.pth").stat().st_size * 0.6
        assert read_checkpoint(target).metadata["task"] == "inpainting"  # as the original's name tells


class TestShare:
    @pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
    def test_parameters_shrink_by_the_share_or_more(self, share: float) -> None:
        whole = read_checkpoint(PREVIEW)
        assert parameters(prune(whole, share)) <= (1 - share) * parameters(whole)

    def test_may_be_pruned_again(self) -> None:
        once = prune(checkpoint(), "25%")
        twice = prune(once, "25%")
        assert parameters(twice) < parameters(once)
        assert twice.metadata["pruned"] == "0.25, 0.25"

    def test_smaller_inputs(self) -> None:
        config = GPENConfig.released(64, 1, 1 / 32, 32, 2, input_size=16)
        assert output(prune(checkpoint(config), 0.25)).isfinite().all()

    def test_progress(self) -> None:
        calls: list[tuple[int, int | None]] = []
        prune(checkpoint(), 0.25, on_progress=lambda *call: calls.append(call))
        # Eight synthetic faces and one round of choosing, over each of the maps.
        total = 9 * (len(SMALL.encoder_channels) + 1 + len(SMALL.generator_channels))
        assert calls == [(done, total) for done in range(1, total + 1)]

    @pytest.mark.parametrize("last", [1, 100, 130])  # the last one while channels are compared
    def test_what_on_progress_raises_stops_it(self, last: int, tmp_path: Path) -> None:
        class Cancelled(Exception):
            pass

        write_checkpoint(tmp_path / "small.safetensors", random_checkpoint(SMALL))
        calls: list[int] = []

        def on_progress(done: int, total: int | None) -> None:
            calls.append(done)
            if done == last:
                raise Cancelled

        with pytest.raises(Cancelled):
            gpen.load_model(tmp_path / "small.safetensors", pruning=0.25, device="cpu", on_progress=on_progress)
        assert calls == list(range(1, last + 1))

    def test_exact_takes_no_steps(self) -> None:
        calls: list[tuple[int, int | None]] = []
        prune(with_dead_channels(), "exact", on_progress=lambda *call: calls.append(call))
        assert not calls

    @pytest.mark.parametrize("pruning", ["12", "0%", 1.0, "none of it", "nan", "-5%"])
    def test_exception(self, pruning: str | float) -> None:
        with pytest.raises(gpen.SettingError, match="choose none, exact, or a share"):
            gpen.load_model("preview", pruning=pruning)


class TestPreview:
    def test_a_tenth_less_still_restores_a_photograph(self) -> None:
        original, bad = photograph(), damaged(Damage.NOISE)
        picture = torch.from_numpy(np.ascontiguousarray(bad))[None].float() / 255
        done = gpen.restore(gpen.load_model("preview", pruning="10%"), picture, gpen.open_detector("mtcnn"))
        assert face_psnr(to_uint8(done.image[0]), original) > face_psnr(bad, original) + 0.1


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 128 pixels without a quarter of its channels."""
    path = tmp_path_factory.mktemp("models") / "pruned.safetensors"
    small = prune(checkpoint(GPENConfig.released(128, 1, 1 / 8, 64, 2)), 0.25)
    write_checkpoint(path, small.tensors, {**small.metadata, "task": "colorization"})
    return path


class TestPrunedFile:
    def test_loads_by_its_shapes(self, file: Path) -> None:
        model = gpen.load_model(file, device="cpu")
        assert model.task.name == "colorization" and model.size == 128
        assert read_checkpoint(file).metadata["pruned"] == "0.25"

    @pytest.mark.parametrize("memory", ["normal", "low"])
    @pytest.mark.parametrize("precision", tolerances.PRUNED_PSNR)
    def test_every_precision_and_memory(self, file: Path, precision: str, memory: str) -> None:
        model = gpen.load_model(file, precision=precision, memory=memory, device="cpu")
        assert isinstance(model, GPENModel)
        x = seen(1, 128, 3)
        assert psnr(model(x), output_of(read_checkpoint(file), x)) >= tolerances.PRUNED_PSNR[precision]

    @pytest.mark.parametrize("memory", ["normal", "low"])
    @pytest.mark.parametrize("batch", [1, 2])
    def test_estimate_of_its_memory(self, batch: int, memory: str) -> None:
        # The shapes of a released 256 network without a quarter of its channels.
        config = GPENConfig(512, 8, (24, 48, 96, 192, 192, 192, 192), 192, (192,) * 7 + (96, 96, 48, 48, 24, 24))
        net = GPEN(config).eval()
        net.load_state_dict(net.state_dict())
        x = torch.zeros(batch, 3, config.input_size, config.input_size)
        with torch.inference_mode():
            peak = peak_bytes(lambda: run_in_strips(net, x, memory), x.device)
        assert activation_bytes(config, batch, x.dtype, memory) == pytest.approx(peak, rel=tolerances.MEMORY)


class TestCommand:
    def test_says_what_it_did(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        target = tmp_path / "small.safetensors"
        assert main(["prune", str(PREVIEW), str(target), "--share", "25%"]) == 0
        said = capsys.readouterr().out
        assert f"{PREVIEW.stat().st_size:,}" in said and "PSNR" in said and "synthetic faces" in said
        assert target.stat().st_size < PREVIEW.stat().st_size * 0.75
        assert read_checkpoint(target).metadata["pruned_from"] == PREVIEW.name

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["FILE", "FILE"], "would be overwritten"),
            (["FILE", "OUT.pth"], "should end in .safetensors"),
            (["FILE", "OUT.safetensors", "--share", "2"], "choose none, exact, or a share"),
            (["FILE", "OUT.safetensors", "--share", "none"], "nothing to prune"),
            (["FILE", "OUT.safetensors", "--faces", "FOLDER"], "there is no picture in"),
        ],
    )
    def test_mistakes_are_one_line(
        self, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
    ) -> None:
        places = {"FILE": str(file), "FOLDER": str(tmp_path)}
        places |= {name: str(tmp_path / name) for name in ("OUT.pth", "OUT.safetensors")}
        before = file.read_bytes()
        assert main(["prune", *(places.get(argument, argument) for argument in arguments)]) == 2
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1 and words in errors[0]
        assert file.read_bytes() == before and not any(tmp_path.iterdir())


def output_of(of: Checkpoint, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return build_network(of, Precision(torch.float32))(x)


def test_choices_of_the_node() -> None:
    assert PRUNING == ("none", "exact", "10%", "25%", "50%")
