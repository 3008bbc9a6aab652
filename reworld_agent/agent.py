"""`ReWorldAgent`: camera history → imagined world → 4 s plan. What NAVSIM sees.

One class serves the stock devkit (v1.1, v2.2) and the built-in host: every name of NAVSIM comes
from :mod:`reworld_agent.compat`. Planning never raises and never returns NaN for a single scene:
such a scene is planned at constant velocity, marked in `fallback_reasons`, and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent import features as feature_functions
from reworld_agent.compat import (
    AbstractAgent,
    AbstractFeatureBuilder,
    AbstractTargetBuilder,
    AgentInput,
    Scene,
    SensorConfig,
    Trajectory,
    TrajectorySampling,
    init_agent,
    make_trajectory,
)
from reworld_agent.config import FRONT, ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.core.sections import from_mapping
from reworld_agent.model import ReWorldModel, load_checkpoint
from reworld_agent.negatives.settings import NegativeSettings
from reworld_agent.negatives.targets import NegativeTargets
from reworld_agent.training.choices import read_model
from reworld_agent.training.loop.optim import build_optimizers
from reworld_agent.training.losses import name_tensor, require_finite, stage_loss
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.reinforcement.learner import PolicyLearner
from reworld_agent.training.reinforcement.rewards import (
    PlanReward,
    held_out_reward,
    split_caches,
)
from reworld_agent.training.stages import TrainingStage, check_scene_rate, load_stage

logger = logging.getLogger(__name__)


class ReWorldFeatureBuilder(AbstractFeatureBuilder):
    """`AgentInput` → images [4, 3, V h, w], ego state [8]; see `reworld_agent.features`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def get_unique_name(self) -> str:
        """Cache name; another image size, or other cameras, are another cache."""
        return f"reworld_features_{_images_name(self.config)}"

    def compute_features(self, agent_input: AgentInput) -> dict[str, Tensor]:
        """Features of one scene; raises DataError where a camera was not loaded."""
        return feature_functions.build_features(agent_input, self.config)


class ReWorldTargetBuilder(AbstractTargetBuilder):
    """`Scene` → expert trajectory [8, 3] and what else the stage learns from.

    Args:
        config: the model.
        future_images: also the images after the current frame (Stage 1).
        negatives: also the hard negative (Stage 3).
        named: also the scene's token (Stage 4), as numbers, see `training.losses.name_tensor`.
    """

    def __init__(
        self,
        config: ModelConfig,
        future_images: bool,
        negatives: NegativeTargets | None = None,
        named: bool = False,
    ) -> None:
        super().__init__()
        self.config = config
        self.future_images = future_images
        self.negatives = negatives
        self.named = named

    def get_unique_name(self) -> str:
        """Cache name; other kinds of targets, and other pools, are other caches."""
        name = f"reworld_targets_{self.config.name}"
        if self.future_images:
            name = f"reworld_targets_{_images_name(self.config)}_video"
        name += "_named" if self.named else ""
        return name if self.negatives is None else f"{name}_negatives_{self.negatives.identity}"

    def compute_targets(self, scene: Scene) -> dict[str, Tensor]:
        """Targets of one scene; raises DataError naming what is missing."""
        targets = feature_functions.build_targets(scene, self.config, self.future_images)
        token = str(scene.scene_metadata.initial_token)
        if self.named:
            targets["token"] = name_tensor(token)
        if self.negatives is not None:
            targets |= self.negatives.targets(token, targets["trajectory"].numpy())
        return targets


