"""What became of each face, in a few lines for people."""

from collections import Counter

from .face import Face, Faces


def describe(faces: Faces) -> str:
    """One line of counts, then a line a face: number in its picture, size, place, score, sharpness and outcome.

    >>> describe(Faces((), 512, 512, 1))
    'no face found'
    """
    if not len(faces):
        return "no face found" if faces.frames == 1 else f"no face found in {faces.frames} pictures"
    kinds = Counter(face.outcome.kind for face in faces)
    count = f"{len(faces)} face{'s' * (len(faces) != 1)} found"
    tracks = len({face.track for face in faces if face.track is not None})
    if tracks:
        count += f" in {tracks} track{'s' * (tracks != 1)}"
    done = [f"{number} {kind}" for kind, number in kinds.items() if kind != "found"]
    return "\n".join([", ".join([count, *done]), *(_describe_face(face, faces.frames) for face in faces)])


def _describe_face(face: Face, frames: int) -> str:
    left, top, right, bottom = face.box
    where = f"at ({left:.0f}, {top:.0f})" + (f" in picture {face.frame + 1}" if frames > 1 else "")
    sharp = "" if face.sharpness is None else f", sharpness {face.sharpness:.0f}"
    size = f"{right - left:.0f}×{bottom - top:.0f} px"
    return f"#{face.number} {size} {where}, score {face.score:.2f}{sharp}: {face.outcome}"
