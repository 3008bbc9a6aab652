"""nuPlan maps: layers of `map.gpkg`, the graph of lanes, geometries by tile."""
