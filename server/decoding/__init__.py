"""Decoding in processes that can be ended: for images whose cost is not certain before they are decoded.

The libraries that decode cannot be asked to stop. So an image that may take long is decoded in a process of its own,
which is killed when its caller leaves, its deadline passes, or it has used its budget of processor time or memory.

    host.py       decode one image in a process: send, wait, receive, kill            \\  in the server
    template.py   the server's side of the template: start it, ask it for processes   /
    spawn.py      the template: has loaded all that decoding needs, forks a process for each image
    child.py      one image: set the limits, receive, decode, reply
    wire.py       messages over a socket, with a deadline
    job.py        what is decoded, and what comes back

The server has threads, so it cannot fork safely; the template has one thread, and forks in a few milliseconds what a
new interpreter would load in half a second. Needs no file system: processes talk over socket pairs.
"""
