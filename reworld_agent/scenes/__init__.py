"""The built-in host: NAVSIM data to scenes and agent inputs, without the devkit or torch."""
