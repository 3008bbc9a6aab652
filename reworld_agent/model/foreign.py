"""What somebody else's checkpoint is, seen from the names in it, its folder or its first bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import DataError
from reworld_agent.core.records import read_record

_CONVERT = "reworld convert from={} source=PATH output_dir=DIR makes weights of ours of it"
_OWN_AGENT = "run its own agent: reworld score agent={} agent.checkpoint_path=FILE"
_BASE = "merge it into its base model first (diffusers: pipe.fuse_lora()), then convert that"


@dataclass(frozen=True)
class Foreign:
    """A checkpoint of others: what it is, what can be done with it, and whether we convert it.

    `ancestor`: as the conversion calls it, where a training stage can start from it as it is.
    """

    what: str
    fix: str
    converts: bool = False
    ancestor: str = ""


# the first that some name of the checkpoint matches; the more special before the general
_BY_NAME: tuple[tuple[str, Foreign], ...] = (
    (
        r"\.?lora_(A|B|down|up|embed)|\.lora\.(down|up)",
        Foreign("a LoRA: changes to another model", _BASE),
    ),
    (
        r"patchify_proj\.",
        Foreign("Lightricks' single file of LTX-Video", _CONVERT.format("ltx"), True, "ltx"),
    ),
    (
        r"(ig_heads|cross_modal_projectors?)\.|^ig_",
        Foreign(
            "a checkpoint of the authors' ReWorld release",
            _CONVERT.format("reworld"),
            True,
            "reworld",
        ),
    ),
    (
        r"(^|\.)action_(blocks|proj_in|time_embed)",
        Foreign("a checkpoint of DriveLaW", _CONVERT.format("drivelaw"), True, "drivelaw"),
    ),
    (
        r"_transfuser_model\..*(diff_decoder|plan_anchor)",
        Foreign("a checkpoint of DiffusionDrive", _OWN_AGENT.format("diffusiondrive_agent")),
    ),
    (
        r"_transfuser_model\.",
        Foreign("a checkpoint of TransFuser", _OWN_AGENT.format("transfuser_agent")),
    ),
    (
        r"^(agent\.)?_?mlp\.\d",
        Foreign("a checkpoint of an EgoStatusMLP", _OWN_AGENT.format("ego_status_mlp")),
    ),
    (
        r"(^|\.)transformer_blocks\.\d+\.attn1\.to_q",
        Foreign(
            "a transformer of diffusers, such as LTX-Video's", _CONVERT.format("ltx"), True, "ltx"
        ),
    ),
    (
        r"^(encoder|decoder)\.(down_blocks|mid_block|up_blocks)\.",
        Foreign(
            "a VAE of diffusers",
            "name the folder that it is a part of, with its transformer/",
            True,
        ),
    ),
    (
        r"^(shared\.weight|encoder\.block\.0\.layer)",
        Foreign("a text encoder (T5)", "name it with t5=; as weights name a folder of ours"),
    ),
)
_OTHER = "name weights of ours: a folder of save_pretrained, such as OUTPUT_DIR/weights, or a .ckpt"

ONE_FILE = Foreign("one file of tensors, without a configuration", _OTHER)


# what the built-in backbones have in a model of ours, and the later ones have not
_TENSORS = {
    "video_dit.action_in.": "world_action",
    "video_dit.transformer_blocks.0.": "ltx",
    "video_dit.blocks.0.": "wan",
}


def backbone_of(names: Iterable[str]) -> dict[str, str]:
    """`video.backbone` of a model of ours by its tensors' names; empty where they do not say it."""
    listed = list(names)
    for start, backbone in _TENSORS.items():
        if any(name.startswith(start) for name in listed):
            return {"video.backbone": backbone}
    return {}


def foreign_by_names(names: Iterable[str]) -> Foreign | None:
    """What a checkpoint with these tensors is; None where they tell nothing."""
    listed = list(names)
    for pattern, foreign in _BY_NAME:
        found = re.compile(pattern)
        if any(found.search(name) for name in listed):
            return foreign
    return None


