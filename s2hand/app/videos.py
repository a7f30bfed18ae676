"""Videos: the hands of every frame as files, and as a scene that plays in the viewer."""

from __future__ import annotations

from pathlib import Path

from s2hand.app.downloads import zipped
from s2hand.app.reading import open_bounded_video
from s2hand.app.studio import Studio
from s2hand.fitting.refine import DEFAULT_STEPS
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader
from s2hand.pages import Scene
from s2hand.prediction.hand_files import HandFiles
from s2hand.prediction.options import AUTO, PredictOptions
from s2hand.prediction.photos import Photo
from s2hand.prediction.video import predict_video
from s2hand.prediction.video_scene import VideoScene


def process_video(studio: Studio, path: Path, name: str, refine: bool) -> tuple[Scene, list[Path]]:
    """Reconstructs the hands of all frames.

    Args:
        studio: reconstructs; other requests wait meanwhile.
        path: the file; results are written to a folder beside it.
        name: what it is called.
        refine: whether hands are fitted to their keypoints.

    Returns:
        The scene, and the files: the drawn video, the numbers, and the zip of both.

    Raises:
        S2HandError: it is no video, or it is too long or too large.
    """
    header = open_bounded_video(path, name, studio.limits).header
    folder = path.with_name("results")
    files = HandFiles(folder, studio.versions, PredictOptions(refine=DEFAULT_STEPS if refine else 0))
    video = Photo(path, name, Path(name).stem)
    finder = studio.reconstructor.finder.told(AUTO, StatedCamera())
    watched = VideoScene(studio.limits.video_frames)
    with studio.busy:
        entry, _ = predict_video(
            studio.reconstructor, video, finder, files, progress=False, watch=watched.add
        )
    size = header.width, header.height
    K, _ = choose_camera(PhotoHeader(*size, None))
    written = [folder / entry[kind] for kind in ("overlay", "lines")]
    scene = watched.scene(name, size, header.fps, K)
    return scene, [*written, zipped(folder / f"{video.stem}.zip", written)]
