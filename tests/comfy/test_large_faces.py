"""A face larger than the model's crop, in a real server."""

from skimage import data

import gpen
from tests.support.faces import crop_of
from tests.support.graphs import assert_shows, find, load, network, paste, restore, show
from tests.support.photograph import scaled, tensor
from tools.client import Client, Graph


def test_tiles(client: Client) -> None:
    picture = scaled(data.astronaut()[:420, :440], 2)
    graph = Graph()
    image = load(graph, client, picture)
    restored = restore(graph, image, find(graph, image), tiles=True)
    shown, after = show(graph, paste(graph, image, restored)), show(graph, restored, 2)
    run = client.run(graph)
    faces = gpen.detect_faces(tensor(picture), "mtcnn")
    faces = gpen.restore_faces(network("preview"), tensor(picture), faces, tiles=True)
    assert_shows(client.pictures(run, shown), gpen.paste_faces(tensor(picture), faces).image)
    assert crop_of(faces[0]).size > 256 == len(client.pictures(run, after)[0])
