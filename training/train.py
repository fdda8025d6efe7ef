"""Train the small checkpoint: `python -m training.train`. Run it again with `--resume` to go on where it stopped.

Everything random follows from the seed and the step, so a run that was stopped and resumed ends as one that was not.
"""

import argparse
import copy
import json
import time
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

from gpen.model.config import GPENConfig
from gpen.model.network import GPEN
from gpen.model.precision import has_bf16

from .data import CACHE, Pairs, centre, load_crops, to_picture, to_tensor
from .degrade import STRENGTHS, degrade
from .losses import pixel_loss, psnr
from .sense import sense_damage
from .start import fan_in, identity_network

CONFIG = GPENConfig.released(256, channel_multiplier=1, narrow=0.25, style_dim=128, mapping_layers=4)
"""The checkpoint in the box: 3.6 million parameters, 7 MB in half precision."""

START_PICTURES = 128
WIDE = 300
"""Inputs above which a layer learns slower."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides how a run goes, besides its data."""

    steps: int = 6_000
    batch: int = 4
    lr: float = 3e-4
    """Of layers with few inputs; see `learning_rates`."""
    warmup: int = 100
    decay_from: float = 0.7
    """Share of the run after which the learning rate falls linearly to zero."""
    ema: float = 0.999
    """Of the averaged weights that are exported: how much of them stays at each step."""
    seed: int = 0
    bf16: bool = True
    replicas: int = 2
    """Parts of a batch that are computed side by side, each by one thread. On two cores that others use as well it is
    much faster than two threads inside every operation, which wait for the slower one hundreds of times a step."""

    def lr_share(self, step: int) -> float:
        """The learning rate of a step as a share of `lr`."""
        return min(1.0, (step + 1) / self.warmup, (self.steps - step) / (self.steps * (1 - self.decay_from)))


class Trainer:
    """The networks, their optimiser and the step; everything a checkpoint holds."""

    def __init__(self, config: GPENConfig, plan: Plan, device: torch.device, pictures: Tensor):
        """`pictures`: damaged ones (N, 3, S, S) to start the latent from."""
        self.config, self.plan, self.device, self.step = config, plan, device, 0
        network = identity_network(config, plan.seed).train()
        sense_damage(network, pictures)
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.replicas = [self.network, *(copy.deepcopy(self.network) for _ in range(1, plan.replicas))]
        for replica in self.replicas[1:]:
            for own, shared in zip(replica.parameters(), self.network.parameters(), strict=True):
                own.data = shared.data
        self.pool = ThreadPoolExecutor(plan.replicas)
        self.average = GPEN(config).to(device).train().requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(learning_rates(self.network), betas=(0.9, 0.99), foreach=True)

    def train_step(self, damaged: Tensor, original: Tensor) -> dict[str, float]:
        """One step on a batch (B, 3, S, S) in -1..1; returns what is worth a line in the log."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.lr * self.plan.lr_share(self.step) * group["share"]
        parts = [part.to(self.device).chunk(self.plan.replicas) for part in (damaged, original)]
        results = list(self.pool.map(self._backward, self.replicas, *parts))
        self._gather_gradients()
        self.optimiser.step()
        # A young average must forget its start sooner.
        keep = min(self.plan.ema, (1 + self.step) / (10 + self.step))
        for average, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
            average.lerp_(new.detach(), 1 - keep)
        self.step += 1
        return {name: sum(result[name] for result in results) / len(results) for name in results[0]}

    def _backward(self, replica: GPEN, damaged: Tensor, original: Tensor) -> dict[str, float]:
        """The gradients of one part of the batch, left in the replica."""
        replica.zero_grad(set_to_none=True)
        # Convolutions in bfloat16; weights, the sum of the pictures and the loss in float32.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bf16):
            restored = replica(damaged.to(memory_format=torch.channels_last)).float()
        loss = pixel_loss(restored, original)
        loss.backward()
        gain = psnr(restored.detach(), original) - psnr(damaged, original)
        return {"loss": loss.item(), "gain": gain.mean().item()}

    def _gather_gradients(self) -> None:
        """The mean over the replicas, cut to length 1: one bad batch must not undo the average."""
        for parameters in zip(*(replica.parameters() for replica in self.replicas), strict=True):
            grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if grads:
                parameters[0].grad = torch.stack(grads).mean(0)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)

    def save(self, file: Path) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(file)

    def load(self, file: Path) -> None:
        """Go on where `save` stopped."""
        state: dict[str, Any] = torch.load(file, map_location=self.device, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def learning_rates(network: GPEN) -> list[dict[str, Any]]:
    """Parameter groups with their `share` of the learning rate: less for a layer with more than `WIDE` inputs.

    Adam moves every weight by about the learning rate, and the moves of a layer's weights add up in its output.
    So a layer with more inputs must move slower (Yang et al., "Tensor Programs V", 2022, table 3).
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, module in network.named_modules():
        inputs = fan_in(module) if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) else 1
        if not name.endswith("energy"):  # follows from the weights, and is not used in training
            groups.setdefault(min(1.0, WIDE / inputs), []).extend(module.parameters(recurse=False))
    return [{"params": members, "share": share} for share, members in groups.items() if members]


