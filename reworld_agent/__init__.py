"""ReWorld: a world action model for driving, as a NAVSIM agent plugin and evaluation toolkit.

Importing the package is cheap: nothing heavy (torch, Hydra, shapely) is loaded until a module
that needs it is imported.
"""

__version__ = "0.2.0"
