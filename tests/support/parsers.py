"""Face parsers that can be checked by eye: their released weights are not at hand, so theirs are set by hand."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from gpen.paste.parsers import Labels
from gpen.paste.parts import CLASSES

# Green less the mean of red and blue, of a picture in 0..1, from which on it is green to them.
GREEN = 0.25
# "hat" and "skin" in the order of each network.
_BISENET = {"hat": 18, "skin": 1}
_PARSENET = {"hat": 14, "skin": 1}


def write_parser(mask: str, folder: Path) -> Path:
    """Write the file of the parser that a mask needs: it takes what is green for a hat, and all else for skin."""
    from facexlib.parsing.bisenet import BiSeNet
    from facexlib.parsing.parsenet import ParseNet

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("parsing_bisenet.pth" if mask == "parse" else "parsing_parsenet.pth")
    with torch.device("meta"):  # to draw random weights first would take seconds
        network = BiSeNet(num_class=19) if mask == "parse" else ParseNet(in_size=512, out_size=512, parsing_ch=19)
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
        (_set_bisenet if mask == "parse" else _set_parsenet)(network)
    torch.save(network.state_dict(), path)
    return path


def as_parsenet_sees(crop: Tensor) -> Labels:
    """The labels of a crop (S, S, 3) that the ParseNet of `write_parser` gives."""
    red, green, blue = np.moveaxis(np.asarray(cv2.resize(crop.clamp(0, 1).numpy(), (512, 512)))[::16, ::16], 2, 0)
    hat = green - (red + blue) / 2 > GREEN
    labels = np.where(hat, CLASSES.index("hat"), CLASSES.index("skin")).astype(np.uint8)
    return labels.repeat(16, 0).repeat(16, 1)


def _set_bisenet(network: Any) -> None:
    """Green goes through the first channel of all layers, halved in size three times; a second one is the limit."""
    # As its input comes: less ImageNet's mean, in its deviations.
    deviations = torch.tensor([0.229, 0.224, 0.225])
    greenness = torch.tensor([-0.5, 1.0, -0.5]) * deviations
    mean = float((torch.tensor([0.485, 0.456, 0.406]) * torch.tensor([-0.5, 1.0, -0.5])).sum())
    resnet = network.cp.resnet
    resnet.conv1.weight[0, :, 3, 3] = greenness
    resnet.bn1.bias[0] = mean
    resnet.layer2[0].downsample[0].weight[0, 0] = 1
    network.ffm.convblk.conv.weight[0, 0] = 1 / 1.5  # its attention adds half
    out = network.conv_out
    out.conv.conv.weight[0, 0, 1, 1] = 1
    out.conv.bn.bias[1] = GREEN
    out.conv_out.weight[_BISENET["hat"], 0] = out.conv_out.weight[_BISENET["skin"], 1] = 1


def _set_parsenet(network: Any) -> None:
    """Green goes along the shortcuts, halved in size four times and enlarged again."""
    # As its input comes: in -1..1.
    network.encoder[0].conv2d.weight[0, :, 1, 1] = torch.tensor([-0.5, 1.0, -0.5]) / 2
    for block in (*network.encoder[1:], *network.decoder):
        block.shortcut_func.conv2d.weight[0, 0, 1, 1] = 1
    # Its body adds what it was given once more.
    network.out_mask_conv.conv2d.weight[_PARSENET["hat"], 0, 1, 1] = 1 / 2
    network.out_mask_conv.conv2d.bias[_PARSENET["skin"]] = GREEN
