"""Reads a SOR file with the Python readers pyOTDR and otdrparser and prints what they saw.

Usage: sor_peers.py FILE. Prints one "name value" pair a line; exits 3 where a package is missing.
"""

import contextlib
import io
import os
import sys

try:
    import otdrparser
    import pyotdr
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)

path = sys.argv[1]

with open(path, "rb") as file:
    blocks = otdrparser.parse2(file)
points = blocks["DataPts"]["data_points"]
print("otdrparser_samples", len(points))
print("otdrparser_first", f"{points[0][0]:.6f}")
print("otdrparser_pulse", blocks["FxdParams"]["pulse_width"])
print("otdrparser_index", f"{blocks['FxdParams']['index_of_refraction']:.5f}")
print("otdrparser_events", len(blocks["KeyEvents"]["events"]))
print("otdrparser_event_m", f"{blocks['KeyEvents']['events'][0]['distance_of_travel']:.1f}")

# pyOTDR writes files next to its input unless told not to, and logs to stdout.
os.chdir(os.path.dirname(path))
with contextlib.redirect_stdout(io.StringIO()):
    status, results, trace = pyotdr.sorparse(path)
print("pyotdr_status", status)
print("pyotdr_samples", len(trace))
print("pyotdr_checksum", results["Cksum"]["match"])
print("pyotdr_pulse", results["FxdParams"]["pulse width"])
print("pyotdr_events", results["KeyEvents"]["num events"])
print("pyotdr_wavelength", results["FxdParams"]["wavelength"])
