"""Train the small checkpoint: `python -m training.train`. Run it again with `--resume` to go on where it stopped.

Everything random follows from the seed and the step, so a run that was stopped and resumed ends as one that was not.
"""

import argparse
import copy
import json
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from gpen.model.checkpoint import read_checkpoint
from gpen.model.config import GPENConfig
from gpen.model.layout import from_official
from gpen.model.network import GPEN, upsample
from gpen.model.precision import has_bf16

from .critic import Critic, critic_loss
from .damage_latent import sense_damage
from .data import CACHE, Pairs, centre, load_crops, to_picture, to_tensor
from .degrade import STRENGTHS, painted_small, poor_photo
from .identity_init import fan_in, identity_network
from .losses import FaceFeatures, psnr, restoration_loss
from .pyramid_init import pyramid_config, with_pyramid

NARROW = GPENConfig.released(256, channel_multiplier=1, narrow=0.25, style_dim=128, mapping_layers=4)
CONFIG = pyramid_config(NARROW)
"""The checkpoint in the box: 3.7 million parameters, 7.3 MB in half precision."""

START_PICTURES = 64
SAVE_EVERY = 25
"""Steps between checkpoints: what is lost where a run is killed."""
WIDE = 300
"""Inputs above which a layer learns slower."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides how a run goes, besides its data and where it starts."""

    steps: int = 12_000
    batch: int = 4
    lr: float = 4e-4
    """Of layers with few inputs, at its highest; see `learning_rates`. It falls to zero along a cosine."""
    warmup: int = 100
    ema: float = 0.999
    """Of the averaged weights that are exported: how much of them stays at each step."""
    critic_from: float = 0.6
    """Share of the run after which the critic joins."""
    critic_weight: float = 0.02
    critic_warmup: int = 300
    """Steps in which that weight grows from zero: at first the critic knows nothing."""
    critic_lr: float = 2e-4
    seed: int = 0
    bf16: bool = True
    replicas: int = 2
    """Parts of a batch that are computed side by side, each by one thread. On two cores that others use as well it is
    much faster than two threads inside every operation, which wait for the slower one hundreds of times a step."""

    def lr_share(self, step: int) -> float:
        """The learning rate of a step as a share of `lr`."""
        return min(1.0, (step + 1) / self.warmup) * (1 + math.cos(math.pi * step / self.steps)) / 2

    def critic_share(self, step: int) -> float:
        """The weight of the critic at a step, 0 before it has joined."""
        return self.critic_weight * min(1.0, max(0.0, (step - self.critic_from * self.steps) / self.critic_warmup))


def new_network(narrow: GPENConfig, pictures: Tensor, seed: int) -> GPEN:
    """One that leaves pictures as they are, octave by octave, and knows how damaged they are.

    Args:
        narrow: its configuration before `with_pyramid`.
        pictures: damaged ones (N, 3, S, S) in -1..1.
        seed: of all that is random in it.
    """
    network = identity_network(narrow, seed).train()
    sense_damage(network, pictures)
    return with_pyramid(network, pictures, seed)


def started(file: Path | None, pairs: Pairs, seed: int) -> GPEN:
    """The network that a run begins with: a checkpoint's, or a new one where there is no file."""
    pictures = torch.stack([pairs[n][0] for n in range(START_PICTURES)])
    return network_from(file, pictures, seed) if file else new_network(NARROW, pictures, seed)


def network_from(file: Path, pictures: Tensor, seed: int) -> GPEN:
    """A checkpoint of this folder to go on from: with the pyramid already, or from before it was there."""
    checkpoint = read_checkpoint(file)
    network = GPEN(checkpoint.config).train()
    network.load_state_dict(from_official(checkpoint.config, checkpoint.tensors))
    return with_pyramid(network, pictures, seed) if checkpoint.config == NARROW else network


