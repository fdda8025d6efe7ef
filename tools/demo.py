"""The demo: a damaged photograph goes through the pack's first workflow in a real ComfyUI."""

import io
import sys
import time

import numpy as np
import skimage.data
from PIL import Image

from .client import Client, Pixels, PromptError
from .comfyui import CACHE, ROOT, ComfyUIError, Server, provide
from .workflow import WorkflowError, read_workflow, to_prompt

WORKFLOW = ROOT / "workflows" / "Restore faces (start here).json"
EXAMPLE = "gpen_example.jpg"
"""The picture that the templates name; the page script brings it when one of them is opened."""
RESULTS = ROOT / "output"


def damaged_photograph() -> Pixels:
    """The head of the astronaut Eileen Collins (NASA, public domain) as out of a small bad JPEG, (512, 512, 3)."""
    head = Image.fromarray(skimage.data.astronaut()[:256, 96:352])
    buffer = io.BytesIO()
    head.resize((128, 128), Image.Resampling.BOX).save(buffer, "JPEG", quality=50)
    return np.array(Image.open(buffer).resize((512, 512), Image.Resampling.BICUBIC))


def restore(client: Client, picture: Pixels) -> Pixels:
    """Run the workflow, as it is, on a picture: the picture that its SaveImage node saves."""
    prompt = to_prompt(read_workflow(WORKFLOW), client.object_info())
    (loader,) = (node for node in prompt.values() if node["class_type"] == "LoadImage")
    (saver,) = (node_id for node_id, node in prompt.items() if node["class_type"] == "SaveImage")
    # Under the name that the workflow has, so that whoever opens the workflow in this ComfyUI can run it at once.
    client.upload(picture, loader["inputs"]["image"])
    return client.pictures(client.run(prompt), saver)[0]


def main() -> None:
    print(f"Starting ComfyUI ({provide()}) …", flush=True)
    with Server(CACHE / "demo") as server, Client(server.url) as client:
        print(f"Restoring a photograph with {WORKFLOW.relative_to(ROOT)} …", flush=True)
        damaged = damaged_photograph()
        start = time.perf_counter()
        try:
            restored = restore(client, damaged)
        except (PromptError, WorkflowError) as error:
            sys.exit(f"error: {error}\nThe server's log: {server.log_path}")
        print(f"Done in {time.perf_counter() - start:.1f} s:")
        RESULTS.mkdir(exist_ok=True)
        for name, picture in (
            ("restored.png", restored),
            ("before_after.png", np.concatenate([damaged, restored], axis=1)),
        ):
            Image.fromarray(picture).save(RESULTS / name)
            print(f"  {RESULTS / name}")
        if sys.stdin.isatty():
            print(
                f"\nComfyUI runs at {server.url} – the workflow is there under Templates. Enter stops it.", flush=True
            )
            input()


if __name__ == "__main__":
    try:
        main()
    except ComfyUIError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        pass
