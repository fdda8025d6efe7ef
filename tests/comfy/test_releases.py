"""Settings stay: prompts as earlier releases stored them still run, and mean what they meant."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.photograph import Damage, damaged, face_psnr, photograph
from tools.client import Client, Prompt
from tools.comfyui import ROOT
from tools.workflow import inputs_of

PROMPTS = sorted((ROOT / "tests" / "workflows").glob("*/*.prompt.json"))
BAD = damaged(Damage.NOISE)


@pytest.mark.parametrize("file", PROMPTS, ids=lambda file: f"{file.parent.name}-{file.name.split('.')[0]}")
def test_prompt_of_an_earlier_release_still_gives_the_same(client: Client, file: Path) -> None:
    client.upload(BAD, "example.png")
    old: Prompt = json.loads(file.read_text(encoding="utf-8"))
    run = client.run(old)
    shown = [node_id for node_id, node in old.items() if node["class_type"] in ("PreviewImage", "SaveImage")]
    pictures = {node_id: client.pictures(run, node_id) for node_id in shown}
    for node_id, node in old.items():
        # The picture in one node and step by step; previews, crops and tiles are of other sizes or of the whole.
        if node["class_type"] in ("GPENRestore", "GPENPasteFaces"):
            assert run.outputs[node_id]["text"][0].startswith("1 face found, 1 restored")
            shows = next(other for other in shown if old[other]["inputs"]["images"] == [node_id, 0])
            assert face_psnr(pictures[shows][0], photograph()) > face_psnr(BAD, photograph()) + 0.3

    # Inputs that came later have one default, in the schema for the page and in Python for prompts that lack them.
    info, now = client.object_info(), {}
    for node_id, node in old.items():
        known = {**info[node["class_type"]]["input"].get("required", {})}
        known |= info[node["class_type"]]["input"].get("optional", {})
        defaults = {name: spec[1]["default"] for name, spec in known.items() if len(spec) > 1 and "default" in spec[1]}
        now[node_id] = {**node, "inputs": {**defaults, **node["inputs"]}}
    if now != old:
        client.free()
        later = client.run(now)
        for node_id in shown:
            np.testing.assert_array_equal(client.pictures(later, node_id), pictures[node_id])


SCHEMAS = sorted((ROOT / "tests" / "workflows").glob("*/schema.json"))
# What was changed on purpose after 0.1.0, before anything was published; CHANGELOG.md says why. Nothing else ever is.
CHANGED_DEFAULTS = {"v0.1.0": {("GPENPasteFaces", "skin"), ("GPENRestore", "skin")}}
REORDERED = {"v0.1.0": {"GPENRestore"}}


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.parent.name)
def test_nothing_of_an_earlier_schema_is_lost(client: Client, file: Path) -> None:
    info, lost, version = client.object_info(), [], file.parent.name
    for name, old in json.loads(file.read_text(encoding="utf-8")).items():
        now = {key: (spec[0], spec[1] if len(spec) > 1 else {}) for key, spec in inputs_of(info[name]).items()}
        for key, was in old["inputs"].items():
            kind, told = now.get(key, ("nothing", {}))
            kept = was["type"] in (kind, "COMBO") and all(
                told.get(fact) == was[fact] or (name, key) in CHANGED_DEFAULTS.get(version, ())
                for fact in ("default", "min", "max")
                if fact in was
            )
            if not kept or not set(was.get("choices", ())) <= set(told.get("options", ())):
                lost.append(f"{name}.{key}: {was} → {kind} {told}")
        if info[name]["output"][: len(old["outputs"])] != old["outputs"]:
            lost.append(f"{name}: its outputs are {info[name]['output']}")
        # Saved workflows hold the values of widgets by their places.
        widgets = [key for key, was in old["inputs"].items() if "default" in was]
        if (
            name not in REORDERED.get(version, ())
            and [key for key in now if "default" in now[key][1]][: len(widgets)] != widgets
        ):
            lost.append(f"{name}: its widgets are {list(now)}")
    assert not lost, "\n".join(lost)
