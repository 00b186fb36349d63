"""What the agent is measured against behind a gateway: a script that asks one unit after the other over
one connection, and sends a message for each.

    gateway.py PORT --units N --broker PORT --period S --registers N

pymodbus (asyncio) and paho, QoS 1, a second of patience, no spool.
"""

import argparse
import asyncio
import json
import time

import paho.mqtt.client as mqtt
from pymodbus.client import AsyncModbusTcpClient


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    for name in ("--units", "--broker", "--registers"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--period", type=float, required=True)
    arguments = parser.parse_args()
    broker = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    broker.connect("127.0.0.1", arguments.broker)
    broker.loop_start()
    client = AsyncModbusTcpClient("127.0.0.1", port=arguments.port, timeout=1, retries=0)
    await client.connect()
    due = time.monotonic()
    while True:
        due += arguments.period
        for unit in range(1, arguments.units + 1):
            try:
                count = arguments.registers
                answer = await client.read_holding_registers(0, count=count, device_id=unit)
                if not answer.isError():
                    values = {f"r{at}": value for at, value in enumerate(answer.registers)}
                    payload = json.dumps({"at": time.time(), "readings": values})
                    broker.publish(f"peer/d{unit}", payload, qos=1)
            except Exception:  # whatever it is, the next unit is asked
                client.close()
                await client.connect()
        await asyncio.sleep(max(0.0, due - time.monotonic()))


asyncio.run(main())
