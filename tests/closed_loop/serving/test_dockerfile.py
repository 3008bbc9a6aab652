"""The image of the guide: its files are there, and its command is one of ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

from reworld_agent.cli import tree
from reworld_agent.closed_loop.serving.address import HOST, PORT, read_address, usual_address

ROOT = Path(__file__).resolve().parents[3]


def test_the_image_serves_where_the_evaluator_says() -> None:
    text = (ROOT / "docs" / "assets" / "driver.Dockerfile").read_text(encoding="utf-8")
    command = json.loads(text.split("\nCMD ")[1])
    name, rest = tree.find(command[1:])
    assert command[0] == "reworld" and name == "serve driver" and rest == ["agent=reworld"]
    given = dict(re.findall(r"(ALPASIM_DRIVER_\w+)=(\S+)", text))
    assert set(given) == {HOST, PORT}
    address = read_address(usual_address(given))
    assert f"EXPOSE {address.port}\n" in text and address.host == "0.0.0.0"
    assert "/opt/reworld[loop,model]" in text and (ROOT / "constraints.txt").is_file()
