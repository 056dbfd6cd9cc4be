# SPDX-License-Identifier: Apache-2.0
# What docker-py is used for: each answer is checked here.
import io
import tarfile

import docker
from docker import errors

c = docker.from_env(version='auto')
assert c.ping() and c.version()['ApiVersion'] == c.api._version, c.api._version

image, log = c.images.build(fileobj=io.BytesIO(b'FROM busybox\nRUN echo hi > /x\nLABEL q=r\n'), tag='py:1', rm=True)
assert image.tags == ['py:1'] and image.labels == {'q': 'r'}, image.attrs
assert any('Successfully built' in l.get('stream', '') for l in log)
try:
    c.images.build(fileobj=io.BytesIO(b'FROM busybox\nRUN exit 3\n'))
    raise SystemExit('a build that fails has not failed')
except errors.BuildError as e:
    assert e.msg == "The command '/bin/sh -c exit 3' returned a non-zero code: 3", e.msg
try:
    c.images.build(fileobj=io.BytesIO(b'FRM busybox\n'))
    raise SystemExit('a Dockerfile that is none was built')
except errors.APIError as e:
    assert e.status_code == 400 and 'unknown instruction: FRM' in e.explanation, e
try:
    c.images.get('nosuch:x')
    raise SystemExit('an image that is not there was found')
except errors.ImageNotFound as e:
    assert e.explanation == 'No such image: nosuch:x', e.explanation
assert image.history()[0]['Id'] == image.id
assert image.tag('other', tag='2') and sorted(c.images.get('py:1').tags) == ['other:2', 'py:1']
saved = b''.join(image.save(named=True))
c.images.remove('py:1')
c.images.remove('other:2')
assert [i.id for i in c.images.load(saved)] == [image.id]
assert len(c.images.list(filters={'label': 'q=r'})) == 1
assert c.images.list(name='nosuch') == []

network = c.networks.create('pynet', driver='bridge', attachable=True, labels={'a': 'b'}, check_duplicate=True, ipam=docker.types.IPAMConfig(
    pool_configs=[docker.types.IPAMPool(subnet='10.93.0.0/24', aux_addresses={'r': '10.93.0.7'})]))
network.reload()
assert network.attrs['Attachable'] and network.attrs['IPAM']['Config'][0]['AuxiliaryAddresses'] == {'r': '10.93.0.7'}, network.attrs
assert [n.name for n in c.networks.list(filters={'label': 'a=b'})] == ['pynet']
assert {'bridge', 'host', 'none'} <= {n.name for n in c.networks.list()}
volume = c.volumes.create('pyv', labels={'x': 'y'})
assert [v.name for v in c.volumes.list(filters={'label': 'x'})] == ['pyv']
try:
    c.volumes.get('nosuch')
    raise SystemExit('a volume that is not there was found')
except errors.NotFound as e:
    assert e.explanation == 'get nosuch: no such volume', e.explanation

box = c.containers.run('py:1', 'sleep 1000', detach=True, name='box', network='pynet', volumes={'pyv': {'bind': '/data', 'mode': 'rw'}}, labels={'l': 'm'})
box.reload()
assert box.status == 'running' and box.attrs['NetworkSettings']['Networks']['pynet']['IPAddress'].startswith('10.93.0.')
code, out = box.exec_run('cat /x')
assert (code, out) == (0, b'hi\n'), (code, out)
code, (out, err) = box.exec_run('sh -c "echo out; echo err >&2; exit 4"', demux=True)
assert (code, out, err) == (4, b'out\n', b'err\n')
pack = io.BytesIO()
with tarfile.open(fileobj=pack, mode='w') as t:
    info = tarfile.TarInfo('f')
    info.size = 3
    t.addfile(info, io.BytesIO(b'abc'))
assert box.put_archive('/data', pack.getvalue())
chunks, stat = box.get_archive('/data/f')
assert stat['name'] == 'f' and b'abc' in b''.join(chunks)
assert [p[-1] for p in box.top()['Processes']] == ['sleep 1000']
assert '/x' not in {d['Path'] for d in box.diff() or []}
network.reload()
assert [m.name for m in network.containers] == ['box']
network.disconnect(box)
network.connect(box, aliases=['again'])
box.rename('crate')
box.stop(timeout=1)
assert box.wait()['StatusCode'] == 137
committed = box.commit('snap', tag='1', message='m', changes='ENV A=b', conf={'Labels': {'z': 'y'}})
assert 'A=b' in committed.attrs['Config']['Env'] and committed.labels == {'q': 'r', 'l': 'm', 'z': 'y'}, committed.attrs['Config']
box.remove(v=True)
assert c.containers.run('py:1', ['sh', '-c', 'echo one; echo two'], remove=True) == b'one\ntwo\n'
try:
    c.containers.run('py:1', ['sh', '-c', 'echo why >&2; exit 9'], remove=True)
    raise SystemExit('a container that fails has not failed')
except errors.ContainerError as e:
    assert e.exit_status == 9 and e.stderr == b'why\n', e
assert c.containers.list(all=True) == []

network.remove()
volume.remove()
assert set(c.df()) >= {'Images', 'Containers', 'Volumes', 'BuildCache'}
assert c.images.prune(filters={'dangling': False})['ImagesDeleted']
assert c.networks.prune()['NetworksDeleted'] is None and c.volumes.prune()['SpaceReclaimed'] == 0
assert 'SpaceReclaimed' in c.api.prune_builds()
