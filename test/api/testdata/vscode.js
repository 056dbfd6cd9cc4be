// SPDX-License-Identifier: Apache-2.0
// What VS Code's container extension asks of a program called docker, by its own
// library, which refuses answers whose fields are not those that it knows.
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const Module = require('module');

// Of the editor itself the library needs two tables alone.
const editor = { ShellQuoting: { Escape: 1, Strong: 2, Weak: 3 }, FileType: { Unknown: 0, File: 1, Directory: 2, SymbolicLink: 64 } };
const load = Module._load;
Module._load = (name, ...more) => name === 'vscode' ? editor : load(name, ...more);
const { DockerClient, DockerComposeClient, ShellStreamCommandRunnerFactory } = require('@microsoft/vscode-container-client');
const { NoShell } = require('@microsoft/vscode-processutils');

const docker = new DockerClient();
const compose = new DockerComposeClient();
const factory = new ShellStreamCommandRunnerFactory({ strict: true, onCommand: command => process.stderr.write(command + '\n'), stdErrPipe: process.stderr, shellProvider: new NoShell(), allowUnsafeExecutablePath: true });
const run = factory.getCommandRunner();
const stream = factory.getStreamingCommandRunner();
const all = async (command) => {
  const out = [];
  for await (const piece of stream(command)) out.push(piece);
  return out;
};
const text = async (command) => (await all(command)).map(String).join('');

async function system() {
  assert.match(await run(docker.checkInstall({})), /^Docker version /);
  const version = await run(docker.version({}));
  assert.match(version.server, /^\d+\.\d+$/);
  assert.equal((await run(docker.info({}))).osType, 'linux');
  const contexts = await run(docker.listContexts({}));
  assert.deepEqual(contexts.filter(c => c.current).map(c => c.name), ['default']);
  assert.equal((await run(docker.inspectContexts({ contexts: ['default'] })))[0].name, 'default');
  await run(docker.useContext({ context: 'default' }));
}

async function images() {
  fs.mkdirSync('image');
  fs.writeFileSync('image/File', 'FROM busybox AS first\nARG WHO\nRUN echo $WHO > /who\nEXPOSE 80\nENV A=b\nFROM first\nRUN exit 3\n');
  await run(docker.buildImage({ path: 'image', file: 'image/File', stage: 'first', tags: ['one:1', 'two'], labels: { a: 'b' }, args: { WHO: 'me' }, imageIdFile: 'id', pull: false }));
  const listed = await run(docker.listImages({ labels: { a: 'b' } }));
  assert.deepEqual(listed.map(i => i.image.originalName).sort(), ['one:1', 'two:latest']);
  assert.ok(listed.every(i => i.createdAt instanceof Date && i.size > 0));
  const [image] = await run(docker.inspectImages({ imageRefs: ['one:1'] }));
  assert.equal(image.id, fs.readFileSync('id', 'utf8'));
  assert.deepEqual([image.environmentVariables.A, image.ports, image.labels, image.operatingSystem], ['b', [{ containerPort: 80, protocol: 'tcp' }], { a: 'b' }, 'linux']);
  await run(docker.tagImage({ fromImageRef: 'one:1', toImageRef: 'three:3' }));
  assert.deepEqual(await run(docker.removeImages({ imageRefs: ['three:3'] })), ['Untagged: three:3']);
  await assert.rejects(run(docker.buildImage({ path: 'image', file: 'image/File' })));
  assert.deepEqual((await run(docker.listImages({ references: ['two'] }))).length, 1);
}

async function containers() {
  await run(docker.createVolume({ name: 'data' }));
  await run(docker.createNetwork({ name: 'net', driver: 'bridge' }));
  const since = Math.floor(Date.now() / 1000) - 1;
  const id = await run(docker.runContainer({
    imageRef: 'one:1', name: 'box', detached: true, labels: { c: 'd' }, ports: [{ hostIp: '127.0.0.1', containerPort: 80 }], network: 'net', networkAlias: 'alias',
    addHost: [{ hostname: 'other', ip: '1.2.3.4' }], environmentVariables: { B: 'two words' }, pull: 'missing', exposePorts: [81], customOptions: '--init',
    mounts: [{ type: 'volume', source: 'data', destination: '/data', readOnly: false }, { type: 'bind', source: process.cwd() + '/image', destination: '/image', readOnly: true }],
    entrypoint: '/bin/sh', command: ['-c', 'echo to the log; exec sleep 1000'],
  }));
  assert.match(id, /^[0-9a-f]{64}$/);
  const [listed] = await run(docker.listContainers({ labels: { c: 'd' }, running: true, names: ['box'], networks: ['net'], volumes: ['data'] }));
  assert.deepEqual([listed.id, listed.name, listed.image.originalName, listed.state, listed.networks, listed.labels.c], [id, 'box', 'one:1', 'running', ['net'], 'd']);
  assert.ok(listed.ports.some(p => p.containerPort === 80 && p.hostPort > 0));
  const [box] = await run(docker.inspectContainers({ containers: ['box'] }));
  assert.deepEqual([box.id, box.name, box.status, box.environmentVariables.B, box.entrypoint, box.networks.map(n => n.name)], [id, '/box', 'running', 'two words', ['/bin/sh'], ['net']]);
  assert.deepEqual(box.mounts.map(m => [m.type, m.destination, m.readOnly]).sort(), [['bind', '/image', true], ['volume', '/data', false]]);
  assert.ok(box.startedAt >= box.createdAt, `${box.startedAt} ${box.createdAt}`);
  assert.equal(await text(docker.execContainer({ container: 'box', environmentVariables: { X: 'y z' }, command: ['sh', '-c', 'echo $X; cat /who'] })), 'y z\nme\n');
  while (await text(docker.logsForContainer({ container: 'box', tail: 5 })) !== 'to the log\r\n');
  const events = await all(docker.getEventStream({ since, until: Math.floor(Date.now() / 1000) + 1, types: ['container'], events: ['start', 'create'] }));
  assert.deepEqual(events.map(e => [e.action, e.actor.id]), [['create', id], ['start', id]]);
  assert.deepEqual(await run(docker.stopContainers({ container: ['box'], time: 0 })), ['box']);
  assert.deepEqual((await run(docker.listContainers({ all: true, exited: true }))).map(c => c.state), ['exited']);
  assert.deepEqual(await run(docker.startContainers({ container: ['box'] })), ['box']);
  assert.deepEqual(await run(docker.restartContainers({ container: ['box'] })), ['box']);
}

