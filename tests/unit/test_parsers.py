"""Face parsers. Their released weights are not at hand: networks with random ones, as their package builds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import gpen
from gpen.paste.parsers import bisenet_scores, parsenet_scores, read_parser
from gpen.paste.parts import CLASSES, PARTS
from tests.support import tolerances
from tests.support.measure import peak_bytes
from tests.support.photograph import photograph

FILES = {"parse": "parsing_bisenet.pth", "official": "parsing_parsenet.pth"}
MOST_BYTES = 300e6
"""Of activations, for one face in float32."""


def network(mask: str) -> Any:
    from facexlib.parsing.bisenet import BiSeNet
    from facexlib.parsing.parsenet import ParseNet

    torch.manual_seed(0)
    return BiSeNet(num_class=19) if mask == "parse" else ParseNet(in_size=512, out_size=512, parsing_ch=19)


def trained(mask: str) -> Any:
    """The network with statistics in its batch norms that are not those it starts with."""
    made = network(mask).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
            ):
                torch.nn.init.uniform_(tensor, low, high)
    return made


def crop() -> torch.Tensor:
    """(512, 512, 3) in 0..1"""
    return torch.from_numpy(cv2.resize(photograph(), (512, 512), interpolation=cv2.INTER_CUBIC)).float() / 255


@pytest.mark.parametrize("mask", FILES)
def test_has_the_layers_of_its_file(tmp_path: Path, mask: str) -> None:
    made = network(mask)
    # One class wins everywhere: "hair" in the order of each network, which the parser must give as its own number.
    winner = 17 if mask == "parse" else 13
    with torch.no_grad():
        if mask == "parse":
            last = made.conv_out.conv_out.weight
            last.zero_()
            made.conv_out.conv.bn.bias.fill_(1)
            last[winner] = 1
        else:
            made.out_mask_conv.conv2d.weight.zero_()
            made.out_mask_conv.conv2d.bias.zero_()
            made.out_mask_conv.conv2d.bias[winner] = 1
    torch.save(made.state_dict(), tmp_path / FILES[mask])
    parser = gpen.open_parser(mask, folders={"parser": [tmp_path]}, download=False)
    assert parser is not None
    labels = parser(torch.rand(64, 64, 3))
    assert labels.shape == (512, 512) and labels.dtype == np.uint8
    assert (labels == CLASSES.index("hair")).all()


@pytest.mark.parametrize(("mask", "scores"), [("parse", bisenet_scores), ("official", parsenet_scores)])
def test_scores_are_those_of_the_package(
    mask: str, scores: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]
) -> None:
    made, x = trained(mask), crop().permute(2, 0, 1)[None] * 2 - 1
    with torch.inference_mode():
        ours, expected = scores(made, x), made(x)[0]
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerances.PARSER_SCORES)
    # With random weights one class would win everywhere: each less its mean, so that all win somewhere.
    labels, expected_labels = ((of - expected.mean((2, 3), keepdim=True)).argmax(1) for of in (ours, expected))
    assert len(expected_labels.unique()) == 19
    assert (labels == expected_labels).float().mean() > 1 - 1e-4  # but for ties


@pytest.mark.parametrize("mask", FILES)
def test_memory(tmp_path: Path, mask: str) -> None:
    torch.save(network(mask).state_dict(), tmp_path / FILES[mask])
    parser = gpen.open_parser(mask, folders={"parser": [tmp_path]}, download=False)
    assert parser is not None
    face = crop()
    assert peak_bytes(lambda: parser(face), face.device) <= MOST_BYTES


def test_every_class_but_the_background_is_a_part() -> None:
    assert sorted(label for labels in PARTS.values() for label in (*labels,)) == sorted(
        label for label in CLASSES if label not in ("background",)
    )


@pytest.mark.parametrize("mask", ["oval", "box"])
def test_no_parser_is_loaded_for_drawn_masks(tmp_path: Path, mask: str) -> None:
    assert gpen.open_parser(mask, folders={"parser": [tmp_path]}, download=False) is None


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(gpen.DownloadError, match="parsing_bisenet"):
        gpen.open_parser("parse", folders={"parser": [tmp_path]}, download=False)
    (tmp_path / "parsing_bisenet.pth").write_text("not a model", encoding="utf-8")
    with pytest.raises(gpen.CheckpointError, match=r"parsing_bisenet\.pth does not hold bisenet"):
        read_parser("bisenet", tmp_path / "parsing_bisenet.pth")
