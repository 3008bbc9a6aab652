"""The one table of all metrics and protocols; scores, tables, reports and explanations read it.

A metric of NAVSIM is a row here, a file of its own beside this one, and its place in a protocol.
One of your own needs no change here: see `registry` and docs/extending/metric.md.
"""

from __future__ import annotations

from reworld_agent.core import vocabulary
from reworld_agent.pdm.metrics import (
    collision,
    comfort,
    direction,
    drivable_area,
    history_comfort,
    lane_keeping,
    progress,
    traffic_lights,
    ttc,
)
from reworld_agent.pdm.metrics.definition.metric import Look, Metric
from reworld_agent.pdm.metrics.definition.protocol import SCORE, Protocol

NC = Metric(
    name="no_at_fault_collisions",
    short="NC",
    title="no at-fault collision",
    raw="nc",
    allowed=(0.0, 0.5, 1.0),
    aliases=("no_at_fault_collision",),
    records=collision.records,
    explainer=collision.EXPLAINER,
    safety=True,
    look=Look("#d55e00", hatch="", white=True),
)
DAC = Metric(
    name="drivable_area_compliance",
    short="DAC",
    title="drivable area",
    raw="dac",
    allowed=(0.0, 1.0),
    records=drivable_area.records,
    explainer=drivable_area.EXPLAINER,
    safety=True,
    look=Look("#0072b2", hatch="////", stripe="#4f9fcb", label="#005b8e", white=True),
)
TTC = Metric(
    name="time_to_collision_within_bound",
    short="TTC",
    title="time to collision",
    raw="ttc",
    allowed=(0.0, 1.0),
    aliases=("time_to_collision",),
    records=ttc.records,
    explainer=ttc.EXPLAINER,
    safety=True,
    look=Look("#e69f00", hatch=".."),
)
EP = Metric(
    name="ego_progress",
    short="EP",
    title="ego progress",
    bound=0.5,
    explainer=progress.EXPLAINER,
    look=Look("#009e73", hatch="\\\\\\\\", stripe="#4cbd9e", angle=-45, label="#4cbd9e"),
)
COMFORT = Metric(
    name="comfort",
    short="Comf",
    title="comfort",
    heading="Comf.",
    raw="comfort",
    allowed=(0.0, 1.0),
    aliases=("c", "comf.", "comfortable"),
    records=comfort.records,
    explainer=comfort.EXPLAINER,
    least_mean=0.02,
    look=Look("#cc79a7", hatch="xx"),
)
DDC = Metric(
    name="driving_direction_compliance",
    short="DDC",
    title="driving direction",
    raw={
        vocabulary.PDMS_V1: "ddc",
        vocabulary.EPDMS_V2: "ddc_off_junctions",
        vocabulary.DRIVE_V1: "ddc_off_junctions",
    },
    allowed=(0.0, 0.5, 1.0),
    explainer=direction.EXPLAINER,
    safety=True,
    look=Look("#56b4e9", hatch="--"),
)
TLC = Metric(
    name="traffic_light_compliance",
    short="TLC",
    title="traffic lights",
    raw="tlc",
    allowed=(0.0, 1.0),
    records=traffic_lights.records,
    explainer=traffic_lights.EXPLAINER,
    safety=True,
    look=Look("#f0e442", hatch="++"),
)
LK = Metric(
    name="lane_keeping",
    short="LK",
    title="lane keeping",
    raw="lk",
    allowed=(0.0, 1.0),
    records=lane_keeping.records,
    explainer=lane_keeping.EXPLAINER,
    look=Look("#8c8c8c", hatch="||"),
)
HC = Metric(
    name="history_comfort",
    short="HC",
    title="comfort with the past",
    raw="hc",
    allowed=(0.0, 1.0),
    records=history_comfort.records,
    explainer=history_comfort.EXPLAINER,
    human_known=False,  # the devkit scores the driver without the past
    least_mean=0.02,
    look=Look("#cc79a7", hatch="xx"),
)
EC = Metric(
    name="two_frame_extended_comfort",
    short="EC",
    title="comfort between frames",
    allowed=(0.0, 1.0),
    aliases=("extended_comfort",),
    two_frames=True,
)
MP = Metric(
    name="making_progress",
    short="MP",
    title="making progress",
    allowed=(0.0, 1.0),
    look=Look("#117733", hatch="oo"),
)

TOTAL = Metric(
    name=SCORE,
    short=SCORE,
    title="score",
    aliases=("pdms", "epdms", "pdm_score", "epdm_score"),
)
"""The score itself, which is no metric."""

OFFICIAL = (NC, DAC, TTC, EP, COMFORT, DDC, TLC, LK, HC, EC, MP)
"""All metrics; failure records and charts follow their order."""

_Weights = tuple[tuple[Metric, float], ...]


def _protocol(
    name: str,
    total: str,
    title: str,
    conditions: str,
    navsim: str,
    multipliers: tuple[Metric, ...],
    weights: _Weights,
    reported: tuple[Metric, ...] = (),
    printed: tuple[Metric, ...] = (),
    scaled: tuple[Metric, ...] = (),
) -> Protocol:
    """The protocol by names. Explained is what counts: the multipliers first, they cost most."""
    weighed = [metric for metric, _ in weights]
    counting = (*multipliers, *(row for row in OFFICIAL if row in weighed))
    official = (*multipliers, *weighed, *reported)
    one_frame = tuple(row for row in official if not row.two_frames)
    return Protocol(
        name,
        total,
        title,
        conditions,
        navsim,
        multipliers=_names(multipliers),
        weights={metric.name: weight for metric, weight in weights},
        reported=_names(reported),
        optional=tuple(row.name for row in weighed if row.two_frames),
        printed=_names(printed or one_frame),
        scaled=_names(scaled),
        raw={row.name: row.raw_column(name) for row in official if row.raw},
        explained=tuple(row.name for row in counting if row.explainer is not None),
    )


def _names(metrics: tuple[Metric, ...]) -> tuple[str, ...]:
    return tuple(metric.name for metric in metrics)


PDMS_V1 = _protocol(
    vocabulary.PDMS_V1,
    "PDMS",
    "PDMS of NAVSIM v1",
    "PDM score of NAVSIM v1.1, non-reactive log replay, 4 s",
    navsim="1.1",
    multipliers=(NC, DAC),
    weights=((EP, 5.0), (TTC, 5.0), (COMFORT, 2.0)),
    reported=(DDC,),
    printed=(NC, DAC, TTC, COMFORT, EP),  # the order of the paper's tables
    scaled=(EP,),
)
EPDMS_V2 = _protocol(
    vocabulary.EPDMS_V2,
    "EPDMS",
    "EPDMS of NAVSIM v2",
    "extended PDM score of NAVSIM v2.2, one frame (no EC), log replay, human filter",
    navsim="2.2",
    multipliers=(NC, DAC, DDC, TLC),
    weights=((EP, 5.0), (TTC, 5.0), (LK, 2.0), (HC, 2.0), (EC, 2.0)),
)
DRIVE = _protocol(
    vocabulary.DRIVE_V1,
    "DS",
    "drive score",
    "closed loop, all driven windows of 4 s; progress against the recorded driver",
    navsim="",
    multipliers=(NC, DAC, DDC, TLC, MP),
    weights=((EP, 5.0), (TTC, 5.0), (COMFORT, 2.0)),
    printed=(NC, DAC, DDC, TLC, MP, TTC, COMFORT, EP),
)
OFFICIAL_PROTOCOLS = (PDMS_V1, EPDMS_V2, DRIVE)
