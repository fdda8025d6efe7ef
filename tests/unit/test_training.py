"""How the checkpoint in the box is made: damage, the split by person, the identity start, and resuming."""

import numpy as np
import pytest
import torch

from gpen.errors import PictureError
from gpen.model.config import GPENConfig
from training.data import SIZE, Pairs, load_crops, save_crops, split_of
from training.degrade import STRENGTHS, degrade
from training.losses import pixel_loss, psnr
from training.sense import sense_damage
from training.start import identity_network
from training.train import CONFIG, Plan, Trainer

TINY = GPENConfig.released(32, channel_multiplier=1, narrow=32 / 512, style_dim=16, mapping_layers=2)


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth with edges, as a face is: (64, 64, 3) in 0..1."""
    y, x = np.mgrid[:64, :64].astype(np.float32) / 64
    return np.stack([x, y, (x + y > 1).astype(np.float32)], axis=2)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(6))  # both kinds of damage are among them
def test_degrade_is_seeded_and_in_range(picture: np.ndarray, strength: float, seed: int) -> None:
    first, again = (degrade(picture, strength, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == picture.shape and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, degrade(picture, strength, np.random.default_rng(seed + 100)))


def test_degrade_gets_worse_with_strength(picture: np.ndarray) -> None:
    def error(strength: float) -> float:
        damaged = [degrade(picture, strength, np.random.default_rng(seed)) for seed in range(20)]
        return float(np.mean([np.square(d - picture).mean() for d in damaged]))

    errors = [error(sum(STRENGTHS[name]) / 2) for name in ("mild", "medium", "strong")]
    assert errors == sorted(errors)


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


@pytest.mark.parametrize("config", [TINY, CONFIG], ids=["tiny", "released"])
def test_start_is_the_identity_and_its_latent_sees_noise(config: GPENConfig) -> None:
    x = torch.rand(16, 3, config.size, config.size) * 2 - 1
    x[::2] *= 0.1  # some pictures have less fine structure
    network = identity_network(config, seed=0).train()
    sense_damage(network, x)
    with torch.no_grad():
        y = network(x)
        latent = network.map(network.encode(x)[0])
    assert psnr(y, x).min().item() > 80
    assert latent.std(0).mean() > 0.3
    assert (latent[::2].mean(0) - latent[1::2].mean(0)).abs().mean() > 0.3


def test_pixel_loss_is_lowest_at_the_original() -> None:
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    assert pixel_loss(x, x) < pixel_loss(x + 0.01, x) < pixel_loss(x + 0.1, x)


def test_resumed_run_ends_as_one_that_was_not_stopped(tmp_path) -> None:
    plan = Plan(steps=4, batch=2)
    original = torch.rand(4, 2, 3, TINY.size, TINY.size) * 2 - 1
    batches = list(zip(original * 0.9, original, strict=True))

    through = Trainer(TINY, plan, torch.device("cpu"), original[0])
    for batch in batches:
        figures = through.train_step(*batch)
    assert np.isfinite(list(figures.values())).all()

    stopped = Trainer(TINY, plan, torch.device("cpu"), original[0])
    for batch in batches[:2]:
        stopped.train_step(*batch)
    stopped.save(tmp_path / "checkpoint.pt")
    resumed = Trainer(TINY, plan, torch.device("cpu"), original[0])
    resumed.load(tmp_path / "checkpoint.pt")
    for batch in batches[2:]:
        resumed.train_step(*batch)

    assert resumed.step == through.step == 4
    for one, other in ((through.network, resumed.network), (through.average, resumed.average)):
        for name, tensor in one.state_dict().items():
            if not name.endswith("energy.weight"):  # derived, unused in training
                assert torch.equal(tensor, other.state_dict()[name]), name
