"""Weights folders carry hashes: a changed file is named before it is used."""

from __future__ import annotations

import json
import logging
import random
import shutil
from pathlib import Path

import pytest
import torch

from reworld_agent.baselines.ego_status_mlp import SHIPPED, SHIPPED_WEIGHTS, EgoStatusMLPAgent
from reworld_agent.core.errors import ConfigError, ReWorldError, WeightsError
from reworld_agent.core.records.checksums import CHECKSUMS, verify_checksums
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from tests.core.records.mutations import of_bytes, of_values
from tests.model.micro import micro_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a few thousand parameters."""
    folder = tmp_path_factory.mktemp("saved") / "weights"
    micro_model().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "weights"))


def test_a_changed_body_is_refused_naming_the_file(folder: Path) -> None:
    draw = random.Random(0)
    files = sorted(folder.rglob("*.safetensors"))
    for number in range(40):
        file = files[number % len(files)]
        whole = file.read_bytes()
        place = draw.randrange(len(whole))
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(WeightsError, match="is not as it was saved") as caught:
            ReWorldModel.from_pretrained(folder)
        assert str(file) in caught.value.message
        file.write_bytes(whole)
    assert ReWorldModel.from_pretrained(folder).history == ["statistics"]


def test_files_that_went_or_came_are_named(folder: Path) -> None:
    shutil.copy(folder / "normalisation.safetensors", folder / "prompt.safetensors")
    with pytest.raises(WeightsError, match=r"prompt\.safetensors was not there"):
        ReWorldModel.from_pretrained(folder)
    (folder / "prompt.safetensors").unlink()
    (folder / "notes.json").write_text("{}")  # nothing that loading reads
    ReWorldModel.from_pretrained(folder)
    (folder / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(WeightsError, match=r"scheduler_config\.json is missing"):
        ReWorldModel.from_pretrained(folder)


def test_a_folder_of_an_earlier_version_works_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / CHECKSUMS).unlink()
    with caplog.at_level(logging.WARNING):
        ReWorldModel.from_pretrained(folder)
    assert f"has no {CHECKSUMS}" in caplog.text and str(folder) in caplog.text


@pytest.mark.parametrize("name", ["config.json", "training.json", CHECKSUMS])
@pytest.mark.parametrize("bare", [False, True])
def test_damaged_records_of_weights(folder: Path, name: str, bare: bool) -> None:
    file = folder / name
    whole = file.read_bytes()
    if bare:  # as an earlier version saved them
        (folder / CHECKSUMS).unlink()
    refused = 0
    for data in [*of_bytes(whole, 25), *of_values(whole, 60, sealed=not bare)]:
        file.write_bytes(data)
        try:
            ReWorldModel.from_pretrained(folder)
        except ReWorldError as error:
            refused += 1
            assert error.hint
        else:
            # a byte of white space more changes nothing that the record says
            assert bare or json.loads(data) == json.loads(whole), data
    assert refused > 20


def test_shipped_weights_carry_hashes(tmp_path: Path) -> None:
    for name in ("tiny", "small"):
        assert verify_checksums(shipped_folder(name), "")
    for learned_from, file in SHIPPED.items():
        assert verify_checksums(file.parent, "")
        EgoStatusMLPAgent(learned_from=learned_from).initialize()
    with pytest.raises(ConfigError, match="learned_from=mini does not exist"):
        EgoStatusMLPAgent(learned_from="mini")
    copy = Path(shutil.copytree(SHIPPED_WEIGHTS.parent, tmp_path / "mlp")) / SHIPPED_WEIGHTS.name
    EgoStatusMLPAgent(checkpoint_path=str(copy)).initialize()
    data = bytearray(copy.read_bytes())
    data[-9] ^= 1
    copy.write_bytes(data)
    with pytest.raises(WeightsError, match="is not as it was saved"):
        EgoStatusMLPAgent(checkpoint_path=str(copy)).initialize()


def test_weights_kept_in_half_precision_are_read_as_float32(tmp_path: Path) -> None:
    model = micro_model()
    for part in model.parts().values():
        part.half()
    model.save_pretrained(tmp_path / "half")
    again = ReWorldModel.from_pretrained(tmp_path / "half")
    assert {tensor.dtype for tensor in again.parameters()} == {torch.float32}
    wanted = {name: tensor.float() for name, tensor in model.state_dict().items()}
    found = again.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_an_index_of_shards_may_name_only_its_neighbours(folder: Path) -> None:
    (folder / CHECKSUMS).unlink()
    part = folder / "action_dit" / "diffusion_pytorch_model.safetensors"
    part.rename(folder / "action_dit" / "other.safetensors")
    index = part.with_name(part.name + ".index.json")
    wrong: tuple[object, ...] = ({"a": "../../x.safetensors"}, {"a": 1}, [], {})
    for names in wrong:
        index.write_text(json.dumps({"weight_map": names}))
        with pytest.raises(WeightsError, match=r"index\.json"):
            ReWorldModel.from_pretrained(folder)
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"a": "other.safetensors"}}))
    assert torch.is_tensor(ReWorldModel.from_pretrained(folder).normaliser.state_dict()["scale"])
