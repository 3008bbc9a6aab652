"""What surrounds the car: map polygons and their raster, traffic as logged, lights."""
