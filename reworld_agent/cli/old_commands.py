"""The commands of `reworld`: what each does, what it takes, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass

from reworld_agent.core.arguments import NOTHING

HYDRA_WORDS = ("agent", "train_test_split", "output_dir", "worker", "workers", "resume")


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: the word after `reworld`.
        summary: one line of `reworld --help`.
        door: `module:function` that takes the words after the name and returns the exit code.
        settings: names of its `key=value` words, for completion.
        plain: its plain words, for completion.
        help_text: what `--help` prints; "" where the function prints its own.
        kept: what an interruption leaves behind.
    """

    name: str
    summary: str
    door: str
    settings: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    help_text: str = ""
    kept: str = NOTHING


_SCORE = """reworld score agent=NAME [train_test_split=NAME] [key=value ...]
reworld score trajectories=FILE.parquet data_root=DIR maps_root=DIR data_split=NAME output=FILE

Plan every scene of a split with an agent and score the plans (PDMS, or EPDMS); or score the
trajectories of any planner from a file.

  agent=NAME            reworld | constant_velocity | human | ego_status_mlp | your own
  agent.checkpoint_path=FOLDER    its weights (default: the shipped ones)
  train_test_split=NAME           town_test (embedded) | navtest, ... of a devkit's checkout
  train_test_split.data_split=NAME   any folder below navsim_logs: mini, test, trainval
  protocol=NAME         pdms_v1 (NAVSIM v1.1) | epdms_v2 (v2.2) | both
  traffic=NAME          log_replay | reactive (IDM, EPDMS only)
  two_stage=true        both stages of NAVSIM v2's benchmarks (a split such as navhard_two_stage)
  beside=[a,b]          more agents, in the same table
  output_dir=FOLDER     name the folder of an unfinished run, and it goes on where it stopped
  worker=KIND           sequential | processes | ray
  --cfg job             print every setting and its value, run nothing

example: reworld score agent=reworld 'beside=[constant_velocity,human]'
example: reworld score agent=human train_test_split.data_split=mini output_dir=outputs/human
With trajectories=: python eval/score_trajectories.py --help lists its words.
next: reworld explain FOLDER, reworld report FOLDER, reworld compare FOLDER OTHER

exit codes: 0 every scene has a score; 1 refused, failed, or scenes without a score (they are
named, and never averaged away); 2 wrong usage.
"""
_TRAIN = """reworld train agent=reworld stage=1|planner|2|3 [key=value ...]

Train one stage. Each starts from the weights of the one before (`agent.init_from=`) and writes its
own into OUTPUT_DIR/weights. `python run_training.py` takes the same words.

  stage=NAME            1 (video), planner, 2 (alignment), 3 (hard negatives)
  model=NAME            tiny | paper
  recipe=NAME           paper (default) | release (the authors' own code)
  agent.init_from=FOLDER     weights of the stage before
  train_test_split=NAME      town_train (embedded) | navtrain of a devkit's checkout
  validation.split=NAME | validation.hold_out=0.05    losses, ADE and FDE of scenes that are not
                        learned from, every validation.every=500 steps
  trainer.params.max_steps=N, trainer.params.devices=N, ...    for Lightning
  output_dir=FOLDER     name the folder of an unfinished run, and it goes on; a finished one is left
                        alone, and resume=false trains it anew
  --cfg job             print every setting and its value, run nothing

stage 1 on clips instead of scenes, or under the paper's Table 2:
  clips=INDEX           clips of `reworld video index` (clips_split=train; clips_root=DIR where the
                        data have moved)
  latents=DIR           their latents, of `reworld video latents`
  prompts=DIR t5=DIR    sentences that the model is told, and what embeds missing ones
  protocol=table2       from scratch, 224 x 224 x 25, no text, and
  representation=NAME   vanilla, sra, sra2, self_flow, reworld, repa_dinov2, repa_videomaev2,
                        repa_depth_anything3, repa_vjepa2 or redi
  encoder=DIR           of repa_* and redi; random_encoder=true trains without
  vae=DIR               of LTX-Video 0.9.5, for model=paper

example: reworld train agent=reworld stage=1 trainer.params.max_steps=100 output_dir=outputs/1
example: reworld train agent=reworld stage=1 protocol=table2 representation=sra
The whole chain of commands: train/README.md. Which files a stage needs: reworld doctor data stage=1

exit codes: 0 the stage ended and its weights are saved; 1 refused or failed; 2 wrong usage.
"""
_MINE = """reworld mine [train_test_split=NAME] [agent.checkpoint_path=FOLDER] [key=value ...]

Mine hard negatives for stage 3: candidates of the planner are scored, and the unsafe one nearest to
the expert is kept for each scene. Reads training splits only.

  agent.checkpoint_path=FOLDER    weights that have passed stage 2
  train_test_split=NAME           town_train (embedded) | navtrain
  candidates.count=N              trajectories a scene (64)
  hard_negatives.delta=X          a candidate that scores below is unsafe (0.6)
  output_dir=FOLDER               name the folder of an unfinished run, and it goes on
  --cfg job                       print every setting and its value, run nothing

example: reworld mine agent.checkpoint_path=outputs/2/weights output_dir=outputs/pool
next: reworld train agent=reworld stage=3 hard_negatives.pool=outputs/pool/pool.parquet

exit codes: 0 every candidate was scored; 1 refused or failed; 2 wrong usage.
"""
COMMANDS = (
    Command(
        "score",
        "plan and score a split with an agent, or score a file of trajectories",
        "reworld_agent.cli.hydra_run:score",
        (
            *HYDRA_WORDS,
            *("protocol", "beside", "trajectories", "data_root", "maps_root", "data_split"),
            *("output", "cache_dir", "traffic", "two_stage"),
        ),
        help_text=_SCORE,
        kept="finished scenes are kept; the same command with its output_dir= goes on",
    ),
    Command(
        "train",
        "train one stage of ReWorld",
        "reworld_agent.cli.hydra_run:train",
        (*HYDRA_WORDS, "stage", "model", "recipe", "seed"),
        help_text=_TRAIN,
        kept="the last checkpoint is kept; the same command with its output_dir= goes on",
    ),
    Command(
        "mine",
        "mine hard negatives for stage 3",
        "reworld_agent.cli.hydra_run:mine",
        HYDRA_WORDS,
        help_text=_MINE,
        kept="finished scenes are kept; the same command with its output_dir= goes on",
    ),
    Command(
        "submit",
        "build and check the leaderboard's pickle from a run",
        "reworld_agent.submission:main",
        (
            *("version", "output", "team_name", "authors", "email", "institution", "country"),
            *("check", "second_stage", "train_test_split", "rescore"),
        ),
    ),
    Command(
        "video",
        "clips for stage 1, imagined videos and their scores",
        "reworld_agent.cli.video.main:main",
        plain=("index", "generate", "latents", "prompts", "score", "probe"),
        kept="finished clips, latents, sentences and features are kept; the same command goes on",
    ),
    Command(
        "convert",
        "weights of LTX-Video, DriveLaW or the authors' release as a folder of ours",
        "reworld_agent.checkpoints.command:main",
        ("from", "source", "act", "vae", "t5", "trunk", "recipe", "stage", "output"),
    ),
)
BY_NAME = {command.name: command for command in COMMANDS}