def draw(network: GPEN, pictures: Tensor) -> list[Tensor]:
    """Damaged pictures (B, 3, S, S) → the picture as each octave leaves it, float32, the finest last."""
    features = network.encode(pictures)
    latent = network.map(features[0])
    drawn: list[Tensor] = []
    for conv, hidden in enumerate(network.generate(features, latent, pictures.dtype)):
        if conv % 2 == 0:
            to_rgb: Any = network.to_rgbs[conv // 2]
            drawn.append(to_rgb(hidden, to_rgb.weight(latent), upsample(drawn[-1]) if drawn else None).float())
    return drawn


class Trainer:
    """The networks, their optimisers and the step; everything a checkpoint holds.

    Args:
        network: as it starts.
        plan: how the run goes.
        device: where it runs.
        features: for the perceptual part of the loss.
    """

    def __init__(self, network: GPEN, plan: Plan, device: torch.device, features: FaceFeatures | None = None):
        self.plan, self.device, self.step = plan, device, 0
        # Gradients of convolutions are faster with channels outermost on a CPU and innermost on a GPU.
        self.layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
        self.network = network.train().to(device)
        self.replicas = [self.network, *(copy.deepcopy(self.network) for _ in range(1, plan.replicas))]
        self._share_weights()
        self.pool = ThreadPoolExecutor(plan.replicas)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = torch.optim.Adam(learning_rates(self.network), betas=(0.9, 0.99), foreach=True)
        self.features = None if features is None else features.to(device)
        torch.manual_seed(plan.seed)
        self.critic = Critic().to(device)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), betas=(0.5, 0.99), foreach=True)

    def train_step(self, damaged: Tensor, original: Tensor) -> dict[str, float]:
        """One step on a batch (B, 3, S, S) in -1..1; returns what is worth a line in the log."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.lr * self.plan.lr_share(self.step) * group["share"]
        self.critic.eval().requires_grad_(False)
        parts = [part.to(self.device).chunk(self.plan.replicas) for part in (damaged, original)]
        results = list(self.pool.map(self._backward, self.replicas, *parts))
        self._gather_gradients()
        self.optimiser.step()
        figures = {name: sum(figures[name] for _, figures in results) / len(results) for name in results[0][1]}
        if self.plan.critic_share(self.step):
            restored = torch.cat([restored for restored, _ in results])
            figures["critic"] = self._train_critic(restored, torch.cat(parts[1]))
        # A young average must forget its start sooner.
        keep = min(self.plan.ema, (1 + self.step) / (10 + self.step))
        for average, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
            average.lerp_(new.detach(), 1 - keep)
        self.step += 1
        return figures

    def _backward(self, replica: GPEN, damaged: Tensor, original: Tensor) -> tuple[Tensor, dict[str, float]]:
        """One part of the batch: its gradients, left in the replica; what was restored, and figures."""
        replica.zero_grad(set_to_none=True)
        # Convolutions in bfloat16; weights, the sum of the pictures and the loss in float32.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bf16):
            octaves = draw(replica, damaged.to(memory_format=self.layout))
        restored = octaves[-1]
        loss = restoration_loss(octaves, original, self.features)
        if share := self.plan.critic_share(self.step):
            loss = loss - share * self.critic(restored).mean()
        loss.backward()
        restored = restored.detach()
        before, after = psnr(damaged, original), psnr(restored, original)
        # Of pictures that were not damaged nothing can be won, and what they lose would hide the others.
        gain = (after - before)[before < 60].sum() / len(before)
        return restored, {"loss": loss.item(), "gain": gain.item()}

    def _gather_gradients(self) -> None:
        """The mean over the replicas, cut to length 1: one bad batch must not undo the average."""
        for parameters in zip(*(replica.parameters() for replica in self.replicas), strict=True):
            grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if grads:
                parameters[0].grad = torch.stack(grads).mean(0)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)

    def _train_critic(self, restored: Tensor, original: Tensor) -> float:
        for group in self.critic_optimiser.param_groups:
            group["lr"] = self.plan.critic_lr * self.plan.lr_share(self.step)
        self.critic.train().requires_grad_(True)
        loss = critic_loss(self.critic, restored, original)
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.critic_optimiser.step()
        return loss.item()

    def _share_weights(self) -> None:
        """All replicas work with the network's own weights, which loading a state may have moved to other memory."""
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        for replica in self.replicas[1:]:
            for own, shared in zip(replica.parameters(), self.network.parameters(), strict=True):
                own.data = shared.data

    @property
    def _parts(self) -> dict[str, Any]:
        """Whatever has a state, by its name in the checkpoint."""
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
            "critic": self.critic,
            "critic_optimiser": self.critic_optimiser,
        }

    def save(self, file: Path) -> None:
        """Write the checkpoint whole or not at all."""
        state = {"step": self.step} | {name: part.state_dict() for name, part in self._parts.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(file)

    def load(self, file: Path) -> None:
        """Go on where `save` stopped."""
        state: dict[str, Any] = torch.load(file, map_location=self.device, weights_only=True)
        self.step = state["step"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self._share_weights()


def learning_rates(network: GPEN) -> list[dict[str, Any]]:
    """Parameter groups with their `share` of the learning rate.

    Adam moves every weight by about the learning rate, and the moves of a layer's weights add up in its output. So a
    layer with more inputs than `WIDE` must move slower (Yang et al., "Tensor Programs V", 2022, table 3), and so must
    what draws the picture: the moves of all octaves add up in it.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, module in network.named_modules():
        if name.endswith("energy"):  # follows from the weights, and is not used in training
            continue
        inputs = fan_in(module) if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) else 1
        octaves = len(network.to_rgbs) if name.startswith("to_rgbs") else 1
        groups.setdefault(min(1.0, WIDE / inputs) / octaves, []).extend(module.parameters(recurse=False))
    return [{"params": members, "share": share} for share, members in groups.items() if members]


def validation_pairs(crops: np.ndarray) -> dict[str, tuple[Tensor, Tensor]]:
    """Kind of damage → (damaged, original) of everyone in the validation part, the same every time."""
    kinds = {strength: (poor_photo, ends) for strength, ends in STRENGTHS.items()} | {
        "painted": (painted_small, (0, 1))
    }
    originals = torch.stack([to_tensor(centre(crop)) for crop in crops])
    sets = {"clean": (originals, originals)}
    for kind, (damage, (low, high)) in kinds.items():
        generators = [np.random.default_rng([person, 1]) for person in range(len(crops))]
        damaged = [
            to_tensor(np.clip(damage(centre(crop), rng.uniform(low, high), rng), 0, 1).astype(np.float32))
            for crop, rng in zip(crops, generators, strict=True)
        ]
        sets[kind] = torch.stack(damaged), originals
    return sets


@torch.no_grad()
def validate(
    network: GPEN, sets: dict[str, tuple[Tensor, Tensor]], features: FaceFeatures | None, strip: Path | None
) -> dict[str, float]:
    """For each kind of damage the PSNR that is won, in dB, and the feature distance as a share of the damaged
    picture's; for clean pictures the PSNR; and a strip of pictures to look at."""
    device = network.to_latent.weight.device
    figures: dict[str, float] = {}
    rows = []
    for kind, (damaged, original) in sets.items():
        restored = torch.cat([network(part.to(device)).float().cpu() for part in damaged.split(8)])
        if kind == "clean":
            figures["val_clean"] = psnr(restored, original).mean().item()
            continue
        figures[f"val_{kind}"] = (psnr(restored, original) - psnr(damaged, original)).mean().item()
        if features is not None:
            distances = [features.distance(some.to(device), original.to(device)) for some in (restored, damaged)]
            figures[f"features_{kind}"] = (distances[0].mean() / distances[1].mean()).item()
        rows += [damaged[:6], restored[:6], original[:6]]
    if strip:
        strip.parent.mkdir(parents=True, exist_ok=True)
        sheet = np.vstack([np.hstack([to_picture(picture) for picture in row]) for row in rows])
        coded = cv2.imencode(".jpg", (sheet[:, :, ::-1] * 255).round().astype(np.uint8))[1]
        strip.write_bytes(coded.tobytes())
    won = [figures[f"val_{kind}"] for kind in sets if kind != "clean"]
    return {"val": float(np.mean(won)), **figures}


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)


def main(arguments: Sequence[str] | None = None) -> None:
    plan = Plan()
    shared = Path(os.environ.get("SHARED", "../shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where `prepare` left the crops")
    parser.add_argument("--run", type=Path, default=CACHE / "run", help="folder of the checkpoint, log and pictures")
    parser.add_argument(
        "--face-features",
        type=Path,
        default=shared / "weights/detection_mobilenet0.25_Final.pth",
        help="RetinaFace's weights, whose features are part of the loss",
    )
    parser.add_argument("--start", type=Path, help="begin with this checkpoint, made here before, and not from scratch")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--stop", type=int, help="stop earlier than --steps, to go on later")
    parser.add_argument("--batch", type=int, default=plan.batch)
    parser.add_argument("--lr", type=float, default=plan.lr)
    parser.add_argument("--critic-weight", type=float, default=plan.critic_weight, help="0: no discriminator")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--fp32", action="store_true", help="no bfloat16, also where the machine computes in it")
    parser.add_argument("--every", type=int, default=250, help="steps between figures and pictures")
    settings = parser.parse_args(arguments)

    cv2.setNumThreads(1)  # a pool of threads would not survive the worker's fork
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    replicas = 1 if device.type == "cuda" else plan.replicas
    bf16 = not settings.fp32 and has_bf16(device)
    plan = Plan(
        settings.steps,
        settings.batch,
        settings.lr,
        critic_weight=settings.critic_weight,
        seed=settings.seed,
        bf16=bf16,
        replicas=replicas,
    )
    sets = validation_pairs(load_crops(settings.cache, "validation")[1])
    everything = Pairs(load_crops(settings.cache, "training")[1], plan.seed, plan.steps * plan.batch)
    network = GPEN(CONFIG) if settings.resume else started(settings.start, everything, plan.seed)
    trainer = Trainer(network, plan, device, FaceFeatures(settings.face_features))
    checkpoint = settings.run / "checkpoint.pt"
    if settings.resume:
        trainer.load(checkpoint)
    stop = min(settings.stop or plan.steps, plan.steps)
    rest = Subset(everything, range(trainer.step * plan.batch, stop * plan.batch))
    loader = DataLoader(rest, plan.batch, num_workers=1, prefetch_factor=8, worker_init_fn=_one_thread)

    settings.run.mkdir(parents=True, exist_ok=True)
    bar = tqdm(loader, initial=trainer.step, total=stop, unit="step", smoothing=0.02)
    recent: list[dict[str, float]] = []
    began = time.monotonic()
    with (settings.run / "log.jsonl").open("a", encoding="utf-8") as log:
        for damaged, original in bar:
            recent.append(trainer.train_step(damaged, original))
            if trainer.step % SAVE_EVERY == 0 or trainer.step == stop:
                trainer.save(checkpoint)
            if trainer.step % settings.every == 0 or trainer.step == stop:
                figures = {name: float(np.mean([line[name] for line in recent if name in line])) for name in recent[-1]}
                strip = settings.run / "pictures" / f"{trainer.step:06d}.jpg"
                figures |= validate(trainer.average, sets, trainer.features, strip)
                seconds = round(time.monotonic() - began)
                log.write(json.dumps({"step": trainer.step, "seconds": seconds, **figures}) + "\n")
                log.flush()
                recent.clear()
                bar.set_postfix(loss=f"{figures['loss']:.4f}", val=f"{figures['val']:+.2f} dB")


if __name__ == "__main__":
    main()
