"""Reads a SOR file with the Python readers pyOTDR and otdrparser and prints what they saw.

Usage: sor_peers.py FILE. Prints one "name value" pair a line; exits 3 where a package is missing.
otdrparser knows version 2 only, so it is left out for others.
"""

import contextlib
import io
import os
import sys
import time

try:
    import otdrparser
    import pyotdr
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)


def by_otdrparser(path):
    start = time.perf_counter()
    with open(path, "rb") as file:
        blocks = otdrparser.parse2(file)
    print("otdrparser_ms", f"{(time.perf_counter() - start) * 1e3:.1f}")
    points = blocks["DataPts"]["data_points"]
    print("otdrparser_samples", len(points))
    print("otdrparser_levels", " ".join(f"{level:.3f}" for _, level in points[:40]))
    print("otdrparser_second_m", f"{points[1][0]:.6f}")
    print("otdrparser_last_m", f"{points[-1][0]:.1f}")
    print("otdrparser_pulse", blocks["FxdParams"]["pulse_width"])
    print("otdrparser_index", f"{blocks['FxdParams']['index_of_refraction']:.5f}")
    for event in blocks["KeyEvents"]["events"]:
        print(f"otdrparser_event_{event['event_number']}", f"{event['distance_of_travel']:.1f}")


def by_pyotdr(path):
    start = time.perf_counter()
    # It writes next to its input unless told not to, and logs to standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        status, results, trace = pyotdr.sorparse(path)
    print("pyotdr_ms", f"{(time.perf_counter() - start) * 1e3:.1f}")
    levels = [float(line.split()[1]) for line in trace]
    print("pyotdr_status", status)
    print("pyotdr_samples", len(trace))
    # It turns levels upside down: what matters is how they differ.
    print("pyotdr_levels", " ".join(f"{levels[0] - level:.3f}" for level in levels[:40]))
    print("pyotdr_spacing_m", f"{results['FxdParams']['resolution']:.6f}")
    print("pyotdr_checksum", results["Cksum"]["match"])
    print("pyotdr_pulse", results["FxdParams"]["pulse width"])
    print("pyotdr_wavelength", results["FxdParams"]["wavelength"])
    print("pyotdr_cable", results["GenParams"]["cable ID"])
    for number in range(1, results["KeyEvents"]["num events"] + 1):
        event = results["KeyEvents"][f"event {number}"]
        print(f"pyotdr_event_{number}", event["distance"], event["splice loss"], event["refl loss"])


path = os.path.abspath(sys.argv[1])
os.chdir(os.path.dirname(path))
with open(path, "rb") as file:
    if file.read(4) == b"Map\0":
        by_otdrparser(path)
by_pyotdr(path)
