"""The PDM simulator and scorer: scene caches, PDMS (NAVSIM v1.1) and EPDMS (v2.2), no torch."""
