"""Methods of other papers that take a network as their backbone, one file each; a new one adds a line here."""

from benchmarks.work.methods import asl, ws_dan
from benchmarks.work.methods.method import Method

METHODS: dict[str, Method] = {"ws-dan": ws_dan.METHOD, "asl": asl.METHOD}
