"""Standard input, output and error, where a process is started without them."""

import os


def fill_standard_descriptors() -> None:
    """Open /dev/null for each of the descriptors 0, 1 and 2 that is closed.

    The next file or socket would get its number otherwise, and what libraries print would be written into that.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
