"""The style of figures as they stand in a paper."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from reworld_agent.analysis.figures import style


def test_style_is_found_by_its_name_and_leaves_nothing_behind() -> None:
    before = (mpl.rcParams["font.size"], mpl.rcParams["axes.prop_cycle"])
    with matplotlib.style.context("reworld_agent.analysis.figures.paper"):
        colours = [to_hex(entry["color"]) for entry in mpl.rcParams["axes.prop_cycle"]]
        lines = [entry["linestyle"] for entry in mpl.rcParams["axes.prop_cycle"]]
        assert mpl.rcParams["pdf.fonttype"] == 42 and mpl.rcParams["svg.fonttype"] == "none"
    assert colours[:3] == [style.BLUE, style.VERMILLION, style.GREEN]
    assert len(set(zip(colours, lines, strict=True))) == len(colours)
    assert (mpl.rcParams["font.size"], mpl.rcParams["axes.prop_cycle"]) == before


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_text_of_a_figure_stays_text(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"figure.{ending}"
    with style.paper():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], label="PDMS of seeds")
        axes.legend()
        assert not axes.spines["top"].get_visible()
        figure.savefig(file)
    wanted = b"PDMS of seeds" if ending == "svg" else b"/TrueType"
    content = file.read_bytes()
    assert wanted in content or b"/CIDFontType2" in content
