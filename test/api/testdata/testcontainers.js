// SPDX-License-Identifier: Apache-2.0
// What testcontainers is used for: each answer is checked here.
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { GenericContainer, Network, Wait } = require('testcontainers');

(async () => {
  const network = await new Network().start();
  const server = await new GenericContainer('busybox').withCommand(['sh', '-c', 'echo ready; exec httpd -f -p 8080 -h /etc'])
    .withExposedPorts(8080).withNetwork(network).withNetworkAliases('server').withWaitStrategy(Wait.forListeningPorts()).start();
  const page = await fetch(`http://127.0.0.1:${server.getMappedPort(8080)}/passwd`);
  assert.match(await page.text(), /^root:/);
  assert.deepEqual(await server.exec(['sh', '-c', 'echo out; echo err >&2; exit 3']).then(r => [r.exitCode, r.stdout, r.stderr]), [3, 'out\n', 'err\n']);
  await server.copyContentToContainer([{ content: 'abc', target: '/copied' }]);
  assert.equal((await server.exec(['cat', '/copied'])).output, 'abc');
  const dir = path.join(process.env.HOME, 'context');
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, 'Dockerfile'), 'FROM busybox\nARG WHO\nRUN echo $WHO > /who\n');
  const image = await GenericContainer.fromDockerfile(dir).withBuildArgs({ WHO: 'tc' }).build('tc:1', { deleteOnExit: Boolean(process.env.RYUK_CONTAINER_IMAGE) });
  const other = await image.withCommand(['sh', '-c', 'echo begun; sleep 1000']).withNetwork(network).withWaitStrategy(Wait.forLogMessage('begun')).start();
  assert.equal((await other.exec(['cat', '/who'])).output, 'tc\n');
  assert.match((await other.exec(['wget', '-qO-', 'http://server:8080/passwd'])).output, /^root:/);
  await other.restart();
  if (process.env.RYUK_CONTAINER_IMAGE) return; // the reaper removes all of it
  await other.stop();
  await server.stop();
  await network.stop();
})().catch(e => { console.error(e); process.exit(1); });