async function files() {
  assert.deepEqual((await run(docker.listFiles({ container: 'box', path: '/' }))).filter(f => f.name === 'who').map(f => f.size), [3]);
  assert.equal((await run(docker.statPath({ container: 'box', path: '/who' }))).size, 3);
  await assert.rejects(run(docker.statPath({ container: 'box', path: '/nosuch' })));
  assert.match(await text(docker.readFile({ container: 'box', path: '/who' })), /me\n/); // in an archive
  fs.writeFileSync('written', 'text');
  await run(docker.writeFile({ container: 'box', path: '/tmp', inputFile: path.resolve('written') }));
  assert.equal(await text(docker.execContainer({ container: 'box', command: ['cat', '/tmp/written'] })), 'text');
}

async function orchestra() {
  fs.mkdirSync('app');
  fs.writeFileSync('app/compose.yaml', 'services:\n  web: {image: one:1, command: "sh -c \'echo the web; exec sleep 1000\'", volumes: ["store:/v"]}\n  more: {image: busybox, command: sleep 1000, profiles: [p]}\nvolumes: {store: {}}\n');
  const files = ['app/compose.yaml'];
  assert.match(await run(compose.checkOrchestratorInstall({ composeVersion: 'v2' })), /version v?\d/);
  for (const [configType, want] of [['services', ['web']], ['images', ['one:1']], ['profiles', ['p']], ['volumes', ['store']]]) {
    assert.deepEqual(await run(compose.config({ files, configType })), want);
  }
  await run(compose.up({ files, projectName: 'app', detached: true, build: true, scale: { web: 2 }, timeoutSeconds: 1, wait: true }));
  const project = { 'com.docker.compose.project': 'app' };
  assert.deepEqual((await run(docker.listContainers({ labels: project }))).map(c => c.name).sort(), ['app-web-1', 'app-web-2']);
  const grouped = await run(docker.inspectContainers({ containers: ['app-web-1'] }));
  assert.equal(grouped[0].labels['com.docker.compose.service'], 'web');
  assert.match(await text(compose.logs({ files, projectName: 'app', tail: 10 })), /web-1 .*the web/);
  await run(compose.stop({ files, projectName: 'app', timeoutSeconds: 0 }));
  await run(compose.start({ files, projectName: 'app' }));
  await run(compose.restart({ files, projectName: 'app', timeoutSeconds: 0 }));
  await run(compose.up({ files, projectName: 'app', profiles: ['p'], detached: true, recreate: 'force', timeoutSeconds: 0 }));
  await run(compose.down({ files, projectName: 'app', profiles: ['p'], removeVolumes: true, timeoutSeconds: 0 }));
  assert.deepEqual(await run(docker.listContainers({ all: true, labels: project })), []);
}

async function removal() {
  const [volume] = await run(docker.inspectVolumes({ volumes: ['data'] }));
  assert.deepEqual([volume.name, volume.driver, (await run(docker.listVolumes({})))[0].name], ['data', 'local', 'data']);
  assert.equal((await run(docker.inspectNetworks({ networks: ['net'] })))[0].driver, 'bridge');
  assert.ok((await run(docker.listNetworks({}))).some(n => n.name === 'net' && n.driver === 'bridge'));
  assert.deepEqual(await run(docker.removeContainers({ containers: ['box'], force: true })), ['box']);
  assert.deepEqual(await run(docker.removeNetworks({ networks: ['net'] })), ['net']);
  assert.deepEqual(await run(docker.removeVolumes({ volumes: ['data'] })), ['data']);
  await run(docker.runContainer({ imageRef: 'busybox', name: 'over', command: ['true'] }));
  assert.equal((await run(docker.pruneContainers({}))).containersDeleted.length, 1);
  await run(docker.pruneVolumes({}));
  await run(docker.pruneNetworks({}));
  await run(docker.pruneImages({ all: true }));
}

(async () => {
  for (const part of [system, images, containers, files, orchestra, removal]) await part();
})().catch(e => { console.error(e); process.exit(1); });