class ReWorldAgent(AbstractAgent):
    """World action model as a NAVSIM agent.

    Args:
        model: name of the model configuration, `tiny`, `small` or `paper`.
        recipe: `paper` or `release` (how the authors' own code differs).
        stage: training stage, `1`, `planner`, `2`, `3` or `4`; of no effect on planning.
        method: of Stage 4, see `training.policy_settings`.
        stage_applied: set by the Hydra callback; training refuses to start where it differs.
        purpose: `plan` or `train`, set by the callback.
        checkpoint_path: folder of `save_pretrained` or a Lightning `.ckpt`; None takes the
            weights shipped for `model`.
        init_from: weights that a training stage starts from, same forms.
        device: torch device; None takes CUDA where there is one.
        dtype: `float32` or `bfloat16`, of planning.
        overrides: settings of the training stage to change.
        model_overrides: fields of the model to change, as nested tables: `{"planner": {"steps":
            10}}`; weights load as long as their tensors fit.
        hard_negatives: of Stage 3: `pool` (a file or None), `delta`, `space`.
        split: the training split, which a pool must be of; None = unknown.
    """

    requires_scene = False

    def __init__(
        self,
        model: str = "tiny",
        recipe: str = "paper",
        stage: str | int = 1,
        stage_applied: str | None = None,
        purpose: str = "plan",
        checkpoint_path: str | None = None,
        init_from: str | None = None,
        device: str | None = None,
        dtype: str = "float32",
        overrides: Mapping[str, Any] | None = None,
        hard_negatives: Mapping[str, Any] | None = None,
        split: str | None = None,
        model_overrides: Mapping[str, Any] | None = None,
        method: str | None = None,
    ) -> None:
        changes = read_model(model_overrides)
        self.config = load_model_config(model, recipe, changes)
        check_scene_rate(self.config)
        planner = self.config.planner
        self.sampling = TrajectorySampling(
            num_poses=planner.horizon, interval_length=planner.interval
        )
        init_agent(self, self.sampling)
        chosen = stage, recipe, model
        self.stage: TrainingStage = load_stage(*chosen, overrides or {}, changes, method)
        self.policy: PolicyLearner | None = None
        self.stage_applied = stage_applied
        self.checkpoint_path = checkpoint_path
        self.init_from = init_from
        self.hard_negatives = from_mapping(NegativeSettings, hard_negatives or {})
        self.split = split
        self.plan_device = _device(device)
        self.plan_dtype = _dtype(dtype)
        self.fallback_reasons: list[str | None] = []
        self.fallback_count = 0
        self.loss_terms: dict[str, Tensor] = {}
        self.model = ReWorldModel(self.config) if purpose == "train" else None
        self._training_prepared = False

    def name(self) -> str:
        """`ReWorldAgent`."""
        return type(self).__name__

    @property
    def gate(self) -> str | None:
        """The verdict of `reworld video gate` on its weights; None before they are loaded."""
        return None if self.model is None else self.model.gate

    def get_sensor_config(self) -> SensorConfig:
        """The model's cameras in the history; where a video stage is trained, the future too."""
        future = self.model is not None and self.stage.needs_future_images
        return SensorConfig(**feature_functions.sensor_wishes(self.config, future))

    def initialize(self) -> None:
        """Load the weights for planning; raises WeightsError naming the folder and the fix."""
        self.model = load_checkpoint(self.checkpoint_path, self.config)
        self.model.to(device=self.plan_device, dtype=self.plan_dtype).eval()

    # --- planning -------------------------------------------------------------------------------

    def get_feature_builders(self) -> list[AbstractFeatureBuilder]:
        """One builder: images and ego state."""
        return [ReWorldFeatureBuilder(self.config)]

    def get_target_builders(self) -> list[AbstractTargetBuilder]:
        """One builder: expert trajectory, future images of a video stage, negatives, tokens.

        Raises:
            DataError: the pool of negatives is damaged or of another split.
        """
        stage = self.stage
        negatives = None
        if stage.needs_negatives:
            selection = self.hard_negatives.under(stage.recipe)
            negatives = NegativeTargets.open(selection, self.split)
        named = stage.policy is not None
        return [ReWorldTargetBuilder(self.config, stage.needs_future_images, negatives, named)]

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Batched features → {"trajectory": [B, 8, 3]}; in training, nothing."""
        if self.training:
            return {}
        return {"trajectory": self._loaded_model().plan(features)}

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        """Plan one scene; constant velocity where the model cannot."""
        return self.compute_trajectories([agent_input])[0]

    def compute_trajectories(self, agent_inputs: Sequence[AgentInput]) -> list[Trajectory]:
        """Plan a batch. `fallback_reasons` holds None or, for a scene that fell back, why."""
        model = self._loaded_model()
        self.eval()
        self.fallback_reasons = [None] * len(agent_inputs)
        features: dict[int, dict[str, Tensor]] = {}
        for index, agent_input in enumerate(agent_inputs):
            try:
                features[index] = feature_functions.build_features(agent_input, self.config)
            except Exception as error:
                self._mark(index, error)
        poses = self._plan_batch(model, features)
        return [
            make_trajectory(
                poses.get(i, constant_velocity(agent_input, self.sampling)), self.sampling
            )
            for i, agent_input in enumerate(agent_inputs)
        ]

    def _plan_batch(
        self, model: ReWorldModel, features: dict[int, dict[str, Tensor]]
    ) -> dict[int, NDArray[np.float32]]:
        """Finite poses [8, 3] by index; a batch that fails is planned again scene by scene."""
        if not features:
            return {}
        try:
            batch = torch.utils.data.default_collate(list(features.values()))
            with torch.no_grad():
                planned = model.plan(batch).float().cpu().numpy()
        except Exception as error:
            if len(features) > 1:
                merged: dict[int, NDArray[np.float32]] = {}
                for index, single in features.items():
                    merged |= self._plan_batch(model, {index: single})
                return merged
            self._mark(next(iter(features)), error)
            return {}
        finite = {}
        for index, poses in zip(features, planned, strict=True):
            if np.isfinite(poses).all():
                finite[index] = poses
            else:
                self._mark(index, ValueError("the plan is not finite"))
        return finite

    def _mark(self, index: int, error: Exception) -> None:
        self.fallback_reasons[index] = f"{type(error).__name__}: {error}"
        self.fallback_count += 1
        logger.warning(
            "scene planned at constant velocity (%d so far): %s", self.fallback_count, error
        )

    def _loaded_model(self) -> ReWorldModel:
        if self.model is None:
            raise ReWorldError("the agent has no weights yet", "call initialize() before planning")
        return self.model

    # --- training -------------------------------------------------------------------------------

    def compute_loss(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        predictions: dict[str, Tensor],
    ) -> Tensor:
        """Loss of the stage on one batch; raises DataError where it is not finite.

        The terms of the last batch are in `loss_terms`: the devkit's trainer logs the sum alone.
        """
        model = self._loaded_model()
        stage = self.stage if self.training or self.policy is None else self.stage.watched()
        loss, self.loss_terms = stage_loss(
            model, stage, features, targets, policy=self.policy if self.training else None
        )
        require_finite(loss, "in a batch of the devkit's loader, which names no scenes")
        return loss

    def get_optimizers(self) -> Any:
        """Optimiser and schedule of the stage over its trainable parameters."""
        self._prepare_training()
        return build_optimizers(self._loaded_model(), self.stage)

    def get_training_callbacks(self) -> list[Any]:
        """Export of the weights folder when training ends, and the logs of every term."""
        # Lightning takes a second to import, and whoever only plans need not have it installed
        from reworld_agent.training.loop.callbacks import ExportWeights, LogTerms  # noqa: PLC0415
        from reworld_agent.training.loop.ema import averages  # noqa: PLC0415

        self._prepare_training()
        model, stage = self._loaded_model(), self.stage
        callbacks = [ExportWeights(model, stage), *averages(model, stage), LogTerms(self)]
        if self.policy is not None:
            callbacks += self._policy_watch(model, self.policy)
        return callbacks

    def _prepare_training(self) -> None:
        """Once: refuse an unmerged stage, load the predecessor, freeze what the stage freezes."""
        if self._training_prepared:
            return
        if self.model is None or self.stage_applied != self.stage.name:
            raise ConfigError(
                f"stage {self.stage.name} was set but its settings were not applied "
                f"(applied: {self.stage_applied})",
                "start run_training.py with agent=reworld stage=...; compose() and --multirun "
                "skip the stage callback",
            )
        prepare_stage(self.model, self.stage, self.init_from)
        if self.stage.policy is not None:
            self.policy = self._policy_learner(self.model)
        self._training_prepared = True

    def _policy_learner(self, model: ReWorldModel) -> PolicyLearner:
        """What Stage 4 learns by, with the scenes of the training split."""
        policy, reward = self.stage.policy, None
        assert policy is not None
        if policy.draws:
            reward = PlanReward(policy, split_caches(self._known_split()))
        return PolicyLearner(self.stage, reward, model)

    def _policy_watch(self, model: ReWorldModel, policy: PolicyLearner) -> list[Any]:
        """What looks at the plans of validation, whose scenes are of the same split in the devkit.

        Raises:
            ConfigError: see `_known_split`.
        """
        # callbacks are Lightning's, see get_training_callbacks
        from reworld_agent.training.reinforcement.watch import (  # noqa: PLC0415
            FollowPolicy,
            RewardWatch,
        )

        reward = held_out_reward(policy.policy, split_caches(self._known_split()))
        return [FollowPolicy(policy), RewardWatch(model, reward)]

    def _known_split(self) -> str:
        """The split of the scenes; ConfigError where the host does not say it."""
        if self.split is None:
            message = f"stage {self.stage.name} scores plans, and the split is not known"
            raise ConfigError(message, "name it: agent.split=the data split of train_test_split=")
        return self.split


def _images_name(config: ModelConfig) -> str:
    """Tells apart what models see."""
    others = () if config.cameras == FRONT else config.cameras
    return "_".join((config.name, *others))


def constant_velocity(agent_input: AgentInput, sampling: TrajectorySampling) -> NDArray[np.float32]:
    """Poses [L, 3] straight ahead at the present speed; standing still where that is not finite."""
    velocity = np.asarray(agent_input.ego_statuses[-1].ego_velocity, dtype=np.float64)
    speed = float(np.hypot(velocity[0], velocity[1]))
    steps = np.arange(1, (sampling.num_poses or 0) + 1)
    poses = np.zeros((len(steps), 3), dtype=np.float32)
    if np.isfinite(speed):
        poses[:, 0] = speed * (sampling.interval_length or 0.0) * steps
    return poses


def _device(name: str | None) -> torch.device:
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"agent.device={wanted}, but no CUDA device is here", "use agent.device=cpu"
        )
    return torch.device(wanted)


def _dtype(name: str) -> torch.dtype:
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name not in known:
        raise ConfigError(f"agent.dtype={name} is unknown", "use agent.dtype=" + " | ".join(known))
    return known[name]
