"""`python -m sandbox`: wire-level stand-ins for Salesforce, WHMCS, Freebit and WHM, for development, demo and tests."""

import argparse
import asyncio
import signal
from pathlib import Path

from sandbox import serve, state_file
from sandbox.persistence import Persistence
from sandbox.tls import certificates
from sandbox.whmcs.hooks import send_for_ever
from sandbox.world import World


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument(
        "--state-file", type=Path, required=True, help="written when ready: URLs, credentials, customers"
    )
    parser.add_argument("--dir", type=Path, required=True, help="folder for certificates, keys and the world's state")
    parser.add_argument("--webhook-url", default="", help="where WHMCS's webhooks go")
    parser.add_argument("--seed-customers", type=int, default=300, help="how many sample customers (default 300)")
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """Start, write the state file, serve until SIGTERM or SIGINT, save."""
    directory: Path = options.dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    options.state_file.unlink(missing_ok=True)
    files, ports = certificates(directory), serve.Ports(directory / "ports.json")
    world = World(options.seed_customers, directory / "salesforce.key")
    world.seed()
    world.webhook_target = options.webhook_url
    persistence = Persistence(world, directory / "world.pickle")
    persistence.load()
    listeners = await serve.start(world, ports, files)
    world.whmcs_url = f"https://localhost:{ports.get('whmcs-https')}"
    background = [asyncio.create_task(send_for_ever(world)), asyncio.create_task(persistence.save_for_ever())]
    state_file.write(options.state_file, world, ports, files)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    persistence.save()
    for task in [*background, *listeners]:
        task.cancel()


if __name__ == "__main__":
    main()
