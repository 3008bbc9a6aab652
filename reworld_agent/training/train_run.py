"""`TrainRun`: one training stage of ReWorld, with everything checked before data is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from omegaconf import DictConfig

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.configs import plain
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import from_mapping, section
from reworld_agent.core.setting_paths import require
from reworld_agent.core.settings import setting
from reworld_agent.core.text import shown
from reworld_agent.negatives.settings import NegativeSettings
from reworld_agent.objectives.baselines import encoder_of
from reworld_agent.scenes.roots import EMBEDDED_SPLITS, require_split
from reworld_agent.training.choices import (
    MODEL_OVERRIDES,
    OWN,
    PAPER,
    TABLE2,
    ClipChoice,
    PolicyChoice,
    RepresentationChoice,
    StageChoice,
)
from reworld_agent.training.fit_settings import FitSettings, LoraSettings
from reworld_agent.training.policy_settings import POST_TRAINING
from reworld_agent.training.settings import (
    AUTO_PRECISION,
    PLAIN,
    LightningSettings,
    TrainingSettings,
)
from reworld_agent.training.stages import (
    ALL_STAGES,
    RECIPES,
    TrainingStage,
    check_scene_phases,
    load_stage,
    on_clips,
)
from reworld_agent.training.table2_protocol import table2_stage
from reworld_agent.training.text_source import TextSource, text_source

# Of the agent's configuration, for the hosts: nothing that is chosen here.
_HOSTS_WORDS = (
    *("_target_", "_convert_", "stage_applied", "purpose", "hard_negatives", "split"),
    *("checkpoint_path", "device", "dtype"),  # of planning
)


_WIDE = 1024  # channels of a Video DiT that is trained under autocast to bfloat16


@dataclass(frozen=True, kw_only=True)
class TrainRun(TrainingSettings):
    """One stage of ReWorld.

    Raises:
        UsageError: settings that cannot be, or do not go together.
        ConfigError: the stage does not fit the model.
    """

    stage: str = setting(
        "1 (video), planner, 2 (alignment), 3 (hard negatives), 4 (reward)",
        "1",
        choices=ALL_STAGES,
    )
    recipe: str = setting("paper, or release: the authors' own code", "paper", choices=RECIPES)
    model: str = setting("tiny, small, paper, or a file of your own: FILE.yaml", "tiny")
    agent: StageChoice = section(StageChoice)
    hard_negatives: NegativeSettings = section(NegativeSettings)
    clips: ClipChoice = section(ClipChoice)
    method: RepresentationChoice = section(RepresentationChoice)
    policy: PolicyChoice = section(PolicyChoice)
    fit: FitSettings = section(FitSettings)
    lora: LoraSettings = section(LoraSettings)

    @classmethod
    def from_config(cls, cfg: DictConfig, choices: Mapping[str, str] | None = None) -> TrainRun:
        """From the configuration of `run_training.py`; see the class for what it raises.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups; of no use here.
        """
        values = plain(cfg)
        agent = dict(values["agent"])
        for name in (
            "stage",
            "recipe",
            "model",
            "method",
        ):  # `agent.stage=` is another name of `stage=`
            if name in agent:
                values[name] = agent.pop(name)
        values["agent"] = {key: agent[key] for key in agent if key not in _HOSTS_WORDS}
        return from_mapping(cls, values, strangers=True)

    @property
    def of_table2(self) -> bool:
        """Whether the run follows the protocol of Table 2."""
        return self.method.protocol == TABLE2

    @cached_property
    def _named_config(self) -> ModelConfig:
        return load_model_config(self.model, self.recipe, self.agent.model_overrides)

    @cached_property
    def text(self) -> TextSource:
        """Where the sentences of Stage 1 are from.

        Under the paper's recipe by default, and for a model that is told to have them.
        """
        chosen = "text" in self.agent.model_overrides.get("video", {})
        video = self._named_config.video
        wanted = video.text == "prompt" or (self.recipe == PAPER and not chosen)
        wanted &= self.stage == "1" and not self.of_table2
        found = text_source(self.clips, video.caption_channels, automatic=wanted)
        if wanted and video.text == "prompt" and found.prompts is None:
            hint = (
                "name one with t5=DIR, or its embeddings with prompts=DIR; or set video.text=none"
            )
            message = (
                f"video.text=prompt, and no T5 of {video.caption_channels} channels is at hand"
            )
            raise UsageError(message, hint)
        return found

    @cached_property
    def config(self) -> ModelConfig:
        """The model; conditioned on sentences where there are some."""
        config = self._named_config
        if self.text.prompts is None:
            return config
        return dataclasses.replace(config, video=dataclasses.replace(config.video, text="prompt"))

    @property
    def lightning(self) -> LightningSettings:
        """The trainer's settings with the precision that `auto` means for this model."""
        if self.trainer.precision != AUTO_PRECISION:
            return self.trainer
        wide = self.config.video.width >= _WIDE
        return self.trainer.replaced(precision="bf16-mixed" if wide else PLAIN)

    @cached_property
    def training_stage(self) -> TrainingStage:
        """The stage with its overrides, its steps as the trainer's `max_steps` has them."""
        overrides = self.agent.overrides
        if self.of_table2:
            stage = table2_stage(self.model, overrides)
        else:
            changes = self.agent.model_overrides
            chosen = self.stage, self.recipe, self.model
            stage = load_stage(*chosen, overrides, changes, self.policy.name)
        steps = self.trainer.steps
        stage = stage if steps is None else dataclasses.replace(stage, steps=steps)
        on_index = self.clips.index is not None and not self.of_table2
        return on_clips(stage, self.config) if on_index else stage

    def check(self) -> None:
        """See the class."""
        if self.stage != "1":
            self._check_is_of_stage_1()
        if self.stage != POST_TRAINING and self.policy.name is not None:
            message = f"method={self.policy.name} with stage={self.stage}"
            raise UsageError(message, f"it is for stage={POST_TRAINING}")
        if self.of_table2:
            self._check_table2()
        else:
            self._check_paper()
        self._check_start()
        self._check_data()
        self._check_strategy()
        self._check_pool()

    def _check_pool(self) -> None:
        pool = self.hard_negatives.pool
        if self.of_table2 or not self.training_stage.needs_negatives:
            return
        if pool is None:
            hint = (
                "make it: reworld mine agent.checkpoint_path=WEIGHTS output_dir=DIR, then add "
                "hard_negatives.pool=DIR/pool.parquet"
            )
            raise UsageError(f"stage {self.stage} needs a pool of hard negatives", hint)
        if not pool.exists():
            raise UsageError(
                f"hard_negatives.pool={pool}: no such file or folder", "make it: reworld mine"
            )

    def _check_start(self) -> None:
        start, stage = self.agent.init_from, self.training_stage
        if start is not None and not start.exists():
            message = f"stage {stage.name} starts from the weights of stage {stage.needed}"
            raise UsageError(f"{message}: no weights at {shown(start)}", stage.where_to_start())

    def _check_data(self) -> None:
        split = self.validation.split
        if self.clips.index is not None or self.of_table2:
            self.validation.check_clips()
        else:
            check_scene_phases(self.training_stage, self.config)
        if split is not None and self.clips.index is None:
            if self.of_table2 and split not in (*EMBEDDED_SPLITS, "val"):
                hint = "it trains on the embedded town: use validation.split=town_val"
                raise UsageError(f"validation.split={split} with protocol={TABLE2}", hint)
            if not self.of_table2:
                require_split(split)

    def _check_is_of_stage_1(self) -> None:
        clips, method = self.clips, self.method
        given = [*method.given, *(n for n in ("latents", "prompts", "t5") if getattr(clips, n))]
        given += [] if method.protocol == PAPER else [f"protocol={method.protocol}"]
        given += [] if method.representation == OWN else [f"representation={method.representation}"]
        if given:
            named = given[0] if "=" in given[0] else f"{given[0]}="
            hint = f"{named.partition('=')[0]}= is for stage=1, which trains the video half"
            raise UsageError(f"{named} with stage={self.stage}", hint)
        if clips.index is not None:
            raise UsageError(f"stage {self.stage} cannot learn from clips", "clips= is for stage=1")

    def _check_paper(self) -> None:
        clips, method = self.clips, self.method
        if method.representation != OWN:
            message = f"representation={method.representation} with protocol={PAPER}"
            raise UsageError(message, f"the baselines are trained alike: add protocol={TABLE2}")
        if method.given:
            name = method.given[0]
            raise UsageError(f"{name}= with protocol={PAPER}", f"{name}= is for protocol={TABLE2}")
        if clips.latents and clips.index is None:
            hint = "latents are those of an index: add clips=INDEX.parquet"
            raise UsageError("latents= without clips=", hint)

    def _check_table2(self) -> None:
        method = self.method
        for name in ("latents", "prompts", "t5"):
            if getattr(self.clips, name):
                reason = "encoders see the frames" if name == "latents" else "it has no text"
                hint = f"leave {name}= out: {reason}"
                raise UsageError(f"{name}= with protocol={TABLE2}", hint)
        if self.agent.model_overrides:
            message = f"{MODEL_OVERRIDES}= with protocol={TABLE2}"
            raise UsageError(message, f"the protocol sets all sizes: leave {MODEL_OVERRIDES}= out")
        if self.recipe != PAPER:
            message = f"recipe={self.recipe} with protocol={TABLE2}"
            raise UsageError(message, "the protocol sets all numbers: leave recipe= out")
        if self.agent.init_from:
            message = f"agent.init_from= with protocol={TABLE2}"
            raise UsageError(message, "it trains from scratch; the LTX VAE is named by vae=DIR")
        if self.model != "tiny" and self.clips.index is None:
            hint = "give clips=INDEX.parquet (reworld video index frames=25 ...)"
            raise UsageError(f"model={self.model} is no model for the embedded town", hint)
        reads = encoder_of(method.representation)
        if reads and not method.encoder and not method.random_encoder:
            raise UsageError(
                f"representation={method.representation} needs the weights of {reads}",
                "name their folder (config.json, model.safetensors) with encoder=DIR; "
                "random_encoder=true shows the cost, and says nothing about the method",
            )
        if not reads and (method.encoder or method.random_encoder):
            name = "encoder" if method.encoder else "random_encoder"
            message = f"{name}= with representation={method.representation}"
            raise UsageError(message, f"it has no frozen encoder: leave {name}= out")
        for name, folder in (("encoder", method.encoder), ("vae", method.vae)):
            if folder is not None:
                require(name, folder, "folder")

    def _check_strategy(self) -> None:
        sharded, named = self.trainer.sharded, f"strategy={self.trainer.strategy}"
        if sharded and self.of_table2:
            raise UsageError(f"{named} with protocol={TABLE2}", "use strategy=ddp")
        if sharded and self.fit.optimizer != "adamw":
            hint = "use optimizer=adamw: each process has but its share of the moments"
            raise UsageError(f"optimizer={self.fit.optimizer} with {named}", hint)
        if self.of_table2 and (self.fit != FitSettings() or self.lora.rank is not None):
            hint = "they are for protocol=paper: leave them out"
            raise UsageError(f"settings of memory or LoRA with protocol={TABLE2}", hint)
        self.fit.check_blocks(self.config.video.num_layers)
        if self.trainer.precision == "bf16-true" and self.training_stage.ema_decay:
            decay = f"ema_decay={self.training_stage.ema_decay:g}"
            hint = "use bf16-mixed, or +agent.overrides.ema_decay=null"
            raise UsageError(f"{decay} of weights in bfloat16, which it would not move", hint)