def other_model(names: Iterable[str]) -> Foreign:
    """What to say of a checkpoint none of whose tensors has a name of ours."""
    listed = list(names)
    first = ", ".join(listed[:3])
    return foreign_by_names(listed) or Foreign(
        f"a checkpoint of another model ({first} ...)", _OTHER
    )


def foreign_by_folder(folder: Path) -> Foreign | None:
    """What a folder is that is no weights folder of ours; None where nothing tells."""
    if (folder / "model_index.json").is_file():
        pipeline = _field(folder / "model_index.json", "_class_name") or "a pipeline"
        return Foreign(f"a diffusers folder ({pipeline})", _CONVERT.format("ltx"))
    kind = _field(folder / "config.json", "_class_name")
    if kind:
        hint = "name the folder above it; then " + _CONVERT.format("ltx")
        return Foreign(f"one part of a diffusers folder ({kind})", hint)
    kind = _field(folder / "config.json", "model_type")
    if kind:
        return Foreign(f"a model of transformers ({kind})", _OTHER)
    if (folder / "config.json").is_file():
        return None
    names = [path.name for path in folder.iterdir()]
    if "adapter_config.json" in names or "adapter_model.safetensors" in names:
        return Foreign("a LoRA of peft: changes to another model", _BASE)
    if ".metadata" in names or any(n.endswith(".distcp") or "zero_pp_rank" in n for n in names):
        return Foreign(
            "a sharded checkpoint of distributed training",
            "gather it into one file first (torch.distributed.checkpoint.format_utils, "
            "zero_to_fp32.py)",
        )
    indices = [name for name in names if name.endswith(".index.json")]
    if indices:
        return Foreign(f"a sharded model of Hugging Face ({indices[0]})", _CONVERT.format("ltx"))
    weights = [n for n in sorted(names) if n.endswith((".safetensors", ".ckpt", ".pth", ".pt"))]
    if weights:
        what = f"a folder with {', '.join(weights[:3])} and no config.json of ours"
        return Foreign(what, f"name the file itself: {folder / weights[0]}")
    below = folder / "weights"
    if (below / "config.json").is_file():
        return Foreign("the output folder of a training", f"name the weights in it: {below}")
    return None


def _field(file: Path, key: str) -> str | None:
    """A text in a JSON file; None where it has none."""
    try:
        content: dict[str, Any] = read_record(file, dict[str, Any], "")
    except DataError:
        return None
    value = content.get(key)
    return value[:60] if isinstance(value, str) else None


_BY_BYTES: tuple[tuple[bytes, Foreign], ...] = (
    (
        b"version https://git-lfs",
        Foreign("a pointer of Git LFS, not the file itself", "fetch the file: git lfs pull"),
    ),
    (b"<", Foreign("a web page, not weights", "download the file itself; the page may say why")),
    (b"\x1f\x8b", Foreign("a gzip archive", "unpack it, and name what is in it")),
    (b"\x89HDF", Foreign("an HDF5 file, as Keras writes it", _OTHER)),
    (b"GGUF", Foreign("a GGUF file of quantised weights", _OTHER)),
)


def foreign_by_bytes(file: Path) -> Foreign | None:
    """What a file is that cannot be read as weights; None where its first bytes tell nothing."""
    try:
        with file.open("rb") as stream:
            start = stream.read(512).lstrip()
    except OSError:
        return None
    if file.name.endswith(".index.json"):
        return Foreign("an index of shards, not weights", "name the folder that it lies in")
    if file.suffix == ".json" or start.startswith((b"{", b"[")):
        return Foreign("a text file, not weights", _OTHER)
    if not start:
        return Foreign("an empty file", "copy or download it again, whole")
    return next((foreign for first, foreign in _BY_BYTES if start.startswith(first)), None)


def foreign_class(message: str) -> str | None:
    """The class that torch refused to unpickle, from its message."""
    found = re.search(r"GLOBAL ([\w.]+)", message) or re.search(
        r"Unsupported class ([\w.]+)", message
    )
    return found[1] if found else None
