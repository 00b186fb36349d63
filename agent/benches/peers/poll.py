"""What the agent is measured against: a script that reads each device in one request and sends one message.

    poll.py PORT... --broker PORT --period S --registers N

pymodbus (asyncio) and paho, QoS 1, no spool: what it has not sent is lost when it ends.
"""

import argparse
import asyncio
import json
import time

import paho.mqtt.client as mqtt
from pymodbus.client import AsyncModbusTcpClient


async def device(name, port, arguments, broker):
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0)
    await client.connect()
    due = time.monotonic()
    while True:
        due += arguments.period
        try:
            answer = await client.read_holding_registers(0, count=arguments.registers)
            if not answer.isError():
                values = {f"r{at}": value for at, value in enumerate(answer.registers)}
                payload = json.dumps({"at": time.time(), "readings": values})
                broker.publish(f"peer/{name}", payload, qos=1)
        except Exception:  # whatever it is, the next round tries again
            client.close()
            await client.connect()
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ports", nargs="+", type=int)
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--period", type=float, required=True)
    parser.add_argument("--registers", type=int, required=True)
    arguments = parser.parse_args()
    broker = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    broker.max_inflight_messages_set(1000)
    broker.connect("127.0.0.1", arguments.broker)
    broker.loop_start()
    devices = [device(f"d{at}", port, arguments, broker) for at, port in enumerate(arguments.ports)]
    await asyncio.gather(*devices)


asyncio.run(main())
