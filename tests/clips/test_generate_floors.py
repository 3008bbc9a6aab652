"""What a future is held against: the codec's own restoration, and the present frame that stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.clips.decode import read_frames
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.video.codecs.quality import restored
from tests.clips.media import frame, write_video
from tests.clips.tables import write_openscene


def test_floors_of_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, output = tmp_path / "index.parquet", tmp_path / "out"
    data = write_openscene(tmp_path / "data")
    index = [
        "video",
        "index",
        "source=openscene",
        f"root={data}",
        f"output={table}",
        "frames=12",
        "stride=2",
    ]
    assert main(index) == 0
    words = ["video", "generate", f"index={table}", "row=0:2", "steps=1", f"output_dir={output}"]
    assert main(words) == 0 and not (output / "codec").exists()
    assert main([*words, "floors=true"]) == 0  # of futures that are there
    assert "0 futures written" in capsys.readouterr().out
    names = sorted(path.name for path in (output / "futures").glob("*.mp4"))
    assert len(names) == 2
    for folder in ("codec", "repeated"):
        assert sorted(path.name for path in (output / folder).glob("*.mp4")) == names
    past = read_frames(output / "clips" / names[0])[3]
    real = read_frames(output / "real" / names[0])
    repeated = read_frames(output / "repeated" / names[0])
    assert repeated.shape == real.shape and (repeated == repeated[:1]).all()
    assert np.abs(repeated[0].astype(int) - past).mean() < 4  # clips/ is written with loss
    model = ReWorldModel.from_pretrained(shipped_folder("tiny"))
    sequence = np.concatenate([repeated[:1], real])[None].transpose(0, 2, 1, 3, 4)
    pixels = torch.from_numpy(np.ascontiguousarray(sequence)).float() / 127.5 - 1
    with torch.no_grad():
        wanted = ((restored(model.codec, pixels) + 1) * 127.5).clamp(0, 255)[0, :, 1:]
    found = torch.from_numpy(read_frames(output / "codec" / names[0])).transpose(0, 1)
    assert (found - wanted).abs().max() <= 1.0
    stamp = (output / "codec" / names[0]).stat().st_mtime_ns
    assert main([*words, "floors=true"]) == 0
    assert (output / "codec" / names[0]).stat().st_mtime_ns == stamp


def test_no_floors_without_a_future(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [frame(k, 64, 112) for k in range(6)])
    output = tmp_path / "out"
    words = ["video", "generate", f"clip={path}", "fps=8", "steps=1", f"output_dir={output}"]
    assert main([*words, "floors=true"]) == 0
    assert (output / "futures" / "v.mp4").is_file() and not (output / "repeated").exists()
