// SPDX-License-Identifier: Apache-2.0
// What dockerode is used for: each answer is checked here.
const assert = require('assert');
const Docker = require('dockerode');
const tar = require('tar-stream');

const docker = new Docker();
const follow = s => new Promise((done, fail) => docker.modem.followProgress(s, (e, out) => e ? fail(e) : done(out)));
const context = (...files) => {
  const pack = tar.pack();
  for (const [name, text] of files) pack.entry({ name }, text);
  pack.finalize();
  return pack;
};

(async () => {
  assert.equal((await docker.ping()).toString(), 'OK');
  assert.ok((await docker.info()).ServerVersion);
  let out = await follow(await docker.buildImage(context(['Dockerfile', 'FROM busybox\nARG A\nRUN echo $A > /a\n']), { t: 'node:1', buildargs: { A: 'b' } }));
  assert.equal(out[out.length - 1].stream, 'Successfully tagged node:1\n');
  out = await follow(await docker.buildImage(context(['Dockerfile', 'FROM busybox\nRUN exit 5\n']), {}));
  assert.deepEqual(out[out.length - 1].errorDetail, { code: 5, message: "The command '/bin/sh -c exit 5' returned a non-zero code: 5" });
  const id = (await docker.getImage('node:1').inspect()).Id;
  assert.equal((await docker.getImage('node:1').history())[0].Id, id);
  await docker.getImage('node:1').tag({ repo: 'again', tag: '2' });
  assert.deepEqual((await docker.listImages({ filters: { reference: ['again'] } })).map(i => i.RepoTags), [['again:2']]);
  assert.deepEqual(await docker.getImage('again:2').remove(), [{ Untagged: 'again:2' }]);
  await assert.rejects(docker.getImage('nosuch').inspect(), e => e.statusCode === 404 && e.json.message === 'No such image: nosuch:latest');

  const network = await docker.createNetwork({ Name: 'nodenet', Labels: { a: 'b' }, CheckDuplicate: true });
  await assert.rejects(docker.createNetwork({ Name: 'nodenet' }), e => e.statusCode === 409);
  const volume = await docker.createVolume({ Name: 'nodev' });
  const c = await docker.createContainer({
    Image: 'node:1', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, name: 'catcher',
    HostConfig: { NetworkMode: 'nodenet', Binds: ['nodev:/data'] },
  });
  const stream = await c.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  let text = '';
  const sink = new (require('stream').Writable)({ write(chunk, _, next) { text += chunk; next(); } });
  docker.modem.demuxStream(stream, sink, sink);
  const ended = c.wait();
  const all = new Promise(done => stream.on('end', done));
  await c.start();
  assert.deepEqual(Object.keys((await network.inspect()).Containers), [c.id]);
  stream.write('through the stream\n');
  stream.end();
  assert.equal((await ended).StatusCode, 0);
  await all;
  assert.equal(text, 'through the stream\n');
  assert.equal((await c.inspect()).State.ExitCode, 0);
  await c.remove();
  const [result] = await docker.run('node:1', ['sh', '-c', 'cat /a; exit 6'], null, { HostConfig: { AutoRemove: true } });
  assert.equal(result.StatusCode, 6);
  await network.remove();
  await volume.remove();
  assert.deepEqual(await docker.listContainers({ all: true }), []);
  assert.equal((await docker.pruneImages({ filters: { dangling: { false: true } } })).ImagesDeleted[0].Untagged !== undefined, true);
  await docker.pruneNetworks();
  await docker.pruneVolumes();
})().catch(e => { console.error(e); process.exit(1); });
