"""Does the scorer give here what it gave where it was tested? Asked once a process, before scoring.

Two questions, cheap ones first: does each numeric routine that the scorer uses give a known result
(`routines`, and `map_routines` where caches are built), with the constants that kernels freeze in
(`constants`); and do golden scenes score as shipped, one for each protocol (`log_replay`,
`reactive`, `two_stage`)? A fault of a library then ends the run, instead of moving its numbers.
"""
