"""How the checkpoint in the box is made: damage, the split by person, the start, resuming, and each command once."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gpen
from gpen.errors import PictureError
from gpen.model.config import GPENConfig
from tests.support.photograph import read_rgb
from training import evaluate, export, prepare, train
from training.damage_latent import sense_damage
from training.data import SIZE, Pairs, balanced, load_crops, save_crops, split_of
from training.degrade import STRENGTHS, degrade, painted_small, poor_photo
from training.exam import DAMAGES, damaged
from training.identity_init import identity_network
from training.losses import SMALLEST_ERROR, FaceFeatures, pixel_error, psnr, restoration_loss
from training.places import attention, patches
from training.pyramid_init import pyramid_config, with_pyramid
from training.tone import group_of, skin_tone
from training.train import NARROW, Plan, Trainer, draw, new_network

TINY = GPENConfig.released(32, channel_multiplier=1, narrow=32 / 512, style_dim=16, mapping_layers=2)
SKIN = ((96, 60, 40), (235, 205, 185))
"""Red, green and blue of dark and of light skin."""
PORTRAITS = ("us-house/adam-schiff", "us-house/adam-smith", "us-house/andre-carson", "us-senate/marsha-blackburn")
"""Two who train, one of the validation, one who is held out."""


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth with edges, as a face is: (64, 64, 3) in 0..1."""
    y, x = np.mgrid[:64, :64].astype(np.float32) / 64
    return np.stack([x, y, (x + y > 1).astype(np.float32)], axis=2)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(12))  # every kind of damage is among them
def test_degrade_is_seeded_and_in_range(picture: np.ndarray, strength: float, seed: int) -> None:
    first, again = (degrade(picture, strength, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == picture.shape and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, again)


@pytest.mark.parametrize("damage", [poor_photo, painted_small])
def test_damage_gets_worse_with_strength(picture: np.ndarray, damage) -> None:
    def error(strength: float) -> float:
        damaged = [damage(picture, strength, np.random.default_rng(seed)) for seed in range(20)]
        return float(np.mean([np.square(d - picture).mean() for d in damaged]))

    errors = [error(sum(STRENGTHS[name]) / 2) for name in ("mild", "medium", "strong")]
    assert errors == sorted(errors)


@pytest.mark.parametrize("damage", DAMAGES)
def test_exam_is_the_same_every_time(picture: np.ndarray, damage: str) -> None:
    first, again = (damaged(picture, 3, damage) for _ in range(2))
    assert first.shape == picture.shape and first.dtype == np.float32
    assert np.array_equal(first, again)
    if damage == "grey":
        assert np.ptp(first, axis=2).max() == 0


def test_split_is_stable_and_a_tenth_is_held_out() -> None:
    names = [f"person-{i}" for i in range(2000)]
    splits = [split_of(name) for name in names]
    assert splits == [split_of(f" {name.upper()}") for name in names]
    assert 0.08 < splits.count("held-out") / len(names) < 0.12
    assert 0.03 < splits.count("validation") / len(names) < 0.07
    assert tuple(splits[:3]) == ("training", "held-out", "training")


def test_load_crops_gives_each_split_its_people(tmp_path) -> None:
    names = [f"person-{i}" for i in range(40)]
    save_crops(tmp_path, names, np.arange(40, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 2, 3), np.uint8))
    for split in ("training", "validation", "held-out"):
        found, crops = load_crops(tmp_path, split)
        assert found == [name for name in names if split_of(name) == split]
        assert [f"person-{crop[0, 0, 0]}" for crop in crops] == found


def test_load_crops_without_portraits_says_what_to_do(tmp_path) -> None:
    with pytest.raises(PictureError, match=r"training\.prepare"):
        load_crops(tmp_path, "training")


