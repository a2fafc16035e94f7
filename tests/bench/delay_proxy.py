"""A TCP proxy on loopback that makes the way long: each byte arrives so much later.

It does not implement: loss, a limited bandwidth, half-closed connections.
"""

import asyncio
import threading


class DelayProxy:
    """proxy = DelayProxy(port, 20).start(); ... proxy.port ... proxy.stop()

    port: on loopback, where it leads to.  delay_ms: one way.
    """

    def __init__(self, port, delay_ms):
        self.port = None
        self._target = port
        self._delay_s = delay_ms / 1000
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self):
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result()
        self.port = server.sockets[0].getsockname()[1]
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                self._loop.call_later(self._delay_s, writer.write, data)
                await writer.drain()
        except ConnectionError:
            pass  # the other side learns it by the close
        self._loop.call_later(self._delay_s, writer.close)
