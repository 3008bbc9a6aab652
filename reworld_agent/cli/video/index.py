"""`reworld video index`: from data on disk to an index of clips."""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.clips.build import build_index, split_counts
from reworld_agent.clips.index import write_index
from reworld_agent.clips.sources import CLIP_SOURCES, Options, open_source
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.arguments import Words, parse
from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown
from reworld_agent.scenes.synthetic.splits import default_root

USAGE = (
    "reworld video index source=nuscenes|nuplan|openscene|folder|town root=DIR output=FILE.parquet "
    "[fps=8] [frames=33] [stride=12] [split=...] [camera=NAME] [part=NAME] [images=DIR]"
)
HELP = f"""{USAGE}

Cut recordings into clips of a steady rate, by nearest timestamp, and write one row a clip.

  source=     nuscenes (its json tables), nuplan (.db files), openscene (NAVSIM logs: 2 Hz only),
              folder (videos, or folders of images, with an optional csv of poses), town
  root=DIR    folder of the data; paths in the index start from it. Not needed for the town's own
              folder, which `reworld synth data_split=town_train clips=true` fills
  fps=N       frames a second (8; openscene: 2)
  frames=N    frames of a clip (33: 9 of history, 24 to imagine)
  stride=N    frames from one clip to the next (12)
  split=...   80/10/10 by a hash of the scene's name; train, val or test for all; a csv with
              columns scene, split; or a json with lists of scenes by split. Not given: what the
              folder of the logs says (train_boston, val, test; the town's), 80/10/10 for others
  camera=NAME the front camera if not given
  part=NAME   v1.0-trainval of nuscenes; mini, test ... of openscene; town_test ... of town
  images=DIR  nuplan's images, where they are not in a folder sensor_blobs
  licence=... of a folder of one's own, kept in every row
  content=true  checksums over all bytes of the images, not over names and sizes

example: reworld video index source=nuscenes root=/data/nuscenes output=nuscenes_8hz.parquet
"""
NO_OFFICIAL_SPLIT = (
    "note: nuScenes' own split is not in its tables; this is 80/10/10 by a hash of scene names.\n"
    "  Its own, with the package nuscenes-devkit (then say split=nuscenes.json):"
    '\n  python -c "import json, nuscenes.utils.splits as s; '
    'print(json.dumps(s.create_splits_scenes()))" > nuscenes.json'
)
KNOWN = (
    *("source", "root", "output", "fps", "frames", "stride", "split", "camera", "part"),
    *("images", "licence", "content"),
)


SERVED = ("part", "images", "licence")  # of some sources alone


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or raises ReWorldError."""
    words = parse(arguments, KNOWN, USAGE)
    source, root = words.settings.get("source"), words.path("root")
    if source is not None:
        CLIP_SOURCES.require(source, "source")
    if source == "town":
        root = root or default_root()
    output = words.path("output")
    if source is None or root is None or output is None or words.plain:
        raise UsageError("source=, root= and output= are needed, and no plain words", USAGE)
    layout = open_source(source)
    for key in SERVED:
        if key in words.settings and key not in layout.options:
            message = f"{key}= has no meaning with source={source}"
            read = ", ".join(f"{name}=" for name in layout.options) or "none of its kind"
            raise UsageError(message, f"leave it out: this source reads {read}")
    shape = ClipShape(
        fps=rate(words, layout.fps),
        frames=words.number("frames", 33),
        stride=words.number("stride", 12),
    )
    options = Options(
        camera=words.settings.get("camera"),
        part=words.settings.get("part"),
        images=words.path("images"),
        licence=words.settings.get("licence", "unknown"),
        fps=shape.fps,
    )
    rule = split_rule(words.settings.get("split", ""))
    index, findings = build_index(source, root, shape, rule, options, words.flag("content"))
    write_index(output, index)
    for line in (*findings.lines(shape.fps), *split_counts(index)):
        print(line)
    if source == "nuscenes" and "split" not in words.settings:
        print(NO_OFFICIAL_SPLIT)
    print(f"written: {shown(output)}")
    return 0


def rate(words: Words, default: float) -> float:
    """The setting fps; raises UsageError where it is no positive number."""
    text = words.settings.get("fps", str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"fps={text} is no frame rate", f"say fps={default:g}")
    return value
