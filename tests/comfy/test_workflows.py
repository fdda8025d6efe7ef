"""The templates fit the nodes, and the demo does what it says."""

from pathlib import Path

import numpy as np
import pytest

from tools.client import Client
from tools.comfyui import PACK_NAME, ROOT
from tools.demo import damaged_photograph, restore
from tools.workflow import NOTES, WorkflowError, inputs_of, read_workflow, to_prompt

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_template_fits_the_nodes(client: Client, file: Path) -> None:
    info, workflow = client.object_info(), read_workflow(file)
    if missing := {node["type"] for node in workflow["nodes"]} - NOTES - set(info):
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(missing))}")
    for node_id, node in to_prompt(workflow, info).items():
        inputs = info[node["class_type"]]["input"]
        known = inputs_of(info[node["class_type"]])
        missing = set(inputs.get("required", {})) - set(node["inputs"])
        unknown = {name.partition(".")[0] for name in node["inputs"]} - set(known)
        assert not missing | unknown, f"node {node_id} ({node['class_type']}): missing {missing}, unknown {unknown}"


def test_template_browser_lists_all(client: Client) -> None:
    listed = client.get("/workflow_templates").json()[PACK_NAME]
    assert sorted(listed) == [file.stem for file in WORKFLOWS]


def test_demo_changes_the_face_alone(client: Client) -> None:
    damaged = damaged_photograph()
    restored = restore(client, damaged)
    assert restored.shape == damaged.shape
    change = np.abs(restored.astype(int) - damaged).max(axis=2)
    face, background = change[160:320, 200:320], change[420:]
    assert face.mean() > 0.5
    # SaveImage rounds down, so that a pixel that was left alone can lose one.
    assert background.max() <= 1


def test_stale_workflow_is_an_error() -> None:
    info = {"Node": {"input": {"required": {"size": ["INT", {}], "image": ["IMAGE"]}}}}
    node = {"id": 1, "type": "Node", "inputs": [{"name": "image", "link": 7}], "widgets_values": [5]}
    workflow = {"nodes": [node], "links": [[7, 2, 1, 1, 0, "IMAGE"]]}
    assert to_prompt(workflow, info) == {"1": {"class_type": "Node", "inputs": {"size": 5, "image": ["2", 1]}}}
    combo = {"options": [{"key": "mp4", "inputs": {"required": {"codec": ["COMBO", {"options": ["h264"]}]}}}]}
    dynamic = {"Node": {"input": {"required": {"format": ["COMFY_DYNAMICCOMBO_V3", combo]}}}}
    saver = {"id": 1, "type": "Node", "widgets_values": ["mp4", "h264"]}
    prompt = to_prompt({"nodes": [saver], "links": []}, dynamic)
    assert prompt["1"]["inputs"] == {"format": "mp4", "format.codec": "h264"}
    for values in ([], [5, 6]):
        with pytest.raises(WorkflowError, match="store the workflow again"):
            to_prompt({**workflow, "nodes": [{**node, "widgets_values": values}]}, info)
    with pytest.raises(WorkflowError, match="no such node"):
        to_prompt(workflow, {})
