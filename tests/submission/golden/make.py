"""How v11.pkl and v22.pkl were made: the stock devkit's own scripts on the embedded town.

Needs the devkit (v1.1 or v2.2, on PYTHONPATH) and the town: `reworld synth data_split=town_test`,
two variables exported. First `python make.py FOLDER` under v2.2 writes two synthetic scenes; then

  run_create_submission_pickle.py agent=constant_velocity_agent train_test_split=mini \
      train_test_split.data_split=town_test train_test_split.scene_filter.max_scenes=3 \
      team_name=Team 'authors=A. One, B. Two' email=one@lab.org institution=Lab country=Iceland

under v1.1 gives v11.pkl; under v2.2, with

      train_test_split.scene_filter.num_future_frames=8 synthetic_sensor_path=FOLDER \
      synthetic_scenes_path=FOLDER ++train_test_split.scene_filter.include_synthetic_scenes=true \
      '++train_test_split.scene_filter.reactive_synthetic_initial_tokens=[the printed ones]'

v22.pkl. numpy 2 wrote both.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path


def main(folder: Path) -> None:
    """Write two scenes as v2.2's second stage holds them, and print their tokens."""
    from navsim.common.dataclasses import Scene, SceneFilter
    from navsim.common.dataloader import SceneLoader

    logs = Path(os.environ["OPENSCENE_DATA_ROOT"]) / "navsim_logs" / "town_test"
    loader = SceneLoader(logs, folder, SceneFilter(num_future_frames=8, max_scenes=2))
    for token in loader.tokens_stage_one:
        scene = loader.get_scene_from_token(token)
        metadata = replace(
            scene.scene_metadata,
            scene_token=token + "f",
            initial_token=token + "f",
            num_future_frames=0,
            corresponding_original_scene=loader.scene_frames_dicts[token][-1]["token"],
            corresponding_original_initial_token=token,
        )
        frames = scene.frames[:4]
        frames[-1].ego_status.ego_velocity[:] *= 1.25
        Scene(metadata, scene.map_api, frames, [], []).save_to_disk(folder)
        print(token + "f")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
