"""The nodes of this pack, one file a station."""

from comfy_api.latest import ComfyExtension, io

from .aligned import GPENRestoreAligned
from .all_in_one import GPENRestore
from .crops import GPENFaceCrops, GPENReplaceCrops
from .detect import GPENDetectFaces
from .files import register_folders
from .lens import GPENLensDistortion
from .load import GPENLoadModel
from .paste import GPENPasteFaces
from .restore import GPENRestoreFaces
from .select import GPENSelectFaces
from .tiled import GPENRestoreTiled
from .track import GPENTrackFaces


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
        ]


async def comfy_entrypoint() -> GPENExtension:
    register_folders()
    return GPENExtension()
