"""`python -m reworld_agent.scenes.synthetic split=town_test [cameras=all] [root=DIR] ...`"""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.cli.old_commands import BY_NAME
from reworld_agent.core.arguments import report_error, run_script
from reworld_agent.core.errors import ReWorldError, UsageError
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS
from reworld_agent.scenes.synthetic.splits import ensure_split

USAGE = (
    "split=town_train|town_val|town_test [cameras=CAM_F0,...|all|none] [clips=true] [scenes=N] "
    "[workers=N] [root=DIR]"
)


def _settings(arguments: Sequence[str]) -> dict[str, str]:
    settings = dict(item.split("=", 1) for item in arguments if "=" in item)
    known = {"split", "cameras", "clips", "scenes", "workers", "root"}
    strange = [item for item in arguments if item.split("=", 1)[0] not in known or "=" not in item]
    if strange or "split" not in settings:
        raise UsageError(f"cannot read {' '.join(strange) or 'no split'}", USAGE)
    return settings


def _cameras(text: str) -> tuple[str, ...]:
    if text == "all":
        return CAMERAS
    return () if text == "none" else tuple(text.split(","))


def _number(settings: dict[str, str], name: str) -> int | None:
    if name not in settings:
        return None
    if not settings[name].isdigit():
        raise UsageError(f"{name}={settings[name]} is no number", USAGE)
    return int(settings[name])


def main(arguments: Sequence[str]) -> int:
    """Make a split and print where it lies, as shell commands."""
    try:
        settings = _settings(arguments)
        roots = ensure_split(
            settings["split"],
            root=settings.get("root"),
            cameras=_cameras(settings.get("cameras", "CAM_F0")),
            clips=settings.get("clips", "false").lower() == "true",
            scenes=_number(settings, "scenes"),
            workers=_number(settings, "workers"),
        )
    except ReWorldError as error:
        return report_error(error)
    print(f"export OPENSCENE_DATA_ROOT={roots.data_root}")
    print(f"export NUPLAN_MAPS_ROOT={roots.maps_root}")
    print(f"# train_test_split.data_split={roots.data_split}")
    return 0


if __name__ == "__main__":
    run_script(main, BY_NAME["synth"].kept)
