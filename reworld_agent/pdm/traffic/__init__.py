"""Reactive traffic of NAVSIM v2.2: vehicles on rails, driven by the IDM."""