def validation_pairs(crops: np.ndarray) -> dict[str, tuple[Tensor, Tensor]]:
    """Strength → (damaged, original) of everyone in the validation part, the same every time."""
    sets = {}
    for name, (low, high) in STRENGTHS.items():
        damaged, originals = [], []
        for i, crop in enumerate(crops):
            rng = np.random.default_rng([i, 1])
            originals.append(to_tensor(centre(crop)))
            damaged.append(to_tensor(degrade(centre(crop), rng.uniform(low, high), rng)))
        sets[name] = torch.stack(damaged), torch.stack(originals)
    return sets


@torch.no_grad()
def validate(network: GPEN, sets: dict[str, tuple[Tensor, Tensor]], strip: Path | None) -> dict[str, float]:
    """PSNR won over the damaged picture, in dB, for each strength; and a strip of pictures to look at."""
    device = network.to_latent.weight.device
    won, rows = {}, []
    for name, (damaged, original) in sets.items():
        restored = torch.cat([network(part.to(device)).float().cpu() for part in damaged.split(8)])
        won[f"val_{name}"] = (psnr(restored, original) - psnr(damaged, original)).mean().item()
        rows += [damaged[:6], restored[:6], original[:6]]
    if strip:
        strip.parent.mkdir(parents=True, exist_ok=True)
        sheet = np.vstack([np.hstack([to_picture(picture) for picture in row]) for row in rows])
        coded = cv2.imencode(".jpg", (sheet[:, :, ::-1] * 255).round().astype(np.uint8))[1]
        strip.write_bytes(coded.tobytes())
    return {"val": float(np.mean(list(won.values()))), **won}


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)


def main() -> None:
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where `prepare` left the crops")
    parser.add_argument("--run", type=Path, default=CACHE / "run", help="folder of the checkpoint, log and pictures")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--stop", type=int, help="stop earlier than --steps, to go on later")
    parser.add_argument("--batch", type=int, default=plan.batch)
    parser.add_argument("--lr", type=float, default=plan.lr)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--fp32", action="store_true", help="no bfloat16, also where the machine computes in it")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints, figures and pictures")
    settings = parser.parse_args()

    cv2.setNumThreads(1)  # a pool of threads would not survive the worker's fork
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    replicas = 1 if device.type == "cuda" else plan.replicas
    bf16 = not settings.fp32 and has_bf16(device)
    plan = Plan(settings.steps, settings.batch, settings.lr, seed=settings.seed, bf16=bf16, replicas=replicas)
    sets = validation_pairs(load_crops(settings.cache, "validation")[1])
    everything = Pairs(load_crops(settings.cache, "training")[1], plan.seed, plan.steps * plan.batch)
    trainer = Trainer(CONFIG, plan, device, torch.stack([everything[n][0] for n in range(START_PICTURES)]))
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
            if trainer.step % settings.every == 0 or trainer.step == stop:
                trainer.save(checkpoint)
                figures = {name: float(np.mean([line[name] for line in recent])) for name in recent[0]}
                strip = settings.run / "pictures" / f"{trainer.step:06d}.jpg"
                figures |= validate(trainer.average, sets, strip)
                seconds = round(time.monotonic() - began)
                log.write(json.dumps({"step": trainer.step, "seconds": seconds, **figures}) + "\n")
                log.flush()
                recent.clear()
                bar.set_postfix(loss=f"{figures['loss']:.4f}", val=f"{figures['val']:+.2f} dB")


if __name__ == "__main__":
    main()
