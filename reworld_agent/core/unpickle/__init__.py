"""Reading a pickle that we did not write, without running code from it.

A pickle may name any Python callable and have it called, fill any object's inside, and ask for any
amount of memory. Here it is scanned first (`scan`), every name in it is answered by a stand-in of
ours (`stand_ins`), arrays are made from bytes by us (`arrays`), and what comes out is looked
through once (`settle`). What was read so, and holds nothing unusual, is read plainly when the same
bytes come again (`plain`).
"""

from reworld_agent.core.unpickle.load import Content, load_known_pickle, load_pickle
from reworld_agent.core.unpickle.stand_ins import Record

__all__ = ["Content", "Record", "load_known_pickle", "load_pickle"]
