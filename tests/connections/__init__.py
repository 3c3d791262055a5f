"""Which connections a command opens, and which names it looks up.

namespace.py   the command has a network of its own, in which every address is answered by nobody and written down
inside.py      what sets that network up, records it, and runs the command in it
packets.py     what a packet says: who is asked, and for which name
traced.py      where no such network may be made: strace beside the command
"""
