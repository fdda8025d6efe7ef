"""Face parsers. Their released weights are not at hand: networks with random ones, as their package builds them."""

from pathlib import Path

import numpy as np
import pytest
import torch

import gpen
from gpen.faces.parsers import CLASSES, PARTS, open_parser

FILES = {"parse": "parsing_bisenet.pth", "official": "parsing_parsenet.pth"}


def network(mask: str) -> torch.nn.Module:
    from facexlib.parsing.bisenet import BiSeNet
    from facexlib.parsing.parsenet import ParseNet

    torch.manual_seed(0)
    return BiSeNet(num_class=19) if mask == "parse" else ParseNet(in_size=512, out_size=512, parsing_ch=19)


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
    parser = gpen.find_parser(mask, folders={"parser": [tmp_path]}, download=False)
    assert parser is not None
    labels = parser(torch.rand(64, 64, 3))
    assert labels.shape == (512, 512) and labels.dtype == np.uint8
    assert (labels == CLASSES.index("hair")).all()


def test_every_class_but_the_background_is_a_part() -> None:
    assert sorted(label for labels in PARTS.values() for label in (*labels,)) == sorted(
        label for label in CLASSES if label not in ("background",)
    )


@pytest.mark.parametrize("mask", ["oval", "box"])
def test_no_parser_is_loaded_for_drawn_masks(tmp_path: Path, mask: str) -> None:
    assert gpen.find_parser(mask, folders={"parser": [tmp_path]}, download=False) is None


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(gpen.DownloadError, match="parsing_bisenet"):
        gpen.find_parser("parse", folders={"parser": [tmp_path]}, download=False)
    (tmp_path / "parsing_bisenet.pth").write_text("not a model", encoding="utf-8")
    with pytest.raises(gpen.CheckpointError, match=r"parsing_bisenet\.pth does not hold bisenet"):
        open_parser("bisenet", tmp_path / "parsing_bisenet.pth")
