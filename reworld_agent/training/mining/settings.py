"""`MiningRun`: what `reworld mine` takes, checked before data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from reworld_agent.config import RECIPES, field_names, load_model_config
from reworld_agent.core.configs import plain
from reworld_agent.core.sections import from_mapping, section
from reworld_agent.core.settings import MOST_WORKERS, Settings, setting
from reworld_agent.negatives.settings import CandidateSettings, NegativeSettings
from reworld_agent.scenes.roots import refuse_held_out
from reworld_agent.scenes.split_settings import SplitSettings
from reworld_agent.training.choices import read_model

# Of the agent's configuration: nothing that is chosen here.
_HOSTS_WORDS = (
    *("_target_", "_convert_", "stage", "method", "stage_applied", "purpose", "init_from"),
    *("overrides", "hard_negatives", "split"),
)


@dataclass(frozen=True, kw_only=True)
class PlannerChoice(Settings, prefix="agent"):
    """The planner whose candidates are mined."""

    checkpoint_path: Path | None = setting(
        "weights that have passed stage 2: a folder or .ckpt; null = the shipped ones",
        None,
        exists="any",
    )
    device: str | None = setting("cpu or cuda; null = cuda where there is one", None)
    dtype: Literal["float32", "bfloat16"] = setting("of the planner", "float32")
    model_overrides: Mapping[str, Any] = setting(
        "fields of the model to change", None, read=read_model, keys=field_names
    )


@dataclass(frozen=True, kw_only=True)
class MiningRun(Settings):
    """Candidates of a training split, scored, as a pool.

    Raises:
        UsageError: settings that cannot be; a split that is held out for testing.
    """

    train_test_split: SplitSettings = section(SplitSettings)
    output_dir: Path = setting(
        "folder of the run; an unfinished run in it goes on",
        writes="folder",
        makes=("pool.parquet", "batches"),
    )
    experiment_name: str = setting("of the default output_dir", "hard_negatives")
    recipe: str = setting("paper, or release: the authors' own code", "paper", choices=RECIPES)
    model: str = setting("tiny, small, paper, or a file of your own: FILE.yaml", "tiny")
    agent: PlannerChoice = section(PlannerChoice)
    candidates: CandidateSettings = section(CandidateSettings)
    hard_negatives: NegativeSettings = section(NegativeSettings)
    worker: Literal["sequential", "processes", "ray"] = setting("who scores", "processes")
    workers: int | None = setting(
        "processes; null = one for each core; the pool is the same",
        None,
        least=1,
        cap=MOST_WORKERS,
    )
    batch_size: int = setting("scenes of one job, kept as soon as it is done", 16, least=1)
    cache_path: Path | None = setting("decoded frames; null = ~/.cache/reworld/training", None)
    cache_dir: Path | None = setting("scene caches; null = ~/.cache/reworld/scene_caches", None)
    resume: bool = setting("go on with an unfinished run in the same output_dir", True)

    @classmethod
    def from_config(cls, cfg: DictConfig, choices: Mapping[str, str] | None = None) -> MiningRun:
        """From the configuration of `reworld mine`; see the class for what it raises.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups: the data of navtest lie in
                a split `test`.
        """
        refuse_held_out((choices or {}).get("train_test_split", ""))
        values = plain(cfg)
        agent = dict(values["agent"])
        for name in ("recipe", "model"):  # `agent.model=` is another name of `model=`
            values[name] = agent.pop(name)
        values["agent"] = {key: agent[key] for key in agent if key not in _HOSTS_WORDS}
        return from_mapping(cls, values, strangers=True)

    def check(self) -> None:
        """See the class."""
        load_model_config(self.model, self.recipe, self.agent.model_overrides)
        refuse_held_out(self.train_test_split.data_split)
