"""Several cameras: configuration, sensors, images, latents and tokens of their views."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from reworld_agent.agent import ReWorldAgent, ReWorldFeatureBuilder
from reworld_agent.config import CAMERA_SETS, ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError, SceneError, UsageError, WeightsError
from reworld_agent.features import build_features, build_targets
from reworld_agent.generation.futures import Sampling, generate
from reworld_agent.generation.samples import Sample, View
from reworld_agent.model import ReWorldModel
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.training.datasets.curriculum import fit_clip
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.stages import load_stage, on_clips
from reworld_agent.video.conditioning import Grid, pack, unpack
from reworld_agent.video.encoding import decode_future, encode_clip, encode_history
from reworld_agent.video.views import apart, stacked
from tests.model.micro import batch, micro_config, micro_model
from tests.model.test_features import scene, status

THREE = CAMERA_SETS["three"]


def of_three(**video: object) -> ModelConfig:
    """The micro configuration with three cameras."""
    values = micro_config().to_dict()
    return ModelConfig.from_dict({**values, "cameras": "three", "video": values["video"] | video})


def model_of_three(seed: int = 0) -> ReWorldModel:
    """A random model of three cameras, whose codec keeps the scale of pixels."""
    torch.manual_seed(seed)
    model = ReWorldModel(of_three())
    one = micro_model()
    model.codec.load_state_dict(one.codec.state_dict())
    model.normaliser.load_state_dict(one.normaliser.state_dict())
    for name, parameter in model.named_parameters():
        if name.endswith(("view_embed.table.weight", "proj_out.weight")):
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def test_names_of_several_cameras() -> None:
    assert of_three().cameras == THREE == ("cam_f0", "cam_l0", "cam_r0")
    assert ModelConfig.from_dict({**micro_config().to_dict(), "cameras": ["surround"]}).cameras == (
        CAMERA_NAMES
    )
    config = of_three()
    assert (config.clip.views, config.world_clip.views, config.video.views) == (3, 1, 3)
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert micro_config().cameras == ("cam_f0",) and micro_config().clip.views == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("front", r"cameras=front does not exist"),
        (["cam_f1"], r"cameras=cam_f1 does not exist\n.*did you mean"),
        (["three", "cam_l0"], "names one twice"),
        ([], r"cameras = \[\]"),
        (3, "cameras = 3"),
    ],
)
def test_cameras_that_do_not_exist_are_refused(given: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ModelConfig.from_dict({**micro_config().to_dict(), "cameras": given})


def test_the_number_of_views_is_that_of_the_cameras() -> None:
    values = of_three().to_dict()
    with pytest.raises(ConfigError, match=r"world_clip.views = 3"):
        ModelConfig.from_dict({**values, "world_clip": values["clip"]})
    with pytest.raises(ConfigError, match=r"clip.views = 3, but the model has 1 cameras"):
        ModelConfig.from_dict({**values, "cameras": ["cam_f0"]})


def test_the_agent_asks_the_host_for_its_cameras(tmp_path: Any) -> None:
    file = tmp_path / "wide.yaml"
    file.write_text("base: tiny\ncameras: three\n")
    planning = ReWorldAgent(model=str(file)).get_sensor_config()
    assert [name for name in CAMERA_NAMES if getattr(planning, name)] == sorted(THREE)
    assert planning.cam_l0 == [0, 1, 2, 3] and planning.lidar_pc is False
    training = ReWorldAgent(model=str(file), stage=1, purpose="train").get_sensor_config()
    assert training.cam_r0 == list(range(12))
    names = {ReWorldFeatureBuilder(c).get_unique_name() for c in (micro_config(), of_three())}
    assert len(names) == 2 and "reworld_features_micro" in names  # caches of their own


def views(levels: dict[str, int]) -> Any:
    """Cameras of one grey each."""
    images = {n: np.full((128, 224, 3), v, np.uint8) for n, v in levels.items()}
    return SimpleNamespace(**{n: SimpleNamespace(image=images.get(n)) for n in CAMERA_NAMES})


def test_images_of_views_stand_one_below_the_other() -> None:
    frame = views({"cam_f0": 10, "cam_l0": 20, "cam_r0": 30, "cam_b0": 40})
    given = SimpleNamespace(cameras=[frame] * 4, ego_statuses=[status()] * 4)
    images = build_features(given, of_three())["images"]
    assert images.shape == (4, 3, 96, 48)
    assert images[0, 0, ::32, 0].tolist() == [10, 20, 30]
    dark = views({"cam_f0": 10, "cam_l0": 20})
    with pytest.raises(SceneError, match=r"history frame 0 has no image of CAM_R0\n.*SensorConfig"):
        build_features(SimpleNamespace(cameras=[dark] * 4, ego_statuses=[status()] * 4), of_three())
    whole = scene()
    for later in whole.frames:
        later.cameras = frame
    future = build_targets(whole, of_three(), future_images=True)["future_images"]
    assert future.shape == (8, 3, 96, 48) and future[0, 0, ::32, 0].tolist() == [10, 20, 30]


def test_every_view_is_encoded_and_decoded_alone() -> None:
    model = micro_model()
    clip = dataclasses.replace(model.config.clip, views=3)
    one = model.config.clip
    features, targets = batch(6)
    frames = torch.cat([features["images"], targets["future_images"]], dim=1)
    joined = stacked(frames, 3)
    assert joined.shape == (2, 12, 3, 96, 48) and torch.equal(apart(joined, 3), frames)
    alone = encode_clip(model.codec, one, frames[:, :4], frames[:, 4:])
    found = encode_clip(model.codec, clip, joined[:, :4], joined[:, 4:])
    assert torch.equal(apart(found, 3), alone)
    assert torch.equal(
        encode_history(model.codec, clip, joined[:, :4]), found[:, :, : model.grid.history]
    )
    later = decode_future(model.codec, clip, found)
    assert torch.equal(apart(later, 3), decode_future(model.codec, one, alone))


def test_tokens_know_their_view() -> None:
    grid = Grid(1, 1, 2, 3, views=2)
    assert (grid.rows, grid.cells, grid.tokens) == (4, 12, 24)
    assert grid.token_views().tolist() == ([0] * 6 + [1] * 6) * 2
    assert grid.future_mask().tolist() == [False] * 12 + [True] * 12
    latents = torch.randn(2, 5, 2, 4, 3)
    assert torch.equal(unpack(pack(latents), grid), latents)
    layout = model_of_three().layout()
    columns = layout.coords.unflatten(2, (layout.grid.frames, 3, -1))
    assert torch.equal(columns[:, :, :, 0], columns[:, :, :, 2])  # positions are alike


def test_the_embedding_alone_tells_views_apart_and_starts_at_zero() -> None:
    torch.manual_seed(0)
    fresh = ReWorldModel(of_three()).eval()
    assert fresh.video_dit.view_embed.table.weight.abs().max() == 0
    features, _ = batch(3)
    images = stacked(features["images"].repeat(2, 1, 1, 1, 1), 3)
    given = {"images": images, "ego": features["ego"][:2]}
    other = {
        **given,
        "images": stacked(apart(images, 3).unflatten(0, (2, 3)).flip(1).flatten(0, 1), 3),
    }
    history = [fresh.encode(g["images"]) for g in (given, other)]
    none = torch.zeros_like(fresh.future_noise(2))
    last = [fresh.video_states(h, none)[-1].unflatten(1, (6, 3, -1)) for h in history]
    torch.testing.assert_close(last[0], last[1].flip(2))  # a set of views, so far
    trained = model_of_three()
    last = [trained.video_states(h, none)[-1].unflatten(1, (6, 3, -1)) for h in history]
    assert (last[0] - last[1].flip(2)).abs().max() > 1e-3


def test_views_of_a_scene_reach_the_plan_and_do_not_leak_into_others() -> None:
    model = model_of_three()
    features, _ = batch(6)
    images = stacked(features["images"], 3)
    given = {"images": images, "ego": features["ego"][:2]}
    plans = model.plan(given)
    changed = images.clone()
    changed[0, :, :, 64:] = 255 - changed[0, :, :, 64:]  # the right camera of one scene
    found = model.plan({**given, "images": changed})
    assert torch.equal(found[1], plans[1]) and (found[0] - plans[0]).abs().max() > 1e-4


@pytest.mark.parametrize("backbone", ["ltx", "wan"])
def test_every_stage_has_a_loss_and_gradients(backbone: str) -> None:
    torch.manual_seed(0)
    model = ReWorldModel(of_three(backbone=backbone))
    model.codec.load_state_dict(micro_model().codec.state_dict())
    features, targets = batch(6)
    features = {"images": stacked(features["images"], 3), "ego": features["ego"][:2]}
    targets = {
        "trajectory": targets["trajectory"][:2],
        "future_images": stacked(targets["future_images"], 3),
        "hard_negative": targets["trajectory"][2:4],
        "hard_negative_valid": torch.ones(2, dtype=torch.bool),
    }
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.1)
    for name in ("1", "planner", "2", "3"):
        model.zero_grad()
        changes: dict[str, Any] = {"trainable": ["video_dit", "action_dit"], "cache_states": False}
        stage = load_stage(name, overrides={} if name == "1" else changes)
        loss, _ = stage_loss(model, stage, features, targets, torch.Generator().manual_seed(0))
        loss.backward()
        gradient = model.video_dit.view_embed.table.weight.grad
        assert gradient is not None and gradient.abs().sum(dim=1).min() > 0, name


def test_weights_of_one_camera_start_a_model_of_three(tmp_path: Any) -> None:
    one = micro_model().eval()
    torch.nn.init.normal_(one.action_dit.proj_out.weight, std=0.3)
    one.save_pretrained(tmp_path / "one")
    config = dataclasses.replace(of_three(), name="micro")
    found = ReWorldModel.from_pretrained(tmp_path / "one", config)
    assert found.config.cameras == THREE and found.history == one.history
    assert found.video_dit.view_embed.table.weight.abs().max() == 0
    assert torch.equal(found.action_dit.proj_out.weight, one.action_dit.proj_out.weight)
    features, _ = batch(2)
    thrice = {**features, "images": features["images"].repeat(1, 1, 1, 3, 1)}
    assert torch.isfinite(found.plan(thrice)).all()
    model_of_three().save_pretrained(tmp_path / "three")
    with pytest.raises(WeightsError, match="cameras: weights have"):
        ReWorldModel.from_pretrained(tmp_path / "three", micro_config())


def test_a_phase_of_the_curriculum_resizes_every_view() -> None:
    clip = dataclasses.replace(of_three().clip, height=16, width=24)
    features, targets = batch(3)
    past, ahead = (stacked(x, 3) for x in (features["images"], targets["future_images"]))
    found = fit_clip(past, ahead, clip)[0]
    one = dataclasses.replace(clip, views=1)
    assert found.shape == (1, 4, 3, 48, 24)
    assert torch.equal(
        apart(found, 3), fit_clip(features["images"], targets["future_images"], one)[0]
    )


def test_clips_show_one_camera() -> None:
    values = {**load_model_config("paper").to_dict(), "cameras": "three"}
    stage = on_clips(load_stage("1", model="paper"), ModelConfig.from_dict(values))
    assert [phase.clip["views"] for phase in stage.phases] == [1, 1]
    model = model_of_three()
    features, targets = batch(2)
    loss, _ = stage_loss(
        *(model, load_stage("1"), features, targets, torch.Generator().manual_seed(0)),
        clip=model.config.world_clip,
    )
    assert torch.isfinite(loss)


def test_all_views_are_imagined_and_one_is_shown() -> None:
    model = model_of_three()
    features, _ = batch(3)
    history = stacked(features["images"], 3)
    future = generate(model, history, model.config.clip, Sampling(steps=2, gamma=1.0)).numpy()
    assert future.shape == (1, 8, 3, 96, 48)
    left = View(1, 3).of(future[0])
    assert np.array_equal(left, future[0][:, :, 32:64])
    assert np.array_equal(View(None, 3).of(future[0]), future[0])
    sample = Sample("s", history[0].numpy(), None).of_view(View(2, 3))
    assert np.array_equal(sample.history, features["images"][2].numpy())
