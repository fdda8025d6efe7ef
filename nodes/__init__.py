"""The nodes of this pack, one file a node."""

from comfy_api.latest import ComfyExtension, io

from .all_in_one import GPENRestore
from .detect import GPENDetectFaces
from .face_crops import GPENFaceCrops
from .files import register_folders
from .lens import GPENLensDistortion
from .load import GPENLoadModel
from .paste import GPENPasteFaces
from .replace_crops import GPENReplaceCrops
from .restore import GPENRestoreFaces
from .select import GPENSelectFaces
from .tiles import GPENRestoreTiled
from .track import GPENTrackFaces
from .video import GPENRestoreVideo
from .whole import GPENRestoreAligned


class GPENExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            GPENLoadModel,
            GPENDetectFaces,
            GPENTrackFaces,
            GPENSelectFaces,
            GPENRestoreFaces,
            GPENPasteFaces,
            GPENFaceCrops,
            GPENReplaceCrops,
            GPENRestoreAligned,
            GPENRestoreTiled,
            GPENRestore,
            GPENLensDistortion,
            GPENRestoreVideo,
        ]


async def comfy_entrypoint() -> GPENExtension:
    register_folders()
    return GPENExtension()