def test_pairs_depend_on_their_number_alone() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, SIZE + 64, SIZE + 64, 3), np.uint8)
    damaged, original = Pairs(crops, seed=1, length=9)[5]
    again = Pairs(crops, seed=1, length=50)[5]
    assert damaged.shape == original.shape == (3, SIZE, SIZE)
    assert torch.equal(damaged, again[0]) and torch.equal(original, again[1])
    assert not torch.equal(original, Pairs(crops, seed=2, length=9)[5][1])


def test_tones_are_shown_equally_often() -> None:
    """Of dark and light squares of skin, one to three, the dark ones are shown as often as the light ones."""
    dark, light = ((np.array(rgb) * np.ones((SIZE + 64, SIZE + 64, 1))).astype(np.uint8) for rgb in SKIN)
    for crop in (dark, light):
        crop[:40] = 255  # a wall that says how bright white is
    assert [group_of(skin_tone(crop[32:-32, 32:-32] / 255)) for crop in (dark, light)] == ["dark", "light"]
    shares = balanced(np.stack([dark, light, light, light]))
    assert shares.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


@pytest.mark.parametrize("config", [TINY, NARROW], ids=["tiny", "released"])
def test_start_is_the_identity_and_its_latent_sees_noise(config: GPENConfig) -> None:
    x = torch.rand(16, 3, config.size, config.size) * 2 - 1
    x[::2] *= 0.1  # some pictures have less fine structure
    network = new_network(config, x, seed=0)
    with torch.no_grad():
        octaves = draw(network, x)
        assert torch.equal(octaves[-1], network(x))
        latent = network.map(network.encode(x)[0])
    assert network.config == pyramid_config(config)
    assert psnr(octaves[-1], x).min().item() > 80
    assert latent.std(0).mean() > 0.3
    assert (latent[::2].mean(0) - latent[1::2].mean(0)).abs().mean() > 0.3


def test_octaves_start_with_the_picture_at_their_size() -> None:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 256), torch.linspace(-1, 1, 256), indexing="ij")
    picture = torch.stack([torch.sin(3 * x), y, torch.cos(4 * x * y)])[None]  # smooth, so that size hardly matters
    octaves = draw(new_network(NARROW, torch.cat([picture, picture.flip(3), -picture]), seed=0), picture)
    for octave in octaves[-4:]:
        inner = slice(2, -2)  # enlarging sees zeros around the picture
        small = F.interpolate(picture, octave.shape[2:], mode="area")
        assert (octave - small)[..., inner, inner].abs().max() < 0.1


def test_pyramid_keeps_what_a_network_computes() -> None:
    x = torch.rand(4, 3, TINY.size, TINY.size) * 2 - 1
    network = identity_network(TINY, seed=0).train()
    sense_damage(network, x)
    with torch.no_grad():
        for parameter in network.parameters():  # as if it had been trained
            parameter.mul_(1 + 0.05 * torch.randn_like(parameter))
        for modulated in [*network.convs, *network.to_rgbs]:  # constant styles are the one thing that changes
            modulated.modulation.weight.zero_()
        before = network(x)
        after = with_pyramid(network, x, seed=1)(x)
    assert (after - before).abs().max() < 1e-3


def test_attention_looks_at_eyes_and_mouth() -> None:
    weight = attention(256)
    assert weight.mean().item() == pytest.approx(1)
    background, eye, mouth = weight[10, 10], weight[118, 101], weight[184, 128]
    assert eye > 3 * background and mouth > 3 * background
    assert patches(torch.zeros(2, 3, 256, 256)).shape == (6, 3, 64, 64)


def test_losses_are_lowest_at_the_original() -> None:
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    assert (pixel_error(x, x) < 1.001 * SMALLEST_ERROR).all()
    assert (pixel_error(x + 0.01, x) < pixel_error(x + 0.1, x)).all()
    losses = [restoration_loss([x + error], x, None) for error in (0, 0.01, 0.1)]
    assert losses == sorted(losses)


def test_face_features_tell_more_from_less_damage(shared: Path) -> None:
    features = FaceFeatures(shared / "weights" / "detection_mobilenet0.25_Final.pth")
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    distances = [features.distance(x + error * torch.randn_like(x), x) for error in (0, 0.1, 1)]
    assert (distances[0] == 0).all() and (distances[1] < distances[2]).all()


def test_resumed_run_ends_as_one_that_was_not_stopped(tmp_path) -> None:
    plan = Plan(steps=4, batch=2, critic_from=0.25)  # so the critic is there on both sides of the stop
    original = torch.rand(4, 2, 3, TINY.size, TINY.size) * 2 - 1
    batches = list(zip(original * 0.9, original, strict=True))

    through = Trainer(new_network(TINY, original[0], seed=0), plan, torch.device("cpu"))
    *_, figures = [through.train_step(*batch) for batch in batches]
    assert np.isfinite(list(figures.values())).all()

    stopped = Trainer(new_network(TINY, original[0], seed=0), plan, torch.device("cpu"))
    for batch in batches[:2]:
        stopped.train_step(*batch)
    stopped.save(tmp_path / "checkpoint.pt")
    resumed = Trainer(new_network(TINY, original[0], seed=0), plan, torch.device("cpu"))
    resumed.load(tmp_path / "checkpoint.pt")
    for batch in batches[2:]:
        resumed.train_step(*batch)

    assert resumed.step == through.step == 4
    for one, other in ((through.network, resumed.network), (through.average, resumed.average)):
        for name, tensor in one.state_dict().items():
            if not name.endswith("energy.weight"):  # derived, unused in training
                assert torch.equal(tensor, other.state_dict()[name]), name
    for name, tensor in through.critic.state_dict().items():
        assert torch.equal(tensor, resumed.critic.state_dict()[name]), name


@pytest.fixture
def many_threads() -> Iterator[None]:
    """What `train` changes for its whole process is changed back."""
    threads, of_opencv = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(threads)
    cv2.setNumThreads(of_opencv)


@pytest.mark.usefixtures("many_threads")
def test_prepare_train_export_evaluate(shared: Path, tmp_path: Path) -> None:
    """Each command once, on four small portraits: one step is trained, and what was exported is a model."""
    weights, faces = shared / "weights", tmp_path / "faces"
    faces.mkdir()
    for name in PORTRAITS:
        portrait = read_rgb(shared / "faces" / f"{name}.jpg")
        small = cv2.resize(portrait, (512, 512), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(faces / f"{Path(name).name}.jpg"), small[..., ::-1])
    cache, run, file = tmp_path / "cache", tmp_path / "run", tmp_path / "model.safetensors"
    features = ["--face-features", str(weights / "detection_mobilenet0.25_Final.pth")]
    yunet = str(weights / "face_detection_yunet_2023mar.onnx")
    prepare.main(["--faces", str(faces), "--detector-weights", yunet, "--cache", str(cache)])
    assert [len(load_crops(cache, split)[0]) for split in ("training", "validation", "held-out")] == [2, 1, 1]

    train.main(["--cache", str(cache), "--run", str(run), "--steps", "1", "--batch", "2", *features])
    (line,) = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert np.isfinite(list(json.loads(line).values())).all()
    assert (run / "pictures" / "000001.jpg").is_file()

    export.main(["--run", str(run), "--output", str(file)])
    assert gpen.load_model(file, device="cpu").size == SIZE

    output, sheets = tmp_path / "output", tmp_path / "sheets"
    evaluate.main(
        ["--weights", str(file), "--cache", str(cache), "--output", str(output), "--sheets", str(sheets), *features]
    )
    figures = json.loads((output / "figures.json").read_text(encoding="utf-8"))
    assert list(figures["damages"]) == list(DAMAGES) and figures["people"] == 1
    assert figures["damages"]["clean"]["model"]["psnr"] > 40  # one step from the identity
    assert {picture.name for picture in output.glob("*.jpg")} == {"before-after.jpg", "failures.jpg"}
    assert len(list(sheets.glob("worst-*.jpg"))) == len(DAMAGES)
